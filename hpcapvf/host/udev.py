"""What the device manager knows: events worked off, and what it found on a disk."""

from __future__ import annotations

from typing import Any

from hpcapvf.host.bindings import binding
from hpcapvf.host.files import LocalFiles
from hpcapvf.host.protocols import Clock
from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import WaitTimedOut

_POLL_S = 0.2


class LocalUdev:
    """udev of this machine, through libudev. The library is imported when first needed."""

    def __init__(self, files: LocalFiles, clock: Clock) -> None:
        self._files = files
        self._clock = clock

    def wait_for_vfs(self, pf: PciAddress, count: int, *, timeout_s: float) -> None:
        """Wait until the PF has just ``count`` VFs and udev has worked off their events.

        udev is done with a device when its database entry says initialised; only then is the automatic driver
        binding over and the name of the interface final. WaitTimedOut names what is missing.
        """
        pyudev = binding("pyudev")
        context = pyudev.Context()
        deadline = self._clock.monotonic() + timeout_s
        while True:
            missing = self._missing(pyudev, context, pf, count)
            if not missing:
                return
            if self._clock.monotonic() >= deadline:
                raise WaitTimedOut(
                    f"the {count} VF(s) of {pf} were not all there after {timeout_s:g} s",
                    hint="see the kernel log (dmesg) and `udevadm monitor`",
                    details=missing,
                )
            self._clock.sleep(_POLL_S)

    def disk_properties(self, disk: str) -> dict[str, str] | None:
        """Properties of a block device such as ``sda`` (``ID_FS_TYPE``, ``ID_SERIAL_SHORT`` …); None if absent."""
        pyudev = binding("pyudev")
        try:
            device = pyudev.Devices.from_name(pyudev.Context(), "block", disk)
        except pyudev.DeviceNotFoundError:
            return None
        return {str(key): str(value) for key, value in device.properties.items()}

    def _missing(self, pyudev: Any, context: Any, pf: PciAddress, count: int) -> tuple[str, ...]:
        links = [n for n in self._files.list(f"/sys/bus/pci/devices/{pf}") or () if n.startswith("virtfn")]
        if len(links) != count:
            return (f"{pf} has {len(links)} VF(s), {count} wanted",)
        return tuple(filter(None, (self._unsettled(pyudev, context, pf, link) for link in links)))

    def _unsettled(self, pyudev: Any, context: Any, pf: PciAddress, link: str) -> str:
        address = self._files.link_name(f"/sys/bus/pci/devices/{pf}/{link}") or "?"
        try:
            device = pyudev.Devices.from_name(context, "pci", address)
        except pyudev.DeviceNotFoundError:
            return f"{link} ({address}) is not in sysfs"
        return "" if device.is_initialized else f"udev has not worked off {address}"
