"""What a deployment may change on a host, as plain data, so that before and after can be compared.

Left out is what changes by itself (free memory, counters, registers that software does not own) and the history of
deployments, which is meant to stay.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hpcapvf.host.protocols import Files, Machine
from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import HpcapvfError, StepFailed
from hpcapvf.model.paths import DEPLOYMENTS, IMAGES
from hpcapvf.nic.registers import Register
from hpcapvf.nic.tables import register_table
from hpcapvf.verify.capture import COMMAND_TIMEOUT_S
from hpcapvf.verify.readings import open_registers, read_interface

PCI_DEVICES = "/sys/bus/pci/devices"
NODES = "/sys/devices/system/node"
NETWORKS = "/etc/libvirt/qemu/networks"
UNIT_FOLDERS = ("/run/systemd/transient", "/etc/systemd/system")
_UNREADABLE = "unreadable"
_DEEPEST = 8
_IFF_UP = 0x1


def take_snapshot(machine: Machine, pf: PciAddress, controller: PciAddress | None, family: str) -> dict[str, Any]:
    """JSON-ready; a part that cannot be read becomes ``{"unreadable": why}`` and never compares equal.

    Keys: ``sriov, pci, hugepages, domains, networks, links, registers, units, files, controller_sriov,
    controller_disks``.
    """
    files = machine.files
    parts: dict[str, Callable[[], Any]] = {
        "sriov": lambda: _sriov(files, pf),
        "pci": lambda: _bindings(files),
        "hugepages": lambda: _hugepages(files),
        "domains": lambda: {
            domain.name: {"uuid": domain.uuid, "running": domain.running} for domain in machine.hypervisor.domains()
        },
        "networks": lambda: _networks(machine),
        "links": lambda: _links(machine, pf),
        "registers": lambda: _registers(machine, pf, family),
        "units": lambda: _units(files),
        # The two folders themselves stay, like an installed program's: what is in them must not.
        "files": lambda: [*_below(files, DEPLOYMENTS)[1:], *_below(files, IMAGES)[1:]],
        "controller_sriov": lambda: _sriov_if_any(files, controller),
        "controller_disks": lambda: _disks_behind(files, controller),
    }
    return {name: _readable(read) for name, read in parts.items()}


def snapshot_difference(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, ...]:
    """One line for each place that differs, and for each part that could not be read; empty if all is as it was."""
    old, new = _flat("", before), _flat("", after)
    lines = []
    for place in sorted(old.keys() | new.keys()):
        was, became = old.get(place, "absent"), new.get(place, "absent")
        if was != became or place.endswith(f".{_UNREADABLE}"):
            lines.append(f"{place}: was {was}, became {became}")
    return tuple(lines)


def _readable(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except HpcapvfError as error:
        return {_UNREADABLE: error.message}


def _flat(place: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        flat: dict[str, Any] = {}
        for key, inner in value.items():
            flat |= _flat(f"{place}.{key}" if place else str(key), inner)
        return flat
    if isinstance(value, list):
        return {f"{place}[{item}]": "present" for item in value}
    return {place: value}


def _text(files: Files, path: str) -> str | None:
    text = files.read_text(path)
    return None if text is None else text.strip()


def _sriov(files: Files, pf: PciAddress) -> dict[str, str | None]:
    folder = f"{PCI_DEVICES}/{pf}"
    if _text(files, f"{folder}/sriov_totalvfs") is None:
        raise StepFailed(f"{pf} is no SR-IOV device of this host")
    return {name: _text(files, f"{folder}/{name}") for name in ("sriov_numvfs", "sriov_drivers_autoprobe")}


def _sriov_if_any(files: Files, controller: PciAddress | None) -> dict[str, str | None]:
    """The same of a storage controller, which may be an NVMe with VFs."""
    known = controller is not None and _text(files, f"{PCI_DEVICES}/{controller}/sriov_totalvfs") is not None
    return _sriov(files, controller) if known and controller is not None else {}


def _bindings(files: Files) -> dict[str, dict[str, str | None]]:
    """Driver and driver_override of every PCI function."""
    return {
        address: {
            "driver": files.link_name(f"{PCI_DEVICES}/{address}/driver"),
            "override": _text(files, f"{PCI_DEVICES}/{address}/driver_override"),
        }
        for address in files.list(PCI_DEVICES) or ()
    }


def _hugepages(files: Files) -> dict[str, str | None]:
    """Pages per node and size; how many of them are free is not the deployment's alone to say."""
    found = {}
    for node in files.list(NODES) or ():
        for size in files.list(f"{NODES}/{node}/hugepages") or ():
            found[f"{node} {size}"] = _text(files, f"{NODES}/{node}/hugepages/{size}/nr_hugepages")
    return found


