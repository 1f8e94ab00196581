"""The traffic mix is what it says: legal, correct, identifiable, repeatable, and of every kind."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address
from struct import unpack_from

import pytest

from hpcapvf.model.address import Mac
from hpcapvf.verify.frames import FrameClass, classify, internet_checksum
from hpcapvf.verify.mix import MixTargets, mix_report, serial_of, traffic_mix

TARGETS = MixTargets(Mac.parse("02:00:00:00:00:01"), Mac.parse("02:00:00:00:00:02"))
MIX = traffic_mix(5000, targets=TARGETS)


def packet_of(frame: bytes) -> tuple[int, bytes]:
    offset = 12
    while unpack_from(">H", frame, offset)[0] in (0x8100, 0x88A8):
        offset += 4
    return unpack_from(">H", frame, offset)[0], frame[offset + 2 :]


def test_sizes_reach_both_ends_and_nothing_beyond() -> None:
    sizes = {len(frame) for frame in MIX}
    assert len(MIX) == 5000
    assert (min(sizes), max(sizes)) == (60, 1514)
    assert len(sizes) > 500


def test_the_same_arguments_give_the_same_frames_and_another_seed_others() -> None:
    assert traffic_mix(200, targets=TARGETS) == MIX[:200]
    assert traffic_mix(200, seed=2, targets=TARGETS) != MIX[:200]


def test_every_frame_is_known_by_its_serial_number() -> None:
    assert [serial_of(frame) for frame in MIX] == list(range(5000))
    assert serial_of(bytes(60)) is None
    assert serial_of(b"hpcapvf\0\1") is None


@pytest.mark.parametrize(
    "wanted",
    [
        FrameClass("unicast-to-vf", "untagged", "ipv4"),
        FrameClass("unicast-to-vf", "vlan", "ipv4"),
        FrameClass("unicast-to-vf", "priority-tag", "ipv4"),
        FrameClass("unicast-to-vf", "qinq", "ipv6"),
        FrameClass("unicast-to-pf", "untagged", "ipv6"),
        FrameClass("unicast-to-pf", "vlan", "ipv4"),
        FrameClass("unknown-unicast", "untagged", "ipv6"),
        FrameClass("unknown-unicast", "vlan", "ipv6"),
        FrameClass("unknown-unicast", "priority-tag", "ipv6"),
        FrameClass("unknown-unicast", "untagged", "other"),
        FrameClass("multicast", "untagged", "ipv4"),
        FrameClass("multicast", "vlan", "ipv6"),
        FrameClass("multicast", "untagged", "other"),
        FrameClass("multicast", "untagged", "llc"),
        FrameClass("broadcast", "untagged", "ipv4"),
        FrameClass("broadcast", "vlan", "ipv4"),
        FrameClass("broadcast", "untagged", "arp"),
    ],
    ids=str,
)
def test_every_kind_occurs(wanted: FrameClass) -> None:
    assert sum(classify(frame, TARGETS.owners()) == wanted for frame in MIX) > 50


def test_ip_and_udp_checksums_lengths_and_lifetime() -> None:
    checked = 0
    for frame in MIX:
        ethertype, packet = packet_of(frame)
        if ethertype == 0x0800:
            assert internet_checksum(packet[:20]) == 0
            assert unpack_from(">H", packet, 2)[0] == len(packet)
            assert packet[8] == 1
            pseudo, datagram = packet[12:20] + bytes([0, 17]), packet[20:]
        elif ethertype == 0x86DD:
            assert unpack_from(">H", packet, 4)[0] == len(packet) - 40
            assert packet[7] == 1
            pseudo, datagram = packet[8:40] + bytes([0, 17]), packet[40:]
        else:
            continue
        assert unpack_from(">H", datagram, 4)[0] == len(datagram)
        assert internet_checksum(pseudo + datagram[4:6] + datagram) == 0
        checked += 1
    assert checked > 3000


def test_nothing_makes_a_machine_answer() -> None:
    pf = TARGETS.pf_mac
    assert pf is not None
    for frame in MIX:
        ethertype, packet = packet_of(frame)
        assert ethertype != 0x8808
        assert not frame[6] & 1
        source = {0x0800: packet[12:16], 0x86DD: packet[8:24]}.get(ethertype)
        if source is not None:
            silent = ip_address(source).is_unspecified
            assert silent == (frame[:6] == pf.value.to_bytes(6, "big")) or frame[:6] not in (
                pf.value.to_bytes(6, "big"),
            )
        if ethertype == 0x0806:
            assert IPv4Address(packet[24:28]) == IPv4Address("198.51.100.254")


def test_without_a_pf_address_no_frame_goes_there() -> None:
    report = mix_report(traffic_mix(500, targets=MixTargets(TARGETS.vf_mac)), TARGETS)
    assert "unicast-to-pf" not in report
    assert sum(report[d] for d in ("unicast-to-vf", "unknown-unicast", "multicast", "broadcast")) == 500


def test_other_macs_of_the_host_are_used_and_never_taken_for_unknown() -> None:
    other = Mac.derived("hpcapvf traffic mix unknown", "0")
    targets = MixTargets(TARGETS.vf_mac, TARGETS.pf_mac, (other,))
    assert mix_report(traffic_mix(500, targets=targets), targets)["unicast-to-other"] < 40


def test_checksum_of_the_rfc_example() -> None:
    assert internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D
    assert internet_checksum(b"\x01") == 0xFEFF
