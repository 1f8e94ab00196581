"""The machine as a whole: IOMMU, interrupts, kernel, firmware, virtualisation."""

from __future__ import annotations

from hpcapvf.doctor.diagnosis import Check, boot_with
from hpcapvf.model.bindings import EXTRA, how_to_install
from hpcapvf.model.host import Host
from hpcapvf.model.vitals import Diagnosis, Vitals

_PARAMETERS = "Documentation/admin-guide/kernel-parameters.txt"
_VFIO_TEXT = "Documentation/driver-api/vfio.rst"
_TYPE1 = "drivers/vfio/vfio_iommu_type1.c (allow_unsafe_interrupts)"
_LOCKDOWN = "kernel_lockdown(7)"
_PROBE_HERE = "run it on the host itself, as root"


def check_iommu(host: Host, vitals: Vitals) -> Diagnosis:
    """Without translation no device can be given to a guest."""
    check = Check("IOMMU", f"{_VFIO_TEXT}; {_PARAMETERS}: intel_iommu, amd_iommu")
    if host.iommu_active is None:
        return check.unknown("neither /sys/class/iommu nor /sys/kernel/iommu_groups is there", _PROBE_HERE)
    if host.iommu_active:
        return check.ok("on")
    off = [a for a in host.kernel_arguments or () if a in ("intel_iommu=off", "amd_iommu=off", "iommu=off")]
    if off:
        return check.fault("off", f"the kernel was booted with {' '.join(off)}", f"take {' '.join(off)} out; reboot")
    if vitals.iommu_tables is None:
        cause = "off in the firmware, or the kernel was not asked to use it"
        return check.fault(
            "off", cause, boot_with("intel_iommu=on iommu=pt") + "  # and VT-d or AMD-Vi in the firmware"
        )
    if not vitals.iommu_tables:
        cause = "the firmware announces none (no ACPI table DMAR or IVRS)"
        return check.fault("off", cause, "switch VT-d or AMD-Vi on in the firmware's setup, then boot again")
    word = "intel_iommu=on" if "DMAR" in vitals.iommu_tables else "amd_iommu=on"
    cause = f"the firmware announces one ({', '.join(vitals.iommu_tables)}), the kernel does not use it"
    return check.fault("off", cause, boot_with(f"{word} iommu=pt"))


def check_interrupts(host: Host, vitals: Vitals) -> Diagnosis:
    """VFIO's type 1 driver refuses devices whose interrupts are not remapped."""
    check = Check("interrupt remapping", f"{_TYPE1}; {_PARAMETERS}: intremap")
    if vitals.interrupts_remapped:
        return check.ok("on")
    if vitals.interrupts_remapped is None:
        return check.unknown("/proc/interrupts names no chip that would tell", "dmesg | grep -i 'remapping'")
    off = [a for a in host.kernel_arguments or () if a in ("intremap=off", "nointremap", "noapic")]
    cause = f"the kernel was booted with {' '.join(off)}" if off else "the IOMMU does not remap, or is off"
    remedy = f"take {' '.join(off)} out; reboot" if off else "switch it on in the firmware (VT-d, x2APIC)"
    if vitals.unsafe_interrupts:
        found = "off, and VFIO was told to do without"
        return check.warning(found, f"{cause}; a guest can then raise any interrupt of the host", remedy)
    other = "echo 'options vfio_iommu_type1 allow_unsafe_interrupts=1' > /etc/modprobe.d/vfio.conf"
    return check.fault("off", f"{cause}; VFIO then refuses every device", f"{remedy}; for a trial: {other}")


def check_arguments(host: Host, _vitals: Vitals) -> Diagnosis:
    """Arguments that help or hurt passing devices through."""
    check = Check("kernel arguments", f"{_PARAMETERS}: iommu, pci")
    if host.kernel_arguments is None:
        return check.unknown("/proc/cmdline is not there", _PROBE_HERE)
    given = host.kernel_arguments
    options = [word for a in given if a.startswith("pci=") for word in a.removeprefix("pci=").split(",")]
    if "nomsi" in options:
        cause = "no device may use MSI or MSI-X, and a VF has no other interrupts"
        return check.fault("pci=nomsi", cause, "take nomsi out of pci=; reboot")
    if host.iommu_active is not False and "iommu=pt" not in given and "iommu.passthrough=1" not in given:
        cause = "the host's own devices are translated as well, which costs each of their transfers"
        return check.warning("without iommu=pt", cause, boot_with("iommu=pt"))
    return check.ok(" ".join(a for a in given if "iommu" in a or a.startswith(("pci=", "iomem="))))


def check_registers(host: Host, _vitals: Vitals) -> Diagnosis:
    """Receiving everything needs the card's registers while its driver holds them."""
    check = Check("device memory", f"{_PARAMETERS}: iomem; CONFIG_IO_STRICT_DEVMEM")
    if host.iomem_strict is None:
        return check.unknown("neither the arguments nor the kernel's configuration tell", "cat /proc/cmdline")
    if host.iomem_strict:
        cause = "the kernel refuses to map registers of a card that a driver holds"
        return check.fault("strict", cause, boot_with("iomem=relaxed") + "  # or network.receive: own in the spec")
    return check.ok("relaxed")


