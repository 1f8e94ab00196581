"""What the handlers ask of a guest: its PCI functions, their attributes, its services."""

from __future__ import annotations

import re

from hpcapvf.apply.checked import command_failed, run_any, run_checked
from hpcapvf.host.protocols import Guest
from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import StepFailed
from hpcapvf.model.steps import InstallDriver

DRIVER = "hpcapvf"
PCI_DEVICES = "/sys/bus/pci/devices"
_INTERFACE = re.compile(r"[A-Za-z0-9._-]{1,15}")
_ID_LINE = re.compile(r"^/sys/bus/pci/devices/([0-9a-f:.]+)/(vendor|device):(0x[0-9a-f]+)$", re.MULTILINE)
READ_IDS = ("find", "-L", PCI_DEVICES, "-maxdepth", "2", "(", "-name", "vendor", "-o", "-name", "device", ")",
             "-exec", "grep", "-H", "", "{}", "+")  # fmt: skip
_JOURNAL_LINES = "15"


def find_function(guest: Guest, vendor: int, device: int) -> PciAddress:
    """The one PCI function with these IDs; StepFailed if there is none, or more than one."""
    ids: dict[str, dict[str, int]] = {}
    for name, word, value in _ID_LINE.findall(run_checked(guest, READ_IDS)):
        ids.setdefault(name, {})[word] = int(value, 16)
    found = [name for name, words in ids.items() if words == {"vendor": vendor, "device": device}]
    if len(found) != 1:
        raise StepFailed(
            f"the guest has {len(found)} PCI functions {vendor:04x}:{device:04x}, expected one",
            hint="see `virsh dumpxml` for its hostdevs and the guest's lspci",
        )
    return PciAddress.parse(found[0])


def find_interface(guest: Guest, function: PciAddress) -> str | None:
    """The network interface of a function of the guest, or None while it has none."""
    result = run_any(guest, ["ls", f"{PCI_DEVICES}/{function}/net"])
    names = result.stdout.split() if result.returncode == 0 else []
    return names[0] if len(names) == 1 and _INTERFACE.fullmatch(names[0]) else None


def driver_folder(guest: Guest, step: InstallDriver) -> str:
    """Where HPCAPvf shows its counters; StepFailed if the function is not there."""
    function = find_function(guest, step.vendor, step.device)
    if not step.by_interface:
        return f"{PCI_DEVICES}/{function}/{DRIVER}"
    return f"/sys/class/net/{find_interface(guest, function)}/{DRIVER}"


def read_attribute(guest: Guest, path: str) -> str | None:
    """The stripped text of a guest's attribute file, or None if it cannot be read."""
    result = run_any(guest, ["cat", path])
    return result.stdout.strip() if result.returncode == 0 else None


def write_attribute(guest: Guest, path: str, value: str) -> None:
    """Write a guest's attribute file."""
    run_checked(guest, ["tee", path], stdin=value.encode())


def bound_driver(guest: Guest, function: PciAddress) -> str | None:
    """Name of the driver that a guest's PCI function is bound to."""
    result = run_any(guest, ["readlink", f"{PCI_DEVICES}/{function}/driver"])
    return result.stdout.strip().rsplit("/", 1)[-1] if result.returncode == 0 else None


def unit_is_active(guest: Guest, unit: str) -> bool:
    """Whether a systemd unit runs in the guest."""
    return run_any(guest, ["systemctl", "is-active", "--quiet", unit]).returncode == 0


def start_unit(guest: Guest, unit: str, timeout_s: float) -> None:
    """Have a unit enabled and started; StepFailed with the unit's last lines. ``enable`` reads unit files again."""
    result = run_any(guest, ["systemctl", "enable", "--now", unit], timeout_s=timeout_s)
    if result.returncode != 0:
        error = command_failed(result)
        raise StepFailed(
            error.message, hint=f"see `journalctl -u {unit}` in the guest", details=last_lines(guest, unit)
        )


def last_lines(guest: Guest, unit: str) -> tuple[str, ...]:
    """The last lines that a unit logged."""
    result = run_any(guest, ["journalctl", "--no-pager", "-o", "cat", "-n", _JOURNAL_LINES, "-u", unit])
    return tuple(result.stdout.splitlines())


def lines_since_start(guest: Guest, unit: str) -> tuple[str, ...]:
    """What a unit logged since it was started last, at most the last 500 lines."""
    here = '_SYSTEMD_INVOCATION_ID="$(systemctl show --property=InvocationID --value "$0")"'
    result = run_any(guest, ["sh", "-c", f"exec journalctl --no-pager -o cat -n 500 {here}", unit])
    return tuple(result.stdout.splitlines())


def same_file(guest: Guest, path: str, sha256: str) -> bool:
    """Whether a guest's file has this checksum."""
    result = run_any(guest, ["sha256sum", path])
    return result.returncode == 0 and result.stdout.startswith(sha256)
