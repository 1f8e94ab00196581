"""A guest in memory: files, mounted array, services, and a table of programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hpcapvf.host.protocols import CommandResult, GuestAccess, Job, NewFile
from hpcapvf.model.errors import GuestSilent, NotFound
from tests.fakes.faults import Faults
from tests.fakes.hypervisor import FakeHypervisor
from tests.fakes.streams import StreamsByRunning
from tests.fakes.tree import GUEST_RELEASE

Handler = Callable[[tuple[str, ...], bytes], tuple[int, str, str]]
OK = (0, "", "")


class FakeGuest(StreamsByRunning):
    """files: path to (mode, data). disks: name to signature, ``""`` for a blank one. arrays: md device to members.
    mounts: mount point to device. units: active services. modules: loaded. on_bind: called when the VF gets a driver.
    trips: how many round trips there were to it.
    """

    def __init__(self, faults: Faults) -> None:
        self.files: dict[str, tuple[int, bytes]] = {}
        self.disks: dict[str, str] = {f"/dev/sd{letter}": "" for letter in "abcd"}
        self.arrays: dict[str, tuple[str, ...]] = {}
        self.mounts: dict[str, str] = {}
        self.units: set[str] = set()
        self.enabled: set[str] = set()
        self.modules: set[str] = set()
        self.on_bind: Callable[[], None] = lambda: None
        self.calls: list[tuple[str, ...]] = []
        self.trips = 0
        self._faults = faults
        self._handlers: dict[str, Handler] = {
            "uname": lambda _a, _i: (0, f"{GUEST_RELEASE}\n", ""), "true": lambda _a, _i: OK,
            "cloud-init": lambda _a, _i: (0, "status: done\n", ""), "systemd-sysusers": lambda _a, _i: OK,
            "udevadm": lambda _a, _i: OK, "touch": lambda _a, _i: OK,
            "sync": lambda _a, _i: OK, "mkdir": lambda _a, _i: OK,
            "chmod": lambda _a, _i: OK, "cat": self._cat, "test": self._test, "rm": self._rm, "tee": self._tee,
            "modprobe": self._modprobe, "systemctl": self._systemctl, "mdadm": self._mdadm, "mkfs.xfs": self._mkfs,
            "mount": self._mount, "umount": self._umount, "mountpoint": self._mountpoint, "blkid": self._blkid,
            "wipefs": self._wipefs,
        }  # fmt: skip

    def on(self, program: str, handler: Handler) -> None:
        """Install a program: handler(argv, stdin) -> (status, stdout, stderr)."""
        self._handlers[program] = handler

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None) -> CommandResult:
        """Run one; a program that is not there gives 127, as a shell would."""
        call = tuple(argv)
        self.calls.append(call)
        self.trips += 1
        with self._faults.effect("guest", " ".join(call)):
            handler = self._handlers.get(call[0])
            if handler is None:
                return CommandResult(call, 127, "", f"{call[0]}: not found\n")
            return CommandResult(call, *handler(call, stdin or b""))

    def run_all(
        self, jobs: Sequence[Job], *, timeout_s: float, files: Sequence[NewFile] = ()
    ) -> tuple[CommandResult, ...]:
        """All in one trip."""
        trips = self.trips + 1
        try:
            return super().run_all(jobs, timeout_s=timeout_s, files=files)
        finally:
            self.trips = trips

    def put(self, data: bytes, path: str, mode: int = 0o644) -> None:
        """Write a file."""
        self.trips += 1
        with self._faults.effect("guest", f"put {path}"):
            self.files[path] = (mode, data)

    def get(self, path: str, limit: int) -> bytes:
        """Read a file."""
        if path not in self.files:
            raise NotFound(f"the guest has no file {path}")
        return self.files[path][1][:limit]

    def _cat(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        missing = [path for path in argv[1:] if path not in self.files]
        if missing:
            return 1, "", f"cat: {missing[0]}: No such file or directory\n"
        return 0, "".join(self.files[path][1].decode() for path in argv[1:]), ""

    def _test(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        return (0 if argv[-1] in self.files or argv[-1] in self.arrays or argv[-1] in self.disks else 1), "", ""

    def _rm(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        for path in argv[1:]:
            self.files.pop(path, None)
        return OK

    def _tee(self, argv: tuple[str, ...], stdin: bytes) -> tuple[int, str, str]:
        path = argv[-1]
        self.files[path] = (0o644, stdin)
        if path.endswith(("/bind", "/drivers_probe")):
            self.on_bind()
        return 0, stdin.decode(), ""

    def _modprobe(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        names = [word for word in argv[1:] if not word.startswith("-")]
        if "-r" in argv:
            self.modules -= set(names)
            return OK
        for name in names:
            if name == "hpcapvf" and not any(path.endswith("/hpcapvf.ko") for path in self.files):
                return 1, "", f"modprobe: FATAL: Module {name} not found in directory /lib/modules/{GUEST_RELEASE}\n"
            self.modules.add(name)
        return OK

    def _systemctl(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        words = [word for word in argv[1:] if not word.startswith("-")]
        verb, units = words[0], set(words[1:])
        if verb == "is-active":
            return (0, "active\n", "") if units <= self.units else (3, "inactive\n", "")
        if verb in {"start", "restart"} or (verb == "enable" and "--now" in argv):
            missing = [u for u in units if f"/etc/systemd/system/{u}" not in self.files]
            if missing:
                return 5, "", f"Failed to {verb} {missing[0]}: Unit {missing[0]} not found.\n"
            self.units |= units
        if verb == "enable":
            self.enabled |= units
        elif verb == "disable":
            self.enabled -= units
        if verb == "stop" or (verb == "disable" and "--now" in argv):
            self.units -= units
        return OK

    def _mdadm(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        devices = tuple(word for word in argv[1:] if word in self.disks)
        array = next((word for word in argv[1:] if word.startswith("/dev/md")), "")
        if "--create" in argv or "-C" in argv:
            if not array or not devices:
                return 2, "", "mdadm: no devices given\n"
            self.arrays[array] = devices
            self.disks |= dict.fromkeys(devices, "linux_raid_member")
        elif "--assemble" in argv or "-A" in argv:
            members = tuple(d for d, signature in self.disks.items() if signature == "linux_raid_member")
            if not members:
                return 1, "", "mdadm: No arrays found in config file or automatically\n"
            self.arrays[array or "/dev/md/capture"] = members
        elif "--stop" in argv or "-S" in argv:
            if array in self.mounts.values():
                return 1, "", f"mdadm: Cannot get exclusive access to {array}\n"
            self.arrays.pop(array, None)
        elif "--detail" in argv or "-D" in argv:
            return (
                (0, f"{array}:\n        Raid Level : raid0\n", "")
                if array in self.arrays
                else (1, "", "mdadm: cannot open\n")
            )
        elif "--zero-superblock" in argv:
            self.disks |= dict.fromkeys(devices, "")
        return OK

    def _mkfs(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        if argv[-1] not in self.arrays:
            return 1, "", f"Error accessing specified device {argv[-1]}: No such file or directory\n"
        self.files[f"fs:{argv[-1]}"] = (0, b"xfs")
        return OK

    def _mount(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        device, point = argv[-2], argv[-1]
        if f"fs:{device}" not in self.files:
            return 32, "", f"mount: {point}: wrong fs type, bad option, bad superblock on {device}.\n"
        self.mounts[point] = device
        return OK

    def _umount(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        return OK if self.mounts.pop(argv[-1], None) else (32, "", f"umount: {argv[-1]}: not mounted.\n")

    def _mountpoint(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        return (0 if argv[-1] in self.mounts else 32), "", ""

    def _blkid(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        signature = self.disks.get(argv[-1], "")
        return (0, f"TYPE={signature}\n", "") if signature else (2, "", "")

    def _wipefs(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        self.disks |= {word: "" for word in argv[1:] if word in self.disks}
        return OK


class FakeGuests:
    """Every running domain answers as one and the same guest, unless ``silent`` says why it does not. console: the last
    lines that it printed, which an error shows."""

    def __init__(self, guest: FakeGuest, hypervisor: FakeHypervisor, faults: Faults) -> None:
        self.guest = guest
        self.silent = ""
        self.console: tuple[str, ...] = ()
        self._hypervisor = hypervisor
        self._faults = faults

    def connect(self, access: GuestAccess, *, timeout_s: float) -> FakeGuest:
        """The guest, or GuestSilent."""
        self.guest.trips += 1
        with self._faults.effect("guest", f"connect {access.domain}"):
            if self.silent or self._hypervisor.guest_address(access.domain, access.management_mac) is None:
                raise GuestSilent(
                    f"guest {access.domain} did not answer within {timeout_s:g} s: {self.silent or 'no lease'}",
                    details=self.console,
                )
            return self.guest