def check_lockdown(host: Host, vitals: Vitals) -> Diagnosis:
    """Lockdown forbids to map registers and to load unsigned modules."""
    check = Check("lockdown", _LOCKDOWN)
    if host.lockdown is None:
        return check.unknown(
            "/sys/kernel/security/lockdown is not there (securityfs not mounted, or a kernel without lockdown)",
            "cat /sys/kernel/security/lockdown",
        )
    if host.lockdown == "none":
        return check.ok("none")
    forced = [a for a in host.kernel_arguments or () if a.startswith("lockdown=")]
    if forced:
        return check.fault(host.lockdown, f"booted with {' '.join(forced)}", f"take {' '.join(forced)} out; reboot")
    cause = (
        "UEFI Secure Boot makes it so" if vitals.secure_boot else "the kernel's configuration or a policy makes it so"
    )
    return check.fault(host.lockdown, f"{cause}; registers cannot be mapped", "switch Secure Boot off in the firmware")


def check_signing(host: Host, vitals: Vitals) -> Diagnosis:
    """Secure Boot, and whether the kernel wants signed modules. It matters where the driver is loaded: in the guest."""
    check = Check("Secure Boot and module signing", "Documentation/admin-guide/module-signing.rst")
    boot = {True: "Secure Boot on", False: "Secure Boot off", None: "Secure Boot unknown"}[vitals.secure_boot]
    enforced = vitals.signatures_enforced is True or (host.lockdown or "none") != "none"
    if enforced or vitals.secure_boot:
        rule = "only signed modules load" if enforced else "modules may be unsigned"
        cause = "this kernel would refuse hpcapvf.ko; guests have a kernel of their own, and the engine gives them no "
        return check.warning(
            f"{boot}, {rule}", cause + "Secure Boot", "mokutil --sb-state; sign the module if it is to be loaded here"
        )
    if vitals.signatures_enforced is None or vitals.secure_boot is None:
        return check.unknown(f"{boot}; module signatures: not said", "mokutil --sb-state; " + _PROBE_HERE)
    return check.ok(f"{boot}, modules may be unsigned")


def check_vfio(host: Host, _vitals: Vitals) -> Diagnosis:
    """The driver that holds what a guest is given."""
    check = Check("vfio-pci", _VFIO_TEXT)
    if host.vfio_available is None:
        return check.unknown("the kernel's list of modules is not there", "modinfo vfio-pci")
    if host.vfio_available:
        return check.ok("available")
    cause = f"kernel {host.kernel_release or ''} has no such module".replace("  ", " ")
    return check.fault(
        "missing", cause, "apt-get install linux-image-amd64  # the full package, not -cloud; then reboot"
    )


def check_kvm(host: Host, vitals: Vitals) -> Diagnosis:
    """Without KVM a guest runs in software emulation. Nested: this host is a VM itself."""
    check = Check("KVM", "Documentation/virt/kvm/x86/nested-vmx.rst, running-nested-guests.rst")
    flags = vitals.cpu_flags
    inside = flags is not None and "hypervisor" in flags
    if host.kvm_available is None:
        return check.unknown("/dev/kvm is not known", "ls -l /dev/kvm; modprobe -a kvm_intel kvm_amd")
    if host.kvm_available:
        return check.ok("available" + (", this host is itself a VM (nested)" if inside else ""))
    slow = "guests run in software emulation, far too slow for a capture"
    if flags is None:
        return check.warning("not available", slow, "modprobe kvm_intel || modprobe kvm_amd; dmesg | tail")
    if flags & {"vmx", "svm"}:
        module = "kvm_intel" if "vmx" in flags else "kvm_amd"
        return check.warning("not available", f"{slow}; the CPU could, the module is not loaded", f"modprobe {module}")
    if inside:
        cause = f"{slow}; this host is a VM whose hypervisor hides virtualisation from it"
        return check.warning(
            "not available", cause, "on the machine below: modprobe kvm_intel nested=1; cpu host-model"
        )
    return check.warning("not available", f"{slow}; the CPU offers none", "switch on VT-x or AMD-V in the firmware")


def check_libvirt(host: Host, _vitals: Vitals) -> Diagnosis:
    """libvirt runs the guests."""
    check = Check("libvirt", "libvirt.org/daemons.html")
    if host.domains is not None:
        return check.ok(f"answers, {len(host.domains)} domains")
    said = next((line.partition(": ")[2] for line in host.unreadable if line.startswith("libvirt: ")), None)
    if said is None:
        return check.unknown("it was not asked", _PROBE_HERE)
    if EXTRA in said:
        packaged = how_to_install(own_environment=False)
        return check.fault("cannot be asked", said, f"{packaged}  # hpcapvf of pipx: the extra {EXTRA}")
    return check.fault("does not answer", said, "apt-get install libvirt-daemon-system; systemctl start libvirtd")


PLATFORM_CHECKS = (
    check_iommu,
    check_interrupts,
    check_arguments,
    check_registers,
    check_lockdown,
    check_signing,
    check_vfio,
    check_kvm,
    check_libvirt,
)
