"""The programs that apply runs in a guest, with a state behind them: PCI functions, disks, md, mounts, services."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.guest import FakeGuest
from tests.fakes.machine import FakeMachine
from tests.fakes.tree import GUEST_RELEASE

VF = "0000:05:00.0"  # the function that the guest gets of the card: a VF, or the PF itself
INTERFACE = "ens5"
CONTROLLER = "0000:06:00.0"
Answer = tuple[int, str, str]
OK: Answer = (0, "", "")


@dataclass
class Disk:
    """md: name of the array whose superblock it carries."""

    serial: str
    signatures: list[str] = field(default_factory=list)
    md: str = ""
    md_devices: int = 0


class GuestModel:
    """Replaces the fake guest's own programs. drivers: what each function is bound to, at the start those of stock.
    arrays: active md devices. disk_names: of the disks that it is given: ``sd`` behind a controller, ``vd`` virtio.
    has: what the guest has for keeping its clock, in the words of apply's handler."""

    def __init__(self, fake: FakeMachine, disk_names: str = "sd") -> None:
        self.fake = fake
        self.guest: FakeGuest = fake.guest
        self.disk_names = disk_names
        places = "abcd" if disk_names == "sd" else "bcde"  # vda is the guest's own
        self.disks = {f"{disk_names}{place}": Disk(f"SERIAL-{n}") for place, n in zip(places, "abcd", strict=True)}
        self.filesystems: dict[str, str] = {}
        self.ids = {VF: ("0x8086", "0x10ca"), CONTROLLER: ("0x1000", "0x0079")}
        self.stock = {VF: "igbvf", CONTROLLER: "megaraid_sas"}
        self.has_iommu = True
        self.has_dpdk = True
        self.most_hugepages = 1000
        self.chunk_kib = 0
        self.formatted = 0
        self.has = {"clock", "link", "chronyd", "folder"}
        self.power_off()
        handlers = {
            "ls": self._ls, "sh": self._sh,
            "find": self._find, "readlink": self._readlink, "cat": self._cat, "tee": self._tee,
            "modprobe": self._modprobe, "lsblk": self._lsblk, "wipefs": self._wipefs, "mdadm": self._mdadm,
            "mkfs.xfs": self._mkfs, "blkid": self._blkid, "findmnt": self._findmnt, "systemctl": self._systemctl,
            "sha256sum": self._sha256sum, "systemd-escape": lambda a, _i: (0, f"{a[-1].strip('/')}.mount\n", ""),
            "journalctl": self._journalctl, "ethtool": lambda _a, _i: OK,
            "dmesg": lambda _a, _i: (0, "kernel line\n", ""),
        }  # fmt: skip
        for program, handler in handlers.items():
            self.guest.on(program, handler)

    def power_off(self) -> None:
        """What runs in it is gone; what is on its disks stays."""
        self.arrays: dict[str, tuple[str, ...]] = {}
        self.mounts: dict[str, str] = {}
        self.drivers = dict(self.stock)
        self.captured = ""  # the interface that our module was told
        self.override = ""
        self.hugepages = 0
        self.guest.units.clear()
        self.guest.modules.clear()

    def data(self, path: str) -> bytes | None:
        """Contents of a file in the guest."""
        entry = self.guest.files.get(path)
        return entry[1] if entry else None

    def _ls(self, argv: tuple[str, ...], _stdin: bytes) -> Answer:
        path = argv[-1]
        if path.endswith("/iommu_group/devices"):
            return (0, f"{VF}\n", "") if self.has_iommu else (2, "", "ls: cannot access\n")
        if path.endswith(f"/{VF}/net") and self.drivers[VF].startswith("igb"):
            return 0, f"{INTERFACE}\n", ""
        if path != "/dev":
            return 2, "", f"ls: cannot access '{path}'\n"
        return 0, "null\nhpcap_hpcap5_0\n" if self._captures() else "null\n", ""

    def _captures(self) -> bool:
        return self.drivers[VF] == "hpcapvf" or self.captured == INTERFACE

    def _journalctl(self, argv: tuple[str, ...], _stdin: bytes) -> Answer:
        """All of the unit's lines, or the last ones that ``-n`` asks for."""
        unit = argv[-1]
        text = self.data(f"/etc/systemd/system/{unit}") or b""
        says = {b"tcpdump": f"tcpdump: listening on {INTERFACE}\n", b"dumpcap": f"Capturing on '{VF}'\n",
                b"testpmd": "rxonly packet forwarding - ports=1 - cores=1\n" + 40 * "  RX queue: 0\n"}  # fmt: skip
        said = "".join(words for program, words in says.items() if program in text)
        lines = (said if said and unit in self.guest.units else "a line\n").splitlines(keepends=True)
        most = int(argv[argv.index("-n") + 1]) if "-n" in argv else len(lines)
        return 0, "".join(lines[-most:]), ""

    def _sh(self, argv: tuple[str, ...], _stdin: bytes) -> Answer:
        if "dpdk-testpmd" in argv[2]:
            return OK if self.has_dpdk else (127, "", "")
        if argv[2].startswith("exec journalctl"):
            result = self.guest.run(("journalctl", *argv[3:]), timeout_s=1)
            return result.returncode, result.stdout, result.stderr
        if argv[-2].endswith("/unbind"):
            if self.drivers[argv[-1]]:
                self._tee(("tee", argv[-2]), argv[-1].encode())
            return OK
        return 0, "\n".join(self.has), ""

    def _find(self, argv: tuple[str, ...], _stdin: bytes) -> Answer:
        if "serial" in argv:
            return 0, "".join(f"/sys/block/{name}/serial:{disk.serial}\n" for name, disk in self.disks.items()), ""
        if "/sys/block" in argv:
            return 0, "".join(f"..{self._real(name)}\n" for name in [*self.disks, "vda", *self.arrays]), ""
        folder = argv[2]
        lines = [
            f"{folder}/{name}/{word}:{pair[word == 'device']}"
            for name, pair in self.ids.items()
            for word in ("vendor", "device")
        ]
        return 0, "\n".join(lines) + "\n", ""

    def _readlink(self, argv: tuple[str, ...], _stdin: bytes) -> Answer:
        driver = self.drivers.get(argv[-1].split("/")[5], "")
        return (0, f"../../../bus/pci/drivers/{driver}\n", "") if driver else (1, "", "")

    def _real(self, name: str) -> str:
        return f"/devices/pci0000:00/{CONTROLLER if name in self.disks else '0000:00:04.0'}/host0/block/{name}"

    def _cat(self, argv: tuple[str, ...], _stdin: bytes) -> Answer:
        path = argv[-1]
        if path.endswith("/hpcapvf/link") and self._captures():
            return 0, "up\n", ""
        if path.endswith("/hpcapvf/listeners"):
            return 0, f"{int('hpcapvf-capture.service' in self.guest.units)}\n", ""
        if path == "/proc/sys/vm/nr_hugepages":
            return 0, f"{self.hugepages}\n", ""
        if path == "/sys/module/hpcapvf/refcnt":
            return (0, "0\n", "") if "hpcapvf" in self.guest.modules else (1, "", "")
        if path.endswith("/md/chunk_size"):
            return 0, f"{self.chunk_kib * 1024}\n", ""
        data = self.data(path)
        return (0, data.decode(), "") if data is not None else (1, "", f"cat: {path}: No such file or directory\n")

    def _tee(self, argv: tuple[str, ...], stdin: bytes) -> Answer:
        path, value = argv[-1], stdin.decode()
        if path == "/proc/sys/vm/nr_hugepages":
            self.hugepages = min(int(value), self.most_hugepages)
        elif path.endswith("/driver_override"):
            self.override = value
        elif path == "/sys/module/hpcapvf/parameters/interfaces" and "hpcapvf" in self.guest.modules:
            self.captured = value
        elif path.endswith("/unbind"):
            self.drivers[value] = ""
        elif path.endswith("/drivers_probe") and self.override in self.guest.modules and not self.drivers[value]:
            self.drivers[value] = self.override
            self.fake.registers.wipe()
        return 0, value, ""

    def _modprobe(self, argv: tuple[str, ...], _stdin: bytes) -> Answer:
        if "-r" in argv:
            self.guest.modules.discard(argv[-1])
        elif argv[-1] == "hpcapvf" and self.data(f"/lib/modules/{GUEST_RELEASE}/updates/hpcapvf.ko") is None:
            return 1, "", "modprobe: FATAL: Module hpcapvf not found\n"
        else:
            self.guest.modules.add(argv[-1])
        return OK

    def _lsblk(self, argv: tuple[str, ...], _stdin: bytes) -> Answer:
        return 0, json.dumps({"blockdevices": [self._block_device(name) for name in _names(argv)]}), ""

    def _block_device(self, name: str) -> dict[str, Any]:
        """One entry of lsblk's tree, with the arrays that hold the disk below it."""
        arrays = [array for array, members in self.arrays.items() if name in members]
        children = [{"name": a, "path": f"/dev/{a}", "type": "raid0", "serial": None, "size": 1} for a in arrays]
        entry = {"name": name, "path": f"/dev/{name}", "type": "disk", "serial": self.disks[name].serial}
        return {**entry, "size": 4 << 30, **({"children": children} if children else {})}

    def _wipefs(self, argv: tuple[str, ...], _stdin: bytes) -> Answer:
        names = _names(argv)
        if "--all" in argv:
            for name in names:
                self.disks[name] = Disk(self.disks[name].serial)
            return OK
        found = [
            {"device": name, "offset": "0x0", "type": kind, "uuid": "1", "label": f"any:{self.disks[name].md}"}
            for name in names
            for kind in self.disks[name].signatures
        ]
        return 0, json.dumps({"signatures": found}) if found else "", ""

    def _mdadm(self, argv: tuple[str, ...], _stdin: bytes) -> Answer:
        names = tuple(_names(argv))
        if "--examine" in argv:
            disk = self.disks[names[0]]
            facts = f"MD_LEVEL=raid0\nMD_DEVICES={disk.md_devices}\nMD_NAME={disk.md}\nMD_UUID=1\n"
            return (0, facts, "") if disk.md else (1, "", "mdadm: No md superblock detected\n")
        if "--stop" in argv:
            device = argv[-1].rsplit("/", 1)[-1]
            if f"/dev/{device}" in self.mounts.values():
                return 1, "", "mdadm: Cannot get exclusive access\n"
            self.arrays.pop(device)
            return OK
        if "--create" in argv:
            name = next(word.partition("=")[2] for word in argv if word.startswith("--name="))
            self.chunk_kib = next(int(word[8:-1]) for word in argv if word.startswith("--chunk="))
            for member in names:
                self.disks[member] = Disk(self.disks[member].serial, ["linux_raid_member"], name, len(names))
        self.arrays["md127"] = names
        return OK

    def _mkfs(self, argv: tuple[str, ...], _stdin: bytes) -> Answer:
        self.filesystems[argv[-1]] = "xfs"
        self.formatted += 1
        return OK

    def _blkid(self, argv: tuple[str, ...], _stdin: bytes) -> Answer:
        found = self.filesystems.get(argv[-1])
        return (0, f"DEVNAME={argv[-1]}\nUUID=UUID-1\nTYPE={found}\n", "") if found else (2, "", "")

    def _findmnt(self, argv: tuple[str, ...], _stdin: bytes) -> Answer:
        device = self.mounts.get(argv[-1])
        return (0, f"{device}\n", "") if device else (1, "", "")

    def _systemctl(self, argv: tuple[str, ...], _stdin: bytes) -> Answer:
        units = {word for word in argv[2:] if not word.startswith("-")}
        mounts = {unit for unit in units if unit.endswith(".mount")}
        if argv[1] == "is-active":
            return (0 if units <= self.guest.units else 3), "", ""
        if argv[1] == "enable":
            self.guest.units |= units
            self.mounts |= {f"/{unit.removesuffix('.mount')}": "/dev/md127" for unit in mounts}
        elif argv[1] == "stop":
            self.guest.units -= units
            for unit in mounts:
                self.mounts.pop(f"/{unit.removesuffix('.mount')}", None)
        return OK

    def _sha256sum(self, argv: tuple[str, ...], _stdin: bytes) -> Answer:
        data = self.data(argv[-1])
        return (0, f"{hashlib.sha256(data).hexdigest()}  {argv[-1]}\n", "") if data is not None else (1, "", "no\n")


def _names(argv: tuple[str, ...]) -> list[str]:
    """The disks that a command line names."""
    return [word.removeprefix("/dev/") for word in argv[1:] if word.startswith(("/dev/sd", "/dev/vd"))]
