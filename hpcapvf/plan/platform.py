"""What the host as a whole must offer, the guest image, and whether the deployment's name is free."""

from __future__ import annotations

from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import LOST, Deployed, Host, Image
from hpcapvf.model.plan import Advice, Unchanged, unchanged_by
from hpcapvf.model.request import Request
from hpcapvf.plan import advice
from hpcapvf.plan.choice import Choice, Objection, objection

IOMMU_ARGUMENTS = "intel_iommu=on iommu=pt"


def check_name(request: Request, host: Host, spec_sha256: str) -> Unchanged | tuple[Objection, ...]:
    """Unchanged if this very spec is deployed; an objection if the name is taken by anything else."""
    if standing := unchanged_by(request.name, spec_sha256, host.deployments):
        return standing
    deployed = [d for d in host.deployments if d.name == request.name]
    if deployed:
        return (_taken(request, sorted(deployed, key=lambda d: d.spec_sha256)[0]),)
    domain = next((d for d in host.domains or () if d.name == request.name), None)
    if domain is not None:
        why = f"a libvirt domain of that name exists (UUID {domain.uuid}) that this program did not make"
        hint = "choose another guest.name, or remove that domain"
        return (objection(ExitCode.CONFLICT, request.name, why, hint, guard="foreign-domain"),)
    return ()


def _taken(request: Request, found: Deployed) -> Objection:
    if found.condition == "deployed":
        why = "is deployed already, from a different spec"
        hint = f"run `hpcapvf destroy {request.name}` first, or choose another guest.name"
    elif found.condition == LOST:
        why = "was deployed, and the host was rebooted since: its VFs, registers and services are gone, its disk is not"
        hint = f"`hpcapvf recover {request.name} --forward` makes it anew, `hpcapvf destroy {request.name}` ends it"
    else:
        why = f"an earlier run was cut short (condition: {found.condition})"
        hint = f"run `hpcapvf recover {request.name}`: it puts back what that run changed, or ends it if it persists"
    return objection(ExitCode.CONFLICT, request.name, why, hint)


def check_platform(host: Host) -> Choice[str]:
    """The domain type (``kvm`` or ``qemu``), with objections to what passthrough lacks."""
    objections: list[Objection] = []
    notes: list[Advice] = []
    if host.iommu_active is not True:
        objections.append(_no_iommu(host))
    if host.vfio_available is False:
        objections.append(
            objection(ExitCode.NOT_CAPABLE, "vfio-pci", "the kernel has no such driver", "install the kernel's modules")
        )
    if host.domains is None:
        notes.append(advice.unknown("libvirt could not be asked which domains exist and which devices they hold"))
    if host.kvm_available is None:
        notes.append(advice.unknown("whether KVM works here is not known; the plan assumes that it does"))
    if host.kvm_available is False:
        notes.append(advice.software_emulation())
    return Choice("qemu" if host.kvm_available is False else "kvm", tuple(objections), tuple(notes))


def _no_iommu(host: Host) -> Objection:
    arguments = host.kernel_arguments or ()
    given = [a for a in arguments if a.startswith(("intel_iommu=", "amd_iommu=", "iommu="))]
    has = f"; the kernel was booted with {' '.join(given)}" if given else ""
    if host.iommu_active is None:
        why = f"the host does not say whether its IOMMU is active{has}"
    else:
        why = f"is off, so no device can be passed to a guest safely{has}"
    hint = (
        f"switch it on in the firmware (VT-d or AMD-Vi) and boot with {IOMMU_ARGUMENTS} (AMD: amd_iommu=on iommu=pt); "
        "on Debian: GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub and reboot"
    )
    return objection(ExitCode.NOT_CAPABLE, "IOMMU", why, hint)


def choose_image(request: Request, host: Host) -> Choice[str]:
    """The image's SHA-256, which is verified again before the disk is made."""
    path, wanted = request.guest.image, request.guest.sha256
    found = next((i for i in host.images if i.path == path), Image(path, exists=False))
    if not found.exists:
        hint = "build one with `hpcapvf image build`, or give the path of any cloud-init qcow2"
        return Choice(None, (objection(ExitCode.NOT_FOUND, path, "no such guest image", hint),))
    if found.size_bytes == 0:
        return Choice(None, (objection(ExitCode.REFUSED, path, "the guest image is empty", "build or copy it again"),))
    if wanted and found.sha256 and wanted != found.sha256:
        why = f"its checksum is {found.sha256}, the spec says {wanted}"
        return Choice(None, (objection(ExitCode.REFUSED, path, why, "copy the image again, or correct guest.sha256"),))
    if not wanted and not found.sha256:
        hint = f"set guest.sha256, or put the checksum beside it: sha256sum {path} > {path}.sha256"
        return Choice(None, (objection(ExitCode.REFUSED, path, "nothing tells its checksum", hint),))
    return Choice(wanted or found.sha256)
