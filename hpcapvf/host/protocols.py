"""What the engine may ask of a machine. The real host and the tests' fake host implement the same Protocols."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from hpcapvf.model.address import Mac, PciAddress
from hpcapvf.model.errors import StepFailed
from hpcapvf.model.host import DomainInfo
from hpcapvf.model.plan import Plan
from hpcapvf.model.steps import WaitGuest


@dataclass(frozen=True)
class CommandResult:
    """What a command gave back."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


class Files(Protocol):
    """Files below a root folder, by absolute path on the machine. Only "no such file" means absent.

    Every other error is raised as FileFailed with path, operation and errno.
    """

    def read_text(self, path: str) -> str | None:
        """The text, or None if there is no such file."""

    def read_bytes(self, path: str, limit: int) -> bytes | None:
        """At most ``limit`` bytes from the start, or None if there is no such file."""

    def write_text(self, path: str, text: str) -> None:
        """Write to an existing attribute file (sysfs, proc) in one write."""

    def replace(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Write a regular file atomically (temporary file, fsync, rename), making folders as needed."""

    def append_durably(self, path: str, line: str, mode: int = 0o600) -> None:
        """Append one line and fsync before returning. If it fails, no part of the line stays."""

    def cut(self, path: str, size: int) -> None:
        """Shorten a regular file to its first ``size`` bytes, durably. Needs no room on the disk."""

    def remove(self, path: str) -> None:
        """Remove a file; nothing happens if it is absent."""

    def exists(self, path: str) -> bool:
        """Whether something is there."""

    def size(self, path: str) -> int | None:
        """Bytes in a regular file (0 for most of sysfs), or None if there is no such file."""

    def list(self, path: str) -> tuple[str, ...] | None:
        """Sorted names in a folder, or None if there is no such folder."""

    def link_name(self, path: str) -> str | None:
        """The last component of a symbolic link's target, or None if there is no such link."""

    def real_path(self, path: str) -> str | None:
        """The path with links followed, inside the root; None if absent."""

    def make_folder(self, path: str, mode: int = 0o755) -> None:
        """Have a folder with this mode, making its parents as needed."""

    def remove_folder(self, path: str) -> None:
        """Remove an empty folder; nothing happens if it is absent, an error if it is not empty."""

    def hold_lock(self, path: str, who: str) -> AbstractContextManager[None]:
        """Hold a machine-wide lock without waiting for it; Conflict names who holds it, as that one wrote it."""


class Running(Protocol):
    """A program that runs while its caller does something else. It prints little: nobody reads before ``wait``."""

    def wait(self) -> CommandResult:
        """To the end; WaitTimedOut at the deadline."""

    def end(self) -> None:
        """End it, if nobody wants to know any more."""


class Commands(Protocol):
    """Runs programs. argv[0] is looked up on the PATH; no shell."""

    def begin(self, argv: Sequence[str], *, timeout_s: float) -> Running:
        """Start a program without waiting for it. StepFailed if it is missing."""

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None) -> CommandResult:
        """Run to the end. StepFailed if the program is missing, WaitTimedOut at the deadline; a non-zero status
        is returned, not raised."""


class Hypervisor(Protocol):
    """The local libvirt, as far as the engine needs it."""

    def domains(self) -> tuple[DomainInfo, ...]:
        """All domains, running or not."""

    def define(self, xml: str) -> None:
        """Define a persistent domain."""

    def xml(self, name: str) -> str | None:
        """The persistent definition, or None if there is no such domain."""

    def undefine(self, name: str) -> None:
        """Remove the definition of a stopped domain."""

    def start(self, name: str) -> None:
        """Start a defined domain."""

    def stop(self, name: str, timeout_s: float) -> bool:
        """Ask the guest to power off; after the deadline switch it off. Returns whether it went by itself."""

    def network_active(self, name: str) -> bool | None:
        """Whether a network is active; None if there is none of that name."""

    def set_network_active(self, name: str, active: bool) -> None:
        """Start or stop a network."""

    def guest_address(self, name: str, mac: Mac) -> str | None:
        """The IP address that the guest's interface with this MAC leased, or None for now."""

    def cpu_counts(self, name: str) -> dict[int, dict[str, int]]:
        """Virtual CPU → what KVM counted of it (``exits``, ``halt_exits`` …); empty where nobody tells."""


