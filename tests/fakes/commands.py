"""Programs of the fake host: ip, ethtool, modprobe, qemu-img … with state. An unknown program is not installed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hpcapvf.host.protocols import CommandResult
from hpcapvf.model.errors import StepFailed
from tests.fakes.faults import Faults
from tests.fakes.kernel import FakeKernel
from tests.fakes.tc import FakeTc

Handler = Callable[[tuple[str, ...], bytes], tuple[int, str, str]]
OK = (0, "", "")
_SHORT = {
    "gro": "generic-receive-offload", "lro": "large-receive-offload", "tso": "tcp-segmentation-offload",
    "gso": "generic-segmentation-offload", "rxvlan": "rx-vlan-offload", "txvlan": "tx-vlan-offload",
}  # fmt: skip


@dataclass
class Link:
    """What ethtool shows of an interface. features: name to (on, fixed)."""

    pause: dict[str, bool] = field(default_factory=lambda: {"autoneg": True, "rx": True, "tx": True})
    features: dict[str, tuple[bool, bool]] = field(
        default_factory=lambda: {
            "rx-checksumming": (True, False), "generic-receive-offload": (True, False),
            "large-receive-offload": (False, True), "tcp-segmentation-offload": (True, False),
            "generic-segmentation-offload": (True, False), "rx-vlan-offload": (True, False),
            "tx-vlan-offload": (True, False), "rx-gro-hw": (False, True), "ntuple-filters": (False, False),
        }
    )  # fmt: skip


@dataclass
class FakeRunning:
    """A program that has ended."""

    result: CommandResult
    ended: bool = False

    def wait(self) -> CommandResult:
        """What it gave back."""
        return self.result

    def end(self) -> None:
        """Nothing runs."""
        self.ended = True


class FakeCommands:
    """``on(program, handler)`` adds or replaces one; units: systemd units that are active on the host; enabled: those
    that are started at boot; private_flags: by interface, those that its driver has.

    unsynced: files that programs made and that are not safely on the disk yet."""

    def __init__(self, kernel: FakeKernel, faults: Faults) -> None:
        self.links: dict[str, Link] = {}
        self.units: set[str] = set()
        self.enabled: set[str] = set()
        self.unsynced: set[str] = set()
        self.begun: list[FakeRunning] = []
        self.private_flags: dict[str, dict[str, bool]] = {}
        self.tc = FakeTc(lambda name: kernel.tree.at(f"/sys/class/net/{name}").exists())
        self.calls: list[tuple[str, ...]] = []
        self._kernel = kernel
        self._faults = faults
        self._handlers: dict[str, Handler] = {
            "ip": self._ip, "ethtool": self._ethtool, "modprobe": self._modprobe, "sha256sum": self._sha256sum,
            "qemu-img": self._qemu_img, "ssh-keygen": self._ssh_keygen, "genisoimage": self._make_iso,
            "xorrisofs": self._make_iso, "chown": self._needs_last, "runuser": self._needs_last,
            "systemd-run": self._systemd_run, "systemctl": self._systemctl, "dd": self._dd,
            "udevadm": lambda _a, _i: OK, "sh": self._sh, "sync": self._sync,
            "tc": lambda argv, _i: self.tc.run(argv),
        }  # fmt: skip

    def on(self, program: str, handler: Handler) -> None:
        """Install a program: handler(argv, stdin) -> (status, stdout, stderr)."""
        self._handlers[program] = handler

    def remove(self, program: str) -> None:
        """Uninstall a program."""
        self._handlers.pop(program, None)

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None) -> CommandResult:
        """Run one."""
        call = tuple(argv)
        handler = self._handlers.get(call[0])
        if handler is None:
            raise StepFailed(f"no such program: {call[0]}", hint=f"install the package that provides {call[0]}")
        self.calls.append(call)
        with self._faults.effect("command", " ".join(call)):
            return CommandResult(call, *handler(call, stdin or b""))

    def begin(self, argv: Sequence[str], *, timeout_s: float) -> FakeRunning:
        """It is done at once; its answer waits."""
        self.begun.append(FakeRunning(self.run(argv, timeout_s=timeout_s)))
        return self.begun[-1]

    def link(self, interface: str) -> Link:
        """ethtool's state of an interface."""
        return self.links.setdefault(interface, Link())

    def _ip(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        words = [word for word in argv[1:] if word != "dev"]
        as_json = any(word in {"-j", "-json"} for word in words)
        words = [word for word in words if not word.startswith("-")]
        name = words[2] if len(words) > 2 else ""
        if not name or not self._kernel.tree.at(f"/sys/class/net/{name}").exists():
            return 1, "", f'Cannot find device "{name}"\n'
        if words[:2] == ["link", "show"] and as_json:
            return 0, json.dumps([self._link_json(name)]), ""
        if words[:2] != ["link", "set"]:
            return 255, "", f"fake ip does not know: {' '.join(argv)}\n"
        return self._ip_link_set(name, words, argv)

    def _ip_link_set(self, name: str, words: list[str], argv: tuple[str, ...]) -> tuple[int, str, str]:
        if words[3:4] in (["up"], ["down"]):
            return self._set_up(name, words[3] == "up")
        if words[3:4] == ["vf"] and words[5:6] == ["mac"]:
            if int(words[4]) not in self._kernel.vf_macs:
                return 2, "", "RTNETLINK answers: Invalid argument\n"
            self._kernel.vf_macs[int(words[4])] = words[6].lower()
            return OK
        if words[3:4] == ["vf"] and words[5:6] == ["trust"]:
            if int(words[4]) not in self._kernel.vf_macs:
                return 2, "", "RTNETLINK answers: Invalid argument\n"
            (self._kernel.trusted.add if words[6] == "on" else self._kernel.trusted.discard)(int(words[4]))
            return OK
        return 255, "", f"fake ip does not know: {' '.join(argv)}\n"

    def _link_json(self, name: str) -> dict[str, object]:
        up = int(self._kernel.tree.read(f"/sys/class/net/{name}/flags"), 16) & 1
        vfs = [
            {"vf": index, "link_type": "ether", "address": mac, "spoofchk": True, "link-state": "auto"}
            | {"trust": index in self._kernel.trusted}
            for index, mac in sorted(self._kernel.vf_macs.items())
        ]
        flags = ["BROADCAST", "MULTICAST", *(["UP", "LOWER_UP"] if up else [])]
        address = self._kernel.tree.read(f"/sys/class/net/{name}/address")
        return {"ifname": name, "flags": flags, "operstate": "UP" if up else "DOWN", "address": address} | (
            {"vfinfo_list": vfs} if name == "enp2s0" else {}
        )

    def _set_up(self, name: str, up: bool) -> tuple[int, str, str]:
        self._kernel.tree.write(f"/sys/class/net/{name}/flags", "0x1003" if up else "0x1002")
        self._kernel.tree.write(f"/sys/class/net/{name}/operstate", "up" if up else "down")
        return OK

    def _ethtool(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        option, name, *rest = argv[1:]
        if not self._kernel.tree.at(f"/sys/class/net/{name}").exists():
            return 75, "", "netlink error: no device matches name\n"
        if "priv-flags" in option:
            return self._private_flags(option, name, rest)
        link = self.link(name)
        if option == "-a":
            lines = [
                f"{label}:\t\t{_on(link.pause[key])}"
                for label, key in (("Autonegotiate", "autoneg"), ("RX", "rx"), ("TX", "tx"))
            ]
            return 0, f"Pause parameters for {name}:\n" + "\n".join(lines) + "\n", ""
        if option == "-k":
            lines = [f"{key}: {_on(on)}{' [fixed]' if fixed else ''}" for key, (on, fixed) in link.features.items()]
            return 0, f"Features for {name}:\n" + "\n".join(lines) + "\n", ""
        pairs = list(zip(rest[::2], rest[1::2], strict=True))
        if option == "-K":
            return self._set_features(link, pairs)
        if option == "-A":
            link.pause |= {key: value == "on" for key, value in pairs}
        return OK if option == "-A" else (1, "", f"fake ethtool does not know {option}\n")

    def _private_flags(self, option: str, name: str, rest: list[str]) -> tuple[int, str, str]:
        flags = self.private_flags.get(name)
        if not flags:
            return 1, "", f"No private flags defined for {name}\n"
        if option == "--set-priv-flags":
            flags |= {rest[0]: rest[1] == "on"}
            return OK
        lines = [f"{key:<{max(map(len, flags))}}: {_on(value)}" for key, value in flags.items()]
        return 0, f"Private flags for {name}:\n" + "\n".join(lines) + "\n", ""

    @staticmethod
    def _set_features(link: Link, pairs: list[tuple[str, str]]) -> tuple[int, str, str]:
        for key, value in pairs:
            feature = _SHORT.get(key, key)
            if feature not in link.features:
                return 1, "", f"ethtool: bad command line argument(s): {key}\n"
            on, fixed = link.features[feature]
            if fixed and on != (value == "on"):
                return 1, "", f"Cannot change {feature}\n"
            link.features[feature] = (value == "on", fixed)
        return OK

    def _modprobe(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        for name in (word for word in argv[1:] if not word.startswith("-")):
            if name not in {"vfio-pci", "vfio_pci", "igbvf", "kvm_amd", "kvm_intel"}:
                return 1, "", f"modprobe: FATAL: Module {name} not found\n"
            if "vfio" in name:
                self._kernel.load("vfio-pci")
        return OK

    def _sha256sum(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        place = self._kernel.tree.at(argv[-1])
        if not place.exists():
            return 1, "", f"sha256sum: {argv[-1]}: No such file or directory\n"
        return 0, f"{hashlib.sha256(place.read_bytes()).hexdigest()}  {argv[-1]}\n", ""

    def _qemu_img(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        if argv[1] != "create" or "-b" not in argv:
            return 1, "", f"fake qemu-img does not know {argv[1]}\n"
        backing = argv[argv.index("-b") + 1]
        if not self._kernel.tree.at(backing).exists():
            return 1, "", f"qemu-img: {argv[-2]}: Could not open '{backing}': No such file or directory\n"
        return self._make(argv[-2], f"overlay of {backing}, {argv[-1]}")

    def _ssh_keygen(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        path = argv[argv.index("-f") + 1]
        if self._kernel.tree.at(path).exists():
            return 1, f"{path} already exists.\nOverwrite (y/n)? ", ""
        self._make(f"{path}.pub", "ssh-ed25519 AAAAfake hpcapvf")
        return self._make(path, "fake private key")

    def _make_iso(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        output = argv[argv.index("-output") + 1] if "-output" in argv else argv[argv.index("-o") + 1]
        sources = [w for w in argv[1:] if w.startswith("/") and w != output]
        missing = [w for w in sources if not self._kernel.tree.at(w).exists()]
        if missing or not sources:
            return 1, "", f"no such file: {missing}\n"
        return self._make(output, "\n".join(self._kernel.tree.read(w) for w in sources))

    def _make(self, path: str, text: str) -> tuple[int, str, str]:
        if not self._kernel.tree.at(path).parent.is_dir():
            return 1, "", f"{path}: No such file or directory\n"
        self._kernel.tree.write(path, text)
        self.unsynced.add(path)
        return OK

    def _sync(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        missing = [path for path in argv[1:] if not self._kernel.tree.at(path).exists()]
        self.unsynced -= set(argv[1:]) if len(argv) > 1 else self.unsynced
        return (1, "", f"sync: error opening '{missing[0]}': No such file or directory\n") if missing else OK

    def _sh(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        known = argv[1:] == ("-c", "command -v hpcapvf")
        return (0, "/usr/local/bin/hpcapvf\n", "") if known else (127, "", "fake sh does not know that\n")

    def reboot(self) -> None:
        """What runs and what is set is gone; files that were not synced are there, but empty."""
        for path in self.unsynced:
            if self._kernel.tree.at(path).exists():
                self._kernel.tree.at(path).write_text("")
        self.unsynced.clear()
        self.units = {unit for unit in self.enabled if unit.endswith(".timer")}
        self.links = {name: Link() for name in self.links}
        self.private_flags = {name: dict.fromkeys(flags, False) for name, flags in self.private_flags.items()}
        self.tc.reboot()

    def _needs_last(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        exists = self._kernel.tree.at(argv[-1]).exists()
        return OK if exists else (1, "", f"{argv[0]}: {argv[-1]}: No such file or directory\n")

    def _systemd_run(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        unit = next((w.partition("=")[2] for w in argv if w.startswith("--unit=")), "run-1")
        name = unit if unit.endswith(".service") else f"{unit}.service"
        if name in self.units:
            return 1, "", f"Failed to start transient service unit: Unit {name} was already loaded\n"
        self.units.add(name)
        return OK

    def _systemctl(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        words = [w for w in argv[1:] if not w.startswith("-")]
        units = {w if "." in w else f"{w}.service" for w in words[1:]}
        if words[0] == "is-active":
            active = units <= self.units
            return (0, "active\n", "") if active else (3, "inactive\n", "")
        if words[0] == "is-enabled":
            return OK if units <= self.enabled else (1, "", "")
        if words[0] == "enable":
            missing = [u for u in units if not self._kernel.tree.at(f"/etc/systemd/system/{u}").exists()]
            self.enabled |= units - set(missing)
            return (1, "", f"Failed to enable unit: Unit file {missing[0]} does not exist.\n") if missing else OK
        if words[0] == "disable":
            self.enabled -= units
        elif words[0] == "stop":
            self.units -= units
        elif words[0] in {"start", "restart"}:
            self.units |= units
        elif words[0] not in {"reset-failed", "daemon-reload"}:
            return 1, "", f"fake systemctl does not know {words[0]}\n"
        return OK

    def _dd(self, argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        source = next((w[3:] for w in argv if w.startswith("if=")), "")
        present = self._kernel.tree.at(source.replace("/dev/", "/sys/block/", 1)).exists()
        return OK if present else (1, "", f"dd: failed to open '{source}': No such file or directory\n")


def _on(value: bool) -> str:
    return "on" if value else "off"
