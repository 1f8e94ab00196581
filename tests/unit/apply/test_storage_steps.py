"""Storage steps against the fake server: lent disks, the VF of an NVMe controller, volumes and their settings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpcapvf.apply.handlers import handler_of
from hpcapvf.apply.volume_settings import UNKNOWN, parse_settings
from hpcapvf.model.address import PciAddress
from hpcapvf.model.block import openable_name
from hpcapvf.model.errors import Conflict, NotCapable, NotFound, StepFailed
from hpcapvf.model.steps import MakeRaid, Step
from hpcapvf.model.storage_steps import (
    FreeNvmeQueues,
    HostDisk,
    LendDisks,
    MakeVolume,
    MountExisting,
    StartNvmeVf,
)
from tests.fakes import tree
from tests.unit.apply.test_handlers import context, do, undo, up_to
from tests.unit.apply.world import CONTROLLER, NAME, World, make_world

STEPS = (LendDisks, FreeNvmeQueues, StartNvmeVf, MakeVolume, MountExisting)
NVME = PciAddress.parse("0000:04:00.0")
DISK = HostDisk("/dev/disk/by-id/scsi-a", "serial-sda", 8 << 30)
LEND = LendDisks(CONTROLLER, (DISK,))
VOLUME = MakeVolume(NAME, NAME, "xfs", "/capture", ())


class NvmeCli:
    """nvme-cli before one controller with two VFs, as QEMU 10.0 was seen to answer."""

    def __init__(self, world: World, kept: tuple[int, int] = (0, 0)) -> None:
        self.kept, self.wanted = list(kept), list(kept)
        self.given = {1: [0, 0], 2: [0, 0]}
        self.online: set[int] = set()
        self.attached = {0}
        self.fake = world.fake
        folder = tree.device_folder(str(NVME))
        for name, text in {"nvme/nvme0/cntlid": "0", "nvme/nvme0/state": "live", "reset": ""}.items():
            self.fake.kernel.tree.write(f"{folder}/{name}", text)
        self.fake.kernel.tree.link(f"/sys/bus/pci/devices/{NVME}", folder)
        self.fake.kernel.reset = self._reset  # type: ignore[method-assign]
        self.fake.commands.on("nvme", self._run)

    def _reset(self, address: str) -> None:
        assert address == str(NVME)
        self.kept = list(self.wanted)
        self.online.clear()

    def _run(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        options = {key: value for key, _, value in (w.removeprefix("--").partition("=") for w in argv[3:])}
        answer: dict[str, Any] = {}
        lent = [sum(given[kind] for given in self.given.values()) for kind in (0, 1)]
        if argv[1] == "primary-ctrl-caps":
            for word, kind, total, most in (("vq", 0, 4, 2), ("vi", 1, 2, 1)):
                numbers = {"frt": total, "rfa": lent[kind], "rfap": self.kept[kind], "frsm": most, "gran": 1}
                answer |= {f"{word}{key}": value for key, value in numbers.items()}
            answer["crt"] = 3
        elif argv[1] == "list-secondary":
            answer["secondary-controllers"] = [
                {
                    "secondary-controller-identifier": number, "virtual-function-number": number,
                    "secondary-controller-state": int(number in self.online),
                    "num-virtual-queues": given[0], "num-virtual-interrupts": given[1],
                }
                for number, given in self.given.items()
            ]  # fmt: skip
        elif argv[1] == "list-ns":
            answer["nsid_list"] = [{"nsid": 1}]
        elif argv[1] == "list-ctrl":
            answer["ctrl_list"] = [{"ctrl_id": number} for number in sorted(self.attached)]
        elif argv[1] == "attach-ns":
            self.attached.add(int(options["controllers"]))
        elif argv[1] == "detach-ns":
            self.attached.remove(int(options["controllers"]))
        else:
            return self._manage(*(int(options[key]) for key in ("cntlid", "act", "rt", "nr")), lent=lent)
        return 0, json.dumps(answer), ""

    def _manage(self, number: int, action: int, kind: int, count: int, *, lent: list[int]) -> tuple[int, str, str]:
        free = (4, 2)[kind] - lent[kind] - self.kept[kind] + (self.given[number][kind] if number else 0)
        if action == 1 and number == 0:
            self.wanted[kind] = count
        elif action == 8 and number not in self.online and count <= min(free, (2, 1)[kind]):
            self.given[number][kind] = count
        elif action == 9 and self.given[number] >= [2, 1]:
            self.online.add(number)
        elif action == 7:
            self.online.discard(number)
        else:
            return 1, "", "NVMe status: Invalid\n"
        return 0, "success\n", ""


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = make_world(tmp_path)
    found.fake.kernel.tree.link(DISK.path, "/dev/sda")
    found.fake.kernel.tree.write("/dev/sda", "")
    return found


def test_a_vf_gets_its_share_and_gives_all_back(world: World) -> None:
    cli = NvmeCli(world)
    step = StartNvmeVf(NVME, 0, 3, 3)
    trace = do(world, step)
    assert (cli.given[1], cli.online, cli.attached) == ([2, 1], {1}, {0, 1})
    assert trace.after == {"queues": 2, "interrupts": 1}
    assert "online" in (handler_of(step).satisfied(step, context(world)) or "")
    undo(world, step, trace)
    assert (cli.given[1], cli.online, cli.attached) == ([0, 0], set(), {0})


def test_free_queues_need_nothing(world: World) -> None:
    NvmeCli(world)
    step = FreeNvmeQueues(NVME, 3, 3)
    assert handler_of(step).satisfied(step, context(world)) == "4 queues and 2 interrupt(s) are free"


def test_what_the_controller_keeps_is_taken_by_a_reset_and_given_back(world: World) -> None:
    cli = NvmeCli(world, kept=(4, 2))
    step = FreeNvmeQueues(NVME, 3, 3)
    assert handler_of(step).satisfied(step, context(world)) is None
    trace = do(world, step)
    assert cli.kept == [2, 1]
    undo(world, step, trace)
    assert cli.kept == [4, 2]


def test_a_controller_without_enhancements_is_told(world: World) -> None:
    NvmeCli(world)
    world.fake.commands.on("nvme", lambda _a, _i: (1, "", "NVMe status: Invalid Field in Command\n"))
    with pytest.raises(NotCapable, match="Invalid Field"):
        do(world, FreeNvmeQueues(NVME, 3, 3))


def test_lent_disks_are_looked_at_and_read_afterwards(world: World) -> None:
    trace = do(world, LEND)
    assert trace.before == {"disks": {DISK.path: "sda"}}
    assert "sector of each of sda" in " ".join(undo(world, LEND, trace))


@pytest.mark.parametrize("size", [1, 9 << 30])
def test_another_disk_in_its_place_is_refused(world: World, size: int) -> None:
    with pytest.raises(Conflict, match="another disk than planned"):
        do(world, replace(LEND, disks=(replace(DISK, size_bytes=size),)))


def test_a_disk_that_is_gone_is_told(world: World) -> None:
    with pytest.raises(NotFound, match="leads to no disk"):
        do(world, replace(LEND, disks=(replace(DISK, path="/dev/disk/by-id/gone"),)))


def test_a_disk_in_use_is_not_lent(world: World) -> None:
    world.fake.kernel.tree.folder("/sys/block/sda/holders/md0")
    with pytest.raises(Conflict, match="part of md0"):
        do(world, LEND)


def test_a_disk_of_another_domain_is_not_lent(world: World) -> None:
    disk = f"<disk type='block'><source dev='{DISK.path}'/></disk>"
    world.fake.hypervisor.define(f"<domain><name>web9</name><uuid>u</uuid><devices>{disk}</devices></domain>")
    with pytest.raises(Conflict, match="domain web9 has"):
        do(world, LEND)


def test_arrays_that_the_host_assembled_by_itself_are_stopped(world: World) -> None:
    trace = do(world, LEND)
    holder = world.fake.kernel.tree.at("/sys/block/sda/holders/md127")
    holder.mkdir()

    def mdadm(argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        assert argv == ("mdadm", "--stop", "/dev/md127")
        holder.rmdir()
        return 0, "", ""

    world.fake.commands.on("mdadm", mdadm)
    assert "assembled md127 by itself" in " ".join(undo(world, LEND, trace))
    holder.mkdir()
    world.fake.commands.on("mdadm", lambda _a, _i: (0, "", ""))
    with pytest.raises(StepFailed, match="/dev/sda: md127"):
        undo(world, LEND, trace)


def test_several_disks_are_no_volume(world: World) -> None:
    up_to(world, MakeRaid)
    with pytest.raises(Conflict, match="4 disks, not one volume"):
        do(world, VOLUME)


PROPERTIES = {
    "Strip Size": "256 KB",
    "Write Cache(initial setting)": "WriteBack",
    "Disk Cache Policy": "Disk's Default",
    "OS Drive Name": "/dev/sda",
}


def answer(*volumes: dict[str, str]) -> str:
    data: dict[str, Any] = {f"VD{number} Properties": volume for number, volume in enumerate(volumes)}
    return json.dumps({"Controllers": [{"Command Status": {}, "Response Data": data | {"/c0/v0": []}}]})


def test_the_volumes_settings_are_in_the_controllers_words() -> None:
    other = PROPERTIES | {"OS Drive Name": "/dev/sdb", "Strip Size": "64 KB"}
    found = parse_settings(answer(other, PROPERTIES), "/dev/sda", "storcli64")
    assert (found.strip, found.write_cache, found.disk_cache) == ("256 KB", "WriteBack", "Disk's Default")
    assert found.describe().startswith("volume: strip 256 KB, write cache WriteBack, disk cache Disk's Default")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "no JSON", answer(), answer(PROPERTIES | {"OS Drive Name": "/dev/sdz"})]
)
def test_what_the_command_does_not_say_is_unknown(text: str) -> None:
    found = parse_settings(text, "/dev/sda", "storcli64")
    assert {found.strip, found.write_cache, found.disk_cache} == {UNKNOWN}
    assert "storcli64" in found.source


def test_only_a_namespace_itself_can_be_opened() -> None:
    names = ("nvme0c1n2", "nvme10c3n1", "nvme0n1", "sda")
    assert [openable_name(name) for name in names] == ["nvme0n2", "nvme10n1", "nvme0n1", "sda"]


def test_every_step_says_what_it_does() -> None:
    steps: tuple[Step, ...] = (LEND, FreeNvmeQueues(NVME, 3, 3), StartNvmeVf(NVME, 0, 3, 3), VOLUME)
    assert len({step.describe() for step in steps}) == len(steps)
