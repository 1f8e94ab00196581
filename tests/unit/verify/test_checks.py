"""Each check is green on a machine that is as planned, and red when just its own fact is off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from hpcapvf.host.protocols import CommandResult, Machine
from hpcapvf.model.address import CpuSet
from hpcapvf.model.errors import WaitTimedOut
from hpcapvf.model.host import DomainInfo, Host, NetInterface, PciDevice, Sriov
from hpcapvf.model.paths import guard_path
from hpcapvf.model.plan import Finding
from hpcapvf.nic.receive import receive_all
from hpcapvf.nic.tables import register_table
from hpcapvf.verify.checks import check_qemu, verify_plan
from hpcapvf.verify.readings import QemuReading, hugepages_by_node, read_interface, read_qemu
from tests.fakes.streams import StreamsByRunning
from tests.unit.verify.capture_guest import FOLDER
from tests.unit.verify.sample import (
    CONTROLLER,
    PF,
    UUID,
    VF,
    ManualClock,
    OneGuest,
    RegisterCells,
    ScriptedCommands,
    TreeFiles,
    sample_plan,
)

PLAN = sample_plan()
TABLE = register_table("82576")
NUMA_MAPS = """7f0000000000 bind:0 file=/dev/hugepages/libvirt/x huge dirty=512 N0=512 kernelpagesize_kB=2048
7f0080000000 default anon=3 dirty=3 N1=3 kernelpagesize_kB=4
7f00c0000000 default file=/dev/hugepages-1G/y huge N1=1 kernelpagesize_kB=1048576
"""
ETHTOOL_A = "Pause parameters for enp5s0:\nAutonegotiate:\toff\nRX:\t\toff\nTX:\t\toff\n"
ETHTOOL_K = (
    "Features for enp5s0:\nrx-checksumming: on\ngeneric-receive-offload: off\nlarge-receive-offload: off [fixed]\n"
    "\ttx-vlan-offload: on [fixed]\n"
)
FACTS = {
    "module": "live",
    "unit": "active",
    "program": "hpcapdd",
    "reader_cpus": "1",
    "filesystem": "xfs",
    "level": "raid0",
    "chunk_bytes": "1048576",
}
IS_ACTIVE = "systemctl is-active hpcapvf-guard-probe"
VMOLR_0 = TABLE.register("VMOLR").offset(0)
DRIVER = {"received": "5", "link": "1", "listeners": "1", "cpu": "0", "mac": "02:00:00:00:00:11"}


def status_of(thread: int) -> str:
    return f"/proc/321/task/{thread}/status"


def good_host() -> Host:
    pf = PciDevice(PF, 0x8086, 0x10C9, 0x020000, "igb", 0, "numa_node", 10, Sriov(7, 1, 384, 2, False, (VF,)))
    vf = PciDevice(VF, 0x8086, 0x10CA, 0x020000, "vfio-pci", 0, "numa_node", 11, physfn=PF)
    controller = PciDevice(CONTROLLER, 0x1000, 0x79, 0x010400, "vfio-pci", 0, "numa_node", 12)
    return Host(
        hostname="server",
        kernel_release="6.12",
        kernel_arguments=(),
        iommu_active=True,
        iomem_strict=False,
        lockdown=None,
        nodes=(),
        cpus=(),
        pci=(pf, controller, vf),
        interfaces=(NetInterface("enp5s0", PF, None, True, False),),
        domains=(DomainInfo("probe", UUID, True, (VF, CONTROLLER)),),
    )


def good_files() -> TreeFiles:
    task = "/proc/321/task"
    threads = {"321": ("qemu-system-x86", "0"), "330": ("CPU 0/KVM", "1"), "331": ("CPU 1/KVM", "2")}
    threads["340"] = ("call_rcu", "0")
    texts = {"/run/libvirt/qemu/probe.pid": "321\n", "/proc/321/numa_maps": NUMA_MAPS}
    for tid, (name, cpus) in threads.items():
        texts[f"{task}/{tid}/comm"] = f"{name}\n"
        texts[f"{task}/{tid}/status"] = f"Name:\t{name}\nCpus_allowed:\tff\nCpus_allowed_list:\t{cpus}\n"
    texts[guard_path("probe")] = '{"checks": 40, "drifts": 2, "error": ""}'
    return TreeFiles(texts)


def good_registers() -> RegisterCells:
    cells = RegisterCells({TABLE.register("RAH").offset(0): 1 << 31 | 1 << 19})
    for want in receive_all("82576", 0, lambda name, index: cells.read(TABLE.register(name).offset(index))):
        offset = TABLE.register(want.register).offset(want.index)
        cells.values[offset] = want.applied_to(cells.read(offset))
    return cells


@dataclass
class ScriptGuest(StreamsByRunning):
    """Answers the two readings of the checks."""

    facts: dict[str, str]
    nodes: tuple[str, ...]
    driver: dict[str, str]

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None) -> CommandResult:
        if "findmnt" in argv[2]:
            assert tuple(argv[3:]) == ("hpcapvf", "/srv/capture", "hpcapvf-capture.service")
            lines = [f"{k}={v}" for k, v in self.facts.items()] + [f"node={n}" for n in self.nodes]
        else:
            assert argv[2].startswith("grep -sHZ")
            lines = [f"{FOLDER}/{k}\0{v}" for k, v in self.driver.items()]
        return CommandResult(tuple(argv), 0, "\n".join(lines) + "\n", "")

    def put(self, data: bytes, path: str, mode: int = 0o644) -> None:
        raise AssertionError("a check writes nothing")

    def get(self, path: str, limit: int) -> bytes:
        raise AssertionError("a check fetches nothing")


class Server:
    """A machine that is as planned; tests spoil one thing."""

    def __init__(self) -> None:
        self.host = good_host()
        self.files = good_files()
        self.registers = good_registers()
        self.guest = ScriptGuest(dict(FACTS), ("/dev/hpcap_p5s16_0",), dict(DRIVER))
        self.guests: Any = OneGuest(self.guest)
        self.answers = {
            "ethtool -a": (0, ETHTOOL_A),
            "ethtool -k": (0, ETHTOOL_K),
            IS_ACTIVE: (0, "active\n"),
        }

    def machine(self) -> Machine:
        untouched: Any = None
        files: Any = self.files
        commands = ScriptedCommands(self.answers)
        return Machine(files, commands, untouched, self.registers, self.guests, ManualClock(), untouched)

    def red(self) -> dict[str, Finding]:
        return {f.check: f for f in verify_plan(PLAN, self.host, self.machine()) if not f.ok}

    def spread_pages(self, words: str) -> None:
        self.files.texts["/proc/321/numa_maps"] = NUMA_MAPS.replace("N0=512", words)

    def spoil_device(self, address: object, **changes: Any) -> None:
        pci = tuple(replace(d, **changes) if d.address == address else d for d in self.host.pci)
        self.host = replace(self.host, pci=pci)


def test_a_machine_as_planned_is_green_in_every_check() -> None:
    server = Server()
    findings = verify_plan(PLAN, server.host, server.machine())
    assert [f for f in findings if not f.ok] == []
    assert len(findings) > 20
    assert len({f.check for f in findings}) == len(findings)
    assert not [f for f in findings if f.hint]
    assert server.registers.open_windows == 0


@pytest.mark.parametrize(
    ("spoil", "check"),
    [
        (lambda s: s.spoil_device(VF, driver="igbvf"), f"driver of VF {VF}"),
        (lambda s: s.spoil_device(VF, iommu_group=None), f"IOMMU group of VF {VF}"),
        (lambda s: s.spoil_device(PF, sriov=None), f"VF 0 of {PF}"),
        (lambda s: s.spoil_device(CONTROLLER, driver=None), f"driver of storage controller {CONTROLLER}"),
        (lambda s: s.guest.facts.update(module=""), "module hpcapvf in the guest"),
        (lambda s: s.guest.facts.update(unit="failed"), "capture service"),
        (lambda s: s.guest.facts.update(program="sh"), "program of the capture service"),
        (lambda s: s.guest.facts.update(reader_cpus="0-1"), "CPU of the reader"),
        (lambda s: s.guest.facts.update(filesystem="ext4"), "file system on /srv/capture"),
        (lambda s: s.guest.facts.update(level=""), "array behind /srv/capture"),
        (lambda s: s.guest.facts.update(chunk_bytes="524288"), "chunk of the array"),
        (lambda s: s.guest.driver.update(link="0"), "link in the guest"),
        (lambda s: s.guest.driver.update(listeners="0"), "listeners of the driver"),
        (lambda s: s.guest.driver.update(cpu="1"), "CPU of the polling thread"),
        (lambda s: setattr(s.guest, "nodes", ()), "device node"),
        (lambda s: s.files.texts.update({guard_path("probe"): '{"checks":0}'}), "register guard's counts"),
        (lambda s: s.files.texts.update({guard_path("probe"): '{"checks":3,"error":"x"}'}), "register guard's counts"),
        (lambda s: s.files.texts.update({guard_path("probe"): "{"}), "register guard's counts"),
        (lambda s: s.answers.update({IS_ACTIVE: (3, "failed\n")}), "unit hpcapvf-guard-probe.service"),
        (lambda s: s.registers.values.update({VMOLR_0: 0}), "registers for receiving everything"),
        (lambda s: s.answers.update({"ethtool -a": (0, ETHTOOL_A + "TX:\ton\n")}), "pause frames of enp5s0"),
        (lambda s: s.answers.update({"ethtool -k": (0, ETHTOOL_K.replace(": off\n", ": on\n"))}), "offloads of enp5s0"),
        (lambda s: s.files.texts.update({status_of(331): "Cpus_allowed_list:\t0-3\n"}), "CPUs of vCPU 1"),
        (lambda s: s.files.texts.update({status_of(340): "Cpus_allowed_list:\t1\n"}), "QEMU's other threads"),
        (lambda s: s.spread_pages("N0=511 N1=1"), "hugepages of 2048 KiB in use"),
        (lambda s: s.spread_pages("N0=511"), "hugepages of 2048 KiB in use"),
        (lambda s: s.spread_pages("N0=512 N1=1"), "hugepages of 2048 KiB in use"),
        (lambda s: s.files.texts.pop("/run/libvirt/qemu/probe.pid"), "QEMU process"),
    ],
)  # fmt: skip
def test_one_fact_off_is_one_check_red(spoil: Any, check: str) -> None:
    server = Server()
    spoil(server)
    assert set(server.red()) == {check}


def test_link_domain_and_its_uuid() -> None:
    server = Server()
    server.host = replace(server.host, interfaces=(NetInterface("enp5s0", PF, None, None, False),))
    assert server.red()["link of enp5s0"].found == "unknown"
    server.host = replace(good_host(), domains=(DomainInfo("probe", "other", False),))
    assert {c: f.found for c, f in server.red().items()} == {"domain probe": "off", "UUID of domain probe": "other"}
    server.host = replace(good_host(), domains=None)
    assert {f.found for f in server.red().values()} == {"unknown"}


def test_shared_group_names_the_others_but_not_bridges() -> None:
    server = Server()
    bridge = PciDevice(replace(PF, bus=1), 1, 1, 0x060400, "pcieport", iommu_group=11)
    server.host = replace(server.host, pci=(*server.host.pci, bridge))
    assert server.red() == {}
    nvme = PciDevice(replace(PF, bus=2), 1, 1, 0x010802, "nvme", iommu_group=11)
    server.host = replace(server.host, pci=(*server.host.pci, nvme))
    assert server.red()[f"IOMMU group of VF {VF}"].found == "shared with 0000:02:00.0"


def test_parts_that_cannot_be_read_are_findings_with_their_remedy() -> None:
    server = Server()
    server.registers.refusal = "resource0 is refused"
    red = server.red()
    assert red["registers for receiving everything can be read"].hint == "boot with iomem=relaxed"

    class Silent:
        def connect(self, access: object, *, timeout_s: float) -> None:
            raise WaitTimedOut("guest probe did not answer", hint="look at its console")

    server.guests = Silent()
    assert server.red()["guest can be read"].found == "guest probe did not answer"


def test_no_vf_bound_says_so() -> None:
    server = Server()
    server.guest.driver.clear()
    assert "0 devices" in server.red()["device captured by hpcapvf"].found


def test_drifted_registers_are_named() -> None:
    server = Server()
    server.registers.values[TABLE.register("MTA").offset(7)] = 0
    assert "MTA[7]" in server.red()["registers for receiving everything"].found


def test_numa_maps_counts_only_the_wanted_size() -> None:
    assert hugepages_by_node(NUMA_MAPS, 2048) == {0: 512}
    assert hugepages_by_node(NUMA_MAPS, 1048576) == {1: 1}


def test_threads_that_ended_meanwhile_are_left_out() -> None:
    files = good_files()
    del files.texts["/proc/321/task/340/status"]
    reading = read_qemu(PLAN, files)  # type: ignore[arg-type]
    assert reading is not None
    assert reading.others == (("qemu-system-x86", CpuSet.of([0])),)
    assert reading.vcpus == {0: CpuSet.of([1]), 1: CpuSet.of([2])}


def test_card_without_pause_frames_is_not_blamed() -> None:
    server = Server()
    server.answers["ethtool -a"] = (1, "netlink error: Operation not supported")
    assert read_interface(PLAN.pf_interface, server.machine()).pause is None
    assert server.red() == {}


@pytest.mark.parametrize(
    ("pins", "threads", "good"),
    [
        ("3", (("IO iothread1", "3"), ("IO mon_iothread", "0")), True),
        ("3", (("IO iothread1", "0"), ("IO mon_iothread", "0")), False),
        ("3", (("IO mon_iothread", "0"),), False),
        ("3", (("IO iothread1", "3"), ("IO mon_iothread", "3")), False),
        ("", (("IO mon_iothread", "0"),), True),
    ],
)
def test_the_io_thread_of_virtio_disks_has_its_own_cpus(
    pins: str, threads: tuple[tuple[str, str], ...], good: bool
) -> None:
    io_pins = CpuSet.parse(pins) if pins else CpuSet()
    place = replace(PLAN.placement, emulator_pins=CpuSet.parse("0"), io_pins=io_pins)
    plan = replace(PLAN, placement=place)
    vcpus = dict(enumerate(place.vcpu_pins))
    others = tuple((name, CpuSet.parse(cpus)) for name, cpus in threads)
    found = check_qemu(plan, QemuReading(vcpus, others, {place.node: place.hugepages}))
    assert all(finding.ok for finding in found) is good
