"""QEMU's arguments as a function of the lab's configuration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hpcapvf.lab.machine import LabConfig, lab_files, qemu_arguments
from hpcapvf.lab.server import check_config, differences
from hpcapvf.model.errors import BadSpec

FILES = lab_files(Path("/labs/demo"), Path("/cache/media.raw"))


def arguments(config: LabConfig | None = None, accel: str = "tcg") -> list[str]:
    return qemu_arguments(config or LabConfig(), FILES, accel=accel, ssh_port=2200, credentials={"a.b": "Yw=="})


def values(words: list[str], option: str) -> list[str]:
    return [words[number + 1] for number, word in enumerate(words) if word == option]


def devices(words: list[str]) -> list[str]:
    return [value.partition(",")[0] for value in values(words, "-device")]


def test_two_nodes_share_cpus_and_memory() -> None:
    words = arguments(replace(LabConfig(), cpus=12, memory_mib=12288))
    assert values(words, "-smp") == ["12,sockets=2,cores=6,threads=1"]
    assert values(words, "-numa") == [
        "node,nodeid=0,cpus=0-5,memdev=ram0",
        "node,nodeid=1,cpus=6-11,memdev=ram1",
        "dist,src=0,dst=1,val=21",
    ]
    assert [value for value in values(words, "-object") if "memory" in value] == [
        "memory-backend-ram,id=ram0,size=6144M",
        "memory-backend-ram,id=ram1,size=6144M",
    ]


def test_card_and_raid_controller_are_on_node_0_behind_root_ports() -> None:
    words = values(arguments(), "-device")
    assert "pxb-pcie,id=bridgenic0,bus=pcie.0,bus_nr=32,numa_node=0" in words
    assert any(word.startswith("igb,netdev=wire0,bus=portnic0,") for word in words)
    assert any(word.startswith("megasas-gen2,id=raid,bus=portraid") for word in words)
    serials = [word.rpartition("serial=")[2] for word in words if word.startswith("scsi-hd")]
    assert serials == [f"HPCAPVF-RAID-{number}" for number in range(4)]


def test_nothing_prevents_a_reboot_and_no_kernel_is_given() -> None:
    words = arguments()
    assert not {"-no-reboot", "-kernel", "-append", "-snapshot"} & set(words)
    assert not [word for word in words if "snapshot=on" in word]


def test_the_server_reaches_no_network() -> None:
    (management,) = [value for value in values(arguments(), "-netdev") if value.startswith("user")]
    assert "restrict=on" in management
    assert "hostfwd=tcp:127.0.0.1:2200-:22" in management


def test_iommu_comes_before_the_cards_and_can_be_left_out() -> None:
    with_iommu = devices(arguments())
    assert with_iommu.index("intel-iommu") < with_iommu.index("igb")
    assert "intel-iommu" not in devices(arguments(replace(LabConfig(), iommu=False)))
    assert "intel-iommu" in devices(arguments(replace(LabConfig(), bare=True)))


def test_second_card_and_nvme_are_added_on_request() -> None:
    more = arguments(replace(LabConfig(), second_nic=True, nvme=True))
    assert devices(more).count("igb") == 2
    assert devices(arguments()).count("igb") == 1
    assert "nvme" in devices(more)
    assert "nvme" not in devices(arguments())
    ids = [value.partition(",id=")[2].partition(",")[0] for value in values(more, "-device") if ",id=" in value]
    assert len(ids) == len(set(ids))
    buses = [value.partition("bus_nr=")[2].partition(",")[0] for value in values(more, "-device") if "bus_nr" in value]
    assert len(buses) == len(set(buses)) == 4


def test_acceleration() -> None:
    assert values(arguments(), "-accel") == ["tcg,thread=multi,tb-size=1024"]
    assert values(arguments(accel="kvm"), "-accel") == ["kvm"]
    assert values(arguments(accel="kvm"), "-cpu") == ["host"]


def test_a_comma_in_a_path_is_doubled() -> None:
    files = lab_files(Path("/labs/a,b"), Path("/cache/media.raw"))
    words = qemu_arguments(LabConfig(), files, accel="tcg", ssh_port=1, credentials={})
    assert any(word.endswith("file=/labs/a,,b/disk.qcow2") for word in words)


def test_credentials_are_passed_in_smbios() -> None:
    assert values(arguments(), "-smbios") == ["type=11,value=io.systemd.credential.binary:a.b=Yw=="]


@pytest.mark.parametrize(
    "config",
    [
        replace(LabConfig(), cpus=3),
        replace(LabConfig(), cpus=0),
        replace(LabConfig(), memory_mib=1024),
        replace(LabConfig(), memory_mib=8192, hugepages_1g=7),
    ],
)
def test_impossible_sizes_are_refused(config: LabConfig) -> None:
    with pytest.raises(BadSpec):
        check_config(config)


def test_differences_name_each_setting() -> None:
    assert differences(LabConfig(), replace(LabConfig(), cpus=12)) == ["cpus: 4 now, 12 asked"]
    assert differences(LabConfig(), LabConfig()) == []
