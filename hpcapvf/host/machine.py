"""The machine that this program runs on."""

from __future__ import annotations

from hpcapvf.host.clock import LocalClock
from hpcapvf.host.commands import LocalCommands
from hpcapvf.host.files import LocalFiles
from hpcapvf.host.guests import SshGuests
from hpcapvf.host.hypervisor import LibvirtHypervisor
from hpcapvf.host.ixgbe_registers import DebugfsRegisters
from hpcapvf.host.protocols import Machine
from hpcapvf.host.register_device import DeviceRegisters
from hpcapvf.host.register_ways import ChosenRegisters
from hpcapvf.host.registers import MappedRegisters
from hpcapvf.host.udev import LocalUdev


def local_machine(root: str = "/") -> Machine:
    """Every effect on this machine; nothing is opened or connected before it is used.

    root: where files (sysfs and registers included) are looked for; the other effects are always this machine's.
    """
    files = LocalFiles(root)
    clock = LocalClock()
    commands = LocalCommands()
    hypervisor = LibvirtHypervisor(clock)
    return Machine(
        files=files,
        commands=commands,
        hypervisor=hypervisor,
        registers=ChosenRegisters(
            (DeviceRegisters(root), MappedRegisters(files), DebugfsRegisters(files, clock)), main=MappedRegisters.name
        ),
        guests=SshGuests(commands, hypervisor, files, clock),
        clock=clock,
        udev=LocalUdev(files, clock),
    )
