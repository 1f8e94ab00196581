"""A small plan and machine for the tests of this room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hpcapvf.host.protocols import CommandResult, Guest, GuestAccess, Running
from hpcapvf.model.address import CpuSet, Mac, PciAddress
from hpcapvf.model.errors import RegisterRefused
from hpcapvf.model.plan import Placement, Plan
from hpcapvf.model.request import EngineRequest, GuestRequest, NetworkRequest, Request, StorageRequest
from hpcapvf.model.steps import (
    InstallDriver,
    MakeRaid,
    ProgramReceiveAll,
    SetOffloads,
    SetPause,
    StartCapture,
    StartGuard,
    Step,
    WaitGuest,
)

PF = PciAddress.parse("0000:05:00.0")
VF = PciAddress.parse("0000:05:10.0")
CONTROLLER = PciAddress.parse("0000:06:00.0")
VF_MAC = Mac.parse("02:00:00:00:00:11")
PF_MAC = Mac.parse("02:00:00:00:00:22")
MANAGEMENT_MAC = Mac.parse("02:00:00:00:00:33")
UUID = "11111111-2222-5333-8444-555555555555"


def sample_plan(**changes: Any) -> Plan:
    steps: tuple[Step, ...] = (
        SetPause("enp5s0", rx=False, tx=False),
        SetOffloads("enp5s0", ("generic-receive-offload", "large-receive-offload")),
        WaitGuest("probe", MANAGEMENT_MAC, "probe", "/key", 600),
        InstallDriver("probe", 0x8086, 0x10CA, 1, ""),
        ProgramReceiveAll(PF, "82576", 0),
        StartGuard("probe"),
        MakeRaid("probe", "capture", 1024, "xfs", "/srv/capture", ()),
        StartCapture("probe", "/srv/capture", 1, "unit"),
    )
    request = Request(
        version=1,
        guest=GuestRequest("probe", "/image.qcow2"),
        network=NetworkRequest("enp5s0"),
        storage=StorageRequest(controller=str(CONTROLLER)),
        engine=EngineRequest(),
    )
    plan = Plan(
        request=request,
        spec_sha256="0" * 64,
        pf=PF,
        pf_interface="enp5s0",
        family="82576",
        function=VF,
        vf_index=0,
        function_mac=VF_MAC,
        management_mac=MANAGEMENT_MAC,
        controller=CONTROLLER,
        placement=Placement(0, (CpuSet.of([1]), CpuSet.of([2])), CpuSet.of([0]), 0, 1, 2048, 512),
        domain_uuid=UUID,
        steps=steps,
        never_seen=("pause frames",),
    )
    return replace(plan, **changes)


class ManualClock:
    """Time that passes only by sleeping; ``on_sleep`` lets the world go on meanwhile."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.on_sleep: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1_700_000_000 + self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_sleep()


class TreeFiles:
    """Files as a dict of path to text; folders are what the paths imply, links a dict of path to target."""

    def __init__(self, texts: dict[str, str], links: dict[str, str] | None = None) -> None:
        self.texts = dict(texts)
        self.links = dict(links or {})

    def read_text(self, path: str) -> str | None:
        return self.texts.get(path)

    def read_bytes(self, path: str, limit: int) -> bytes | None:
        text = self.texts.get(path)
        return None if text is None else text.encode()[:limit]

    def exists(self, path: str) -> bool:
        return path in self.texts or path in self.links or self.list(path) is not None

    def list(self, path: str) -> tuple[str, ...] | None:
        prefix = path.rstrip("/") + "/"
        names = {p[len(prefix) :].split("/")[0] for p in [*self.texts, *self.links] if p.startswith(prefix)}
        return tuple(sorted(names)) if names else None

    def link_name(self, path: str) -> str | None:
        target = self.links.get(path)
        return target.rsplit("/", 1)[-1] if target else None


@dataclass
class ScriptedCommands:
    """Answers by the start of the command line; anything else is an error of the test."""

    answers: dict[str, tuple[int, str]]
    ran: list[tuple[str, ...]] = field(default_factory=list)

    def begin(self, argv: Sequence[str], *, timeout_s: float) -> Running:
        """Nobody begins one here."""
        raise NotImplementedError

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None) -> CommandResult:
        self.ran.append(tuple(argv))
        line = " ".join(argv)
        for start, (code, text) in self.answers.items():
            if line.startswith(start):
                return CommandResult(tuple(argv), code, text, "" if code == 0 else text)
        raise AssertionError(f"unexpected command: {line}")


@dataclass
class OneGuest:
    guest: Guest

    def connect(self, access: GuestAccess, *, timeout_s: float) -> Guest:
        assert access == GuestAccess("probe", MANAGEMENT_MAC, "probe", "/key")
        return self.guest


@dataclass
class RegisterCells:
    """Registers by offset; refusal makes every opening fail."""

    values: dict[int, int] = field(default_factory=dict)
    refusal: str = ""
    open_windows: int = 0

    def open(self, pf: PciAddress, family: str) -> RegisterCells:
        if self.refusal:
            raise RegisterRefused(self.refusal, hint="boot with iomem=relaxed")
        self.open_windows += 1
        return self

    def read(self, offset: int) -> int:
        return self.values.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        raise AssertionError("a check must not write")

    def close(self) -> None:
        self.open_windows -= 1