def _networks(machine: Machine) -> dict[str, bool | None]:
    names = [name[: -len(".xml")] for name in machine.files.list(NETWORKS) or () if name.endswith(".xml")]
    return {name: machine.hypervisor.network_active(name) for name in names}


def _links(machine: Machine, pf: PciAddress) -> dict[str, Any]:
    """Up or down, MTU, pause frames, features and VF MACs of the PF's interfaces."""
    found: dict[str, Any] = {}
    for name in machine.files.list(f"{PCI_DEVICES}/{pf}/net") or ():
        reading = read_interface(name, machine)
        flags = _text(machine.files, f"/sys/class/net/{name}/flags")
        found[name] = {
            "up": None if flags is None else bool(int(flags, 16) & _IFF_UP),
            "mtu": _text(machine.files, f"/sys/class/net/{name}/mtu"),
            "pause": reading.pause,
            "features": reading.features,
            "vf_macs": _vf_macs(machine, name),
        }
    return found


def _vf_macs(machine: Machine, interface: str) -> dict[str, str]:
    result = machine.commands.run(["ip", "-j", "link", "show", "dev", interface], timeout_s=COMMAND_TIMEOUT_S)
    try:
        vfs = json.loads(result.stdout)[0].get("vfinfo_list", [])
        return {str(vf["vf"]): str(vf.get("address") or vf["mac"]) for vf in vfs}
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise StepFailed(f"ip link show {interface} cannot be understood: {result.stderr.strip() or error}") from error


def _registers(machine: Machine, pf: PciAddress, family: str) -> dict[str, str]:
    """The bits that this program may write, of every register that reads back."""
    with open_registers(pf, family, machine) as read:
        return {
            f"{register.name}[{index}]": f"{_ours(register, read(register.name, index)):#010x}"
            for register in register_table(family).registers
            if register.writable_mask and register.reads_back
            for index in range(register.count)
        }


def _ours(register: Register, value: int) -> int:
    """The writable bits. A filter that is not valid is empty, whatever it says (82576 datasheet: RAH.AV, VLVF.VI_En).

    igb leaves the pool's bit in the filter of a VF whose MAC was taken back.
    """
    valid = next((field for field in register.fields if field.name == "VALID"), None)
    return value & register.writable_mask if valid is None or valid.extract(value) else 0


def _units(files: Files) -> list[str]:
    return [
        f"{folder}/{name}"
        for folder in UNIT_FOLDERS
        for name in files.list(folder) or ()
        if name.startswith("hpcapvf") and name.endswith((".service", ".mount", ".timer"))
    ]


def _below(files: Files, path: str, depth: int = 0) -> list[str]:
    """The folder and everything in it, by path."""
    names = files.list(path)
    if names is None or depth > _DEEPEST:
        return [path] if depth else []
    return [path, *(place for name in names for place in _below(files, f"{path}/{name}", depth + 1))]


def _disks_behind(files: Files, controller: PciAddress | None) -> int:
    """How many disks the host sees behind the controller; their names may change when it comes back."""
    if controller is None:
        return 0
    paths = (files.real_path(f"/sys/block/{name}") for name in files.list("/sys/block") or ())
    return sum(path is not None and f"/{controller}/" in path for path in paths)
