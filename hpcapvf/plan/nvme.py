"""A VF of an NVMe controller for a guest (thesis chapter 7 names SR-IOV storage as future work; NVMe 1.3, 8.5)."""

from __future__ import annotations

from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import Host, PciDevice
from hpcapvf.model.request import Request
from hpcapvf.model.steps import BindDriver, SetAutoprobe, SetNumVfs, Step
from hpcapvf.model.storage_steps import FreeNvmeQueues, StartNvmeVf
from hpcapvf.plan.choice import Objection, objection
from hpcapvf.plan.controllers import use_objections
from hpcapvf.plan.devices import disks_behind
from hpcapvf.plan.guards import Force
from hpcapvf.plan.link import vf_address

_NVME_CLASS = 0x010802  # mass storage, non-volatile memory, NVMe's register interface
_DRIVER = "nvme"


def pf_objections(host: Host, device: PciDevice, _force: Force) -> tuple[Objection, ...]:
    """What speaks against making a VF of this controller and giving its namespaces to a guest."""
    address, sriov = device.address, device.sriov
    if device.class_code != _NVME_CLASS:
        return (objection(ExitCode.NOT_CAPABLE, address, "is no NVMe controller", "set storage.mode: passthrough"),)
    if sriov is None or sriov.total_vfs == 0:
        hint = "set storage.mode: virtio or passthrough; VFs need NVMe 1.3 with virtualization enhancements"
        return (objection(ExitCode.NOT_CAPABLE, address, "cannot make VFs (no SR-IOV)", hint),)
    found = [*use_objections(host, device)]
    if sriov.offset is None:
        why = "the host does not say where its VFs will appear (sriov_offset)"
        found.append(objection(ExitCode.NOT_CAPABLE, address, why, "probe the running host, kernel 4.12 or later"))
    if sriov.num_vfs:
        why = f"has {sriov.num_vfs} VF(s) already: whoever made them divides its queues, and VMs share its namespaces"
        found.append(objection(ExitCode.REFUSED, address, why, "remove them: write 0 to sriov_numvfs"))
    if device.driver != _DRIVER:
        why = f"is driven by {device.driver or 'nothing'}, and only the driver {_DRIVER} can divide its queues"
        found.append(objection(ExitCode.REFUSED, address, why, f"bind it to {_DRIVER}"))
    elif not disks_behind(host, device):
        found.append(objection(ExitCode.REFUSED, address, "has no namespace", "make one: nvme create-ns"))
    for disk in disks_behind(host, device):
        if disk.path is None or disk.size_bytes is None:
            why = f"the host does not say enough about its namespace {disk.name}"
            found.append(objection(ExitCode.REFUSED, address, why, "probe the running host, with udev"))
    return tuple(found)


def nvme_vf(device: PciDevice) -> PciAddress | None:
    """Where the first VF will appear; None if the host does not say."""
    sriov = device.sriov
    if sriov is None or sriov.offset is None:
        return None
    return vf_address(device.address, sriov.offset, sriov.stride or 0, 0)


def nvme_vf_steps(request: Request, device: PciDevice, vf: PciAddress) -> tuple[Step, ...]:
    """A queue and an interrupt for each guest CPU, and one of each for the controller's own commands.

    Queues are freed before there are VFs, because that may need a reset of the controller.
    """
    pf, queues = device.address, request.guest.vcpus + 1
    return (
        FreeNvmeQueues(pf, queues, queues),
        SetAutoprobe(pf, enabled=False),
        SetNumVfs(pf, 1),
        StartNvmeVf(pf, 0, queues, queues),
        BindDriver(vf, "vfio-pci"),
    )
