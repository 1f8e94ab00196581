"""What the kernel does when an attribute file is written: VFs, driver binding, hugepages, reset, hot removal."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fakes import tree as shapes
from tests.fakes.tree import Shape, Tree

_FOLDER = re.compile(r"^/sys/devices/pci0000:00/(?P<address>[0-9a-f:.]+)/(?P<name>\w+)$")
_DRIVER = re.compile(r"^/sys/bus/pci/drivers/(?P<driver>[\w-]+)/(?P<name>bind|unbind)$")
_HUGEPAGES = re.compile(
    r"^(?P<pool>/sys/devices/system/node/node(?P<node>\d+)/hugepages/hugepages-(?P<size>\d+)kB)/nr_hugepages$"
)
_MIRROR = re.compile(r"^/sys/devices/pci0000:00/[0-9a-f:.]+/sriov/\d+/(?:in|e)gress_mirror$")
_STOCK = {(0x8086, 0x10C9): "igb", (0x8086, 0x10CA): "igbvf", (0x1000, 0x0079): "megaraid_sas"}


def refuse(number: int) -> OSError:
    """The error that a system call would give."""
    return OSError(number, os.strerror(number))


@dataclass
class FakeKernel:
    """held: functions that a running VM holds. on_reset: called with a PF when its registers are rewritten.
    trusted: VFs; mirror_files: whether VFs come with the files of out-of-tree i40e, which keep one destination each.
    later: for what happens a moment after, as an interface gets its name from udev."""

    tree: Tree
    shape: Shape
    held: set[str] = field(default_factory=set)
    used_pages: dict[tuple[int, int], int] = field(default_factory=dict)
    vf_macs: dict[int, str] = field(default_factory=dict)
    on_reset: Callable[[str], None] = lambda _pf: None
    trusted: set[int] = field(default_factory=set)
    mirror_files: bool = False
    removed: dict[str, str] = field(default_factory=dict)
    later: Callable[[Callable[[], None]], None] = lambda happen: happen()

    def write(self, path: str, text: str) -> None:
        """A write to an attribute file, by its real path. OSError as the kernel would."""
        value = text.strip()
        if not self.tree.at(path).exists():
            raise refuse(errno.ENOENT)
        if match := _FOLDER.match(path):
            self._write_device(match["address"], match["name"], value)
        elif _MIRROR.match(path):
            self._write_mirror(path, value)
        elif match := _DRIVER.match(path):
            (self._bind if match["name"] == "bind" else self._unbind)(value, match["driver"])
        elif match := _HUGEPAGES.match(path):
            self._write_hugepages(match["pool"], int(match["node"]), int(match["size"]), _number(value))
        elif path == "/sys/bus/pci/drivers_probe":
            self._probe(value)
        elif path == shapes.VFIO_SRIOV:
            self.tree.write(path, value)
        elif path == "/sys/bus/pci/rescan":
            self._rescan()
        else:
            raise refuse(errno.EACCES)

    def driver(self, address: str) -> str | None:
        """The driver that a function is bound to."""
        link = self.tree.at(f"{shapes.device_folder(address)}/driver")
        return link.readlink().name if link.is_symlink() else None

    def load(self, driver: str) -> None:
        """Load a PCI driver."""
        shapes.add_driver(self.tree, driver)

    def vf_addresses(self) -> list[str]:
        """VFs of the PF that there are."""
        count = int(self.tree.read(f"{shapes.device_folder(shapes.PF)}/sriov_numvfs"))
        return [vf_address(index) for index in range(count)]

    def reset(self, address: str) -> None:
        """A function-level reset. A VF's reset makes the PF driver rewrite registers for every VF."""
        if address in self.vf_addresses():
            self.on_reset(shapes.PF)

    def _write_device(self, address: str, name: str, value: str) -> None:
        folder = shapes.device_folder(address)
        if name == "sriov_numvfs":
            self._write_numvfs(address, _number(value))
        elif name == "sriov_drivers_autoprobe":
            self.tree.write(f"{folder}/{name}", str(_boolean(value)))
        elif name == "driver_override":
            self.tree.write(f"{folder}/{name}", value or "(null)")
        elif name == "reset" and value == "1":
            self.reset(address)
        elif name == "reset_method":
            supported = {"flr", "bus", "pm", "device_specific"}
            if not set(value.split()) <= supported:
                raise refuse(errno.EINVAL)
            self.tree.write(f"{folder}/{name}", value)
        elif name == "remove" and value == "1":
            self._remove(address)
        else:
            raise refuse(errno.EACCES if name in {"vendor", "device", "class", "sriov_totalvfs"} else errno.EINVAL)

    def _write_mirror(self, path: str, value: str) -> None:
        """As kcompat_vfd.c does it: ``add N`` replaces, ``rem N`` must name what is there; VFs that there are."""
        word, _, number = value.partition(" ")
        if word not in {"add", "rem"} or _number(number) >= len(self.vf_addresses()):
            raise refuse(errno.EINVAL)
        if word == "rem" and self.tree.read(path) != number:
            raise refuse(errno.EINVAL)
        self.tree.write(path, number if word == "add" else "off")

    def _write_numvfs(self, pf: str, wanted: int) -> None:
        folder = shapes.device_folder(pf)
        have = int(self.tree.read(f"{folder}/sriov_numvfs"))
        if wanted < 0 or wanted > self.shape.total_vfs:
            raise refuse(errno.ERANGE)
        if wanted == have:
            return
        by_vfio = self.driver(pf) == "vfio-pci" and self.tree.read(shapes.VFIO_SRIOV) == "Y"
        if self.driver(pf) != "igb" and not by_vfio:
            raise refuse(errno.ENOENT)
        if have and wanted:
            raise refuse(errno.EBUSY)
        if self.held & set(self.vf_addresses()):
            raise refuse(errno.EPERM)
        for index in range(have):
            self._drop_vf(pf, index)
        self.tree.write(f"{folder}/sriov_numvfs", str(wanted))
        for index in range(wanted):
            self._add_vf(pf, index)
        self.vf_macs = dict.fromkeys(range(wanted), "00:00:00:00:00:00")
        self.on_reset(pf)

    def _add_vf(self, pf: str, index: int) -> None:
        address = vf_address(index)
        shapes.add_function(self.tree, self.shape, address, 0x8086, 0x10CA, 0x020000, 0)
        self.tree.link(f"{shapes.device_folder(pf)}/virtfn{index}", shapes.device_folder(address))
        self.tree.link(f"{shapes.device_folder(address)}/physfn", shapes.device_folder(pf))
        if self.mirror_files:
            for way in ("ingress", "egress"):
                self.tree.write(f"{shapes.device_folder(pf)}/sriov/{index}/{way}_mirror", "off")
        if self.driver(pf) == "vfio-pci":  # which keeps the VFs that it makes
            self.tree.write(f"{shapes.device_folder(address)}/driver_override", "vfio-pci")
        if self.tree.read(f"{shapes.device_folder(pf)}/sriov_drivers_autoprobe") == "1":
            self._probe(address)

    def _drop_vf(self, pf: str, index: int) -> None:
        self._drop_function(vf_address(index))
        self.trusted.discard(index)
        shutil.rmtree(self.tree.at(f"{shapes.device_folder(pf)}/sriov"), ignore_errors=True)
        self.tree.at(f"{shapes.device_folder(pf)}/virtfn{index}").unlink()

    def _drop_function(self, address: str) -> None:
        if driver := self.driver(address):
            self._unbind(address, driver)
        folder = shapes.device_folder(address)
        group = self.tree.at(f"{folder}/iommu_group")
        if group.is_symlink():
            shutil.rmtree(self.tree.at(f"/sys/kernel/iommu_groups/{group.readlink().name}"))
        self.tree.at(f"/sys/bus/pci/devices/{address}").unlink()
        shutil.rmtree(self.tree.at(folder))

    def _bind(self, address: str, driver: str) -> None:
        folder = shapes.device_folder(address)
        if not self.tree.at(folder).exists() or self._wanted_driver(address) != driver:
            raise refuse(errno.ENODEV)
        if self.driver(address) is not None:
            raise refuse(errno.EBUSY)
        if driver == "vfio-pci" and not self.shape.iommu:
            raise refuse(errno.EINVAL)
        self.tree.link(f"{folder}/driver", f"/sys/bus/pci/drivers/{driver}")
        self.tree.link(f"/sys/bus/pci/drivers/{driver}/{address}", folder)
        self._appear(address, driver)

    def _unbind(self, address: str, driver: str) -> None:
        if self.driver(address) != driver:
            raise refuse(errno.ENODEV)
        if address in self.held:
            raise refuse(errno.EBUSY)  # the real kernel waits for the VM; a test must not
        if driver == "igb" and self.vf_addresses():
            self._write_numvfs(address, 0)
        self.tree.at(f"{shapes.device_folder(address)}/driver").unlink()
        self.tree.at(f"/sys/bus/pci/drivers/{driver}/{address}").unlink()
        self._vanish(address)

    def _probe(self, address: str) -> None:
        if not self.tree.at(f"/sys/bus/pci/devices/{address}").exists():
            raise refuse(errno.ENODEV)
        driver = self._wanted_driver(address)
        if self.driver(address) is None and driver and self.tree.at(f"/sys/bus/pci/drivers/{driver}").exists():
            self._bind(address, driver)

    def _wanted_driver(self, address: str) -> str | None:
        """driver_override decides alone; vfio-pci takes nothing that was not given to it."""
        folder = shapes.device_folder(address)
        override = self.tree.read(f"{folder}/driver_override")
        if override != "(null)":
            return override
        identity = int(self.tree.read(f"{folder}/vendor"), 16), int(self.tree.read(f"{folder}/device"), 16)
        return _STOCK.get(identity)

    def _appear(self, address: str, driver: str) -> None:
        if driver == "megaraid_sas":
            shapes.add_disks(self.tree, address, self.shape.disks)
        elif driver == "igb":
            self.later(lambda: self._name_interface(address))
        elif driver == "igbvf":
            shapes.add_interface(self.tree, address, f"enp2s0v{_vf_index(address)}", "02:00:00:00:00:01", up=False)
            self.on_reset(shapes.PF)

    def _name_interface(self, address: str) -> None:
        if self.driver(address) == "igb":
            shapes.add_interface(self.tree, address, shapes.PF_INTERFACE, "52:54:00:00:02:00", up=False)

    def _vanish(self, address: str) -> None:
        folder = self.tree.at(shapes.device_folder(address))
        for kind, place in (("net", "/sys/class/net"), ("block", "/sys/block"), ("block", "/sys/class/block")):
            for found in folder.glob(f"{kind}/*" if kind == "net" else f"*/{kind}/*"):
                self.tree.at(f"{place}/{found.name}").unlink(missing_ok=True)
        for part in [*folder.glob("net"), *folder.glob("host*")]:
            shutil.rmtree(part)

    def _write_hugepages(self, pool: str, node: int, size_kib: int, wanted: int) -> None:
        """The kernel gives what it has room for, without an error, and never takes pages that are in use."""
        used = self.used_pages.get((node, size_kib), 0)
        room = self.shape.node_memory_mib * 1024 // 2 // size_kib
        total = max(used, min(wanted, room))
        self.tree.write(f"{pool}/nr_hugepages", str(total))
        self.tree.write(f"{pool}/free_hugepages", str(total - used))

    def _remove(self, address: str) -> None:
        if address in self.held:
            raise refuse(errno.EBUSY)
        folder = shapes.device_folder(address)
        names = ("vendor", "device", "class", "numa_node")
        self.removed[address] = " ".join(self.tree.read(f"{folder}/{name}") for name in names)
        self._drop_function(address)

    def _rescan(self) -> None:
        for address, identity in sorted(self.removed.items()):
            vendor, device, class_code, node = identity.split()
            shapes.add_function(
                self.tree, self.shape, address, int(vendor, 16), int(device, 16), int(class_code, 16), int(node)
            )
            self._probe(address)
        self.removed.clear()


def vf_address(index: int) -> str:
    """The address of a VF of the fake PF (offset 128, stride 2)."""
    return f"0000:02:{16 + index // 4:02x}.{index * 2 % 8}"


def _vf_index(address: str) -> int:
    return next(i for i in range(256) if vf_address(i) == address)


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise refuse(errno.EINVAL) from None


def _boolean(text: str) -> int:
    if text not in {"0", "1"}:
        raise refuse(errno.EINVAL)
    return int(text)