class RegisterWindow(Protocol):
    """32-bit registers of one PF. Offsets are bytes into BAR 0."""

    def read(self, offset: int) -> int:
        """Read one register."""

    def write(self, offset: int, value: int) -> None:
        """Write one register; RegisterRefused if the allow-list does not name it."""

    def close(self) -> None:
        """Give the window back."""


class Registers(Protocol):
    """Opens register windows."""

    def open(self, pf: PciAddress, family: str) -> RegisterWindow:
        """RegisterRefused with the reason (strict devmem, lockdown, no such file) and the alternatives."""


@dataclass(frozen=True)
class Job:
    """A program that is run among others. stdin: text without NUL. needed: if it fails, those after it are not run."""

    argv: tuple[str, ...]
    stdin: str = ""
    needed: bool = False


@dataclass(frozen=True)
class NewFile:
    """A file to be written, by its absolute path."""

    path: str
    data: bytes
    mode: int = 0o644


class Guest(Protocol):
    """A guest that answers over ssh. Every call is a round trip, which costs an emulated guest half a second."""

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None) -> CommandResult:
        """Run a program in the guest as root."""

    def run_all(
        self, jobs: Sequence[Job], *, timeout_s: float, files: Sequence[NewFile] = ()
    ) -> tuple[CommandResult, ...]:
        """Write files, then run programs one after the other, all in one round trip, with one deadline. The results of
        those that ran; StepFailed if a file could not be written (then nothing ran) or the connection broke."""

    def put(self, data: bytes, path: str, mode: int = 0o644) -> None:
        """Write a file in the guest."""

    def get(self, path: str, limit: int) -> bytes:
        """Read a file of at most ``limit`` bytes from the guest; NotFound if absent."""

    def stream(
        self,
        argv: Sequence[str],
        *,
        take: Callable[[bytes], None],
        tell: Callable[[str], None],
        silence_s: float,
        stdin: bytes = b"",
    ) -> int:
        """Run a program in the guest as root; its exit status. take gets its output in pieces as it comes, tell each
        line of its complaints. WaitTimedOut if neither comes for silence_s."""


@dataclass(frozen=True)
class GuestAccess:
    """How to reach a guest: address by lease of this MAC, user and private key path."""

    domain: str
    management_mac: Mac
    user: str
    key_path: str


def guest_access(plan: Plan) -> GuestAccess:
    """How to reach the guest of a plan; StepFailed if the plan has no step that waits for one."""
    step = next((s for s in plan.steps if isinstance(s, WaitGuest)), None)
    if step is None:
        raise StepFailed("the plan has no step that says how to reach its guest", hint="plan again with this version")
    return GuestAccess(step.domain, step.management_mac, step.user, step.key_path)


class Guests(Protocol):
    """Reaches guests."""

    def connect(self, access: GuestAccess, *, timeout_s: float) -> Guest:
        """Wait until the guest answers; GuestSilent names the last thing seen (no lease, refused, console)."""


class Udev(Protocol):
    """What the device manager knows once the kernel's announcements have been worked off."""

    def wait_for_vfs(self, pf: PciAddress, count: int, *, timeout_s: float) -> None:
        """Wait until ``count`` VFs exist and udev has worked off their events; WaitTimedOut names the missing."""

    def disk_properties(self, disk: str) -> dict[str, str] | None:
        """What udev found on a disk such as ``sda`` (ID_FS_TYPE, ID_SERIAL_SHORT …); None if absent."""


@dataclass(frozen=True)
class SendReport:
    """What a frame source did: frames that left, and how long it took."""

    sent: int
    seconds: float


class FrameSource(Protocol):
    """Puts frames on the link that a probe watches."""

    name: str

    def send(self, frames: Sequence[bytes], *, timeout_s: float) -> SendReport:
        """Send all frames in order. StepFailed if the source refuses or fails, WaitTimedOut at the deadline."""


class Clock(Protocol):
    """Time, so that tests need not wait."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""

    def wall(self) -> float:
        """Seconds since the epoch."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


@dataclass(frozen=True)
class Machine:
    """Everything the engine may touch, in one value."""

    files: Files
    commands: Commands
    hypervisor: Hypervisor
    registers: Registers
    guests: Guests
    clock: Clock
    udev: Udev
