"""What the kernel was built and started with, as far as passing devices through depends on it."""

from __future__ import annotations

import re
import zlib

from hpcapvf.probe.reading import Reader

_CONFIG_LIMIT = 8 << 20
_STRICT = re.compile(r"^(?:CONFIG_IO_STRICT_DEVMEM=(y)|# CONFIG_IO_STRICT_DEVMEM is not set)$", re.MULTILINE)


def probe_arguments(reader: Reader) -> tuple[str, ...] | None:
    """The kernel's arguments."""
    text = reader.text("/proc/cmdline")
    return None if text is None else tuple(text.split())


def probe_iommu(reader: Reader) -> bool | None:
    """Whether an IOMMU translates: one is registered, or devices are in groups."""
    units = reader.names("/sys/class/iommu")
    groups = reader.names("/sys/kernel/iommu_groups")
    if units is None and groups is None:
        return None
    return bool(units) or bool(groups)


def probe_iomem_strict(reader: Reader, release: str | None, arguments: tuple[str, ...] | None) -> bool | None:
    """Whether device memory is kept from user space while a driver owns it (``iomem=``, CONFIG_IO_STRICT_DEVMEM)."""
    if arguments is None:
        return None
    words = [word.partition("=")[2] for word in arguments if word.startswith("iomem=")]
    if words and "relaxed" in words[-1]:
        return False
    if words and "strict" in words[-1]:
        return True
    config = _kernel_config(reader, release)
    match = _STRICT.search(config) if config is not None else None
    return None if match is None else match[1] == "y"


def probe_lockdown(reader: Reader) -> str | None:
    """``none``, ``integrity`` or ``confidentiality``; None if the kernel has no lockdown or does not say."""

    def chosen(text: str) -> str:
        match = re.search(r"\[(\w+)\]", text)
        if match is None:
            raise ValueError(text)
        return match[1]

    return reader.parsed("/sys/kernel/security/lockdown", chosen)


def probe_vfio(reader: Reader, release: str | None) -> bool | None:
    """Whether vfio-pci is loaded, built in or can be loaded."""
    if reader.exists("/sys/bus/pci/drivers/vfio-pci"):
        return True
    if release is None or "/" in release:
        return None
    tables = [reader.text(f"/lib/modules/{release}/{name}") for name in ("modules.dep", "modules.builtin")]
    if any("vfio-pci.ko" in (table or "") for table in tables):
        return True
    return None if tables[0] is None else False


def probe_kvm(reader: Reader) -> bool | None:
    """Whether /dev/kvm is there; that a guest can really start is another matter."""
    misc = reader.names("/sys/class/misc")
    if misc is not None:
        return "kvm" in misc
    return True if reader.exists("/dev/kvm") else None


def probe_dpdk(reader: Reader) -> bool | None:
    """Whether DPDK's testpmd is installed; None where programs are not recorded."""
    if any(reader.exists(f"{folder}/dpdk-testpmd") for folder in ("/usr/bin", "/usr/local/bin")):
        return True
    return False if reader.exists("/usr/bin") else None


def _kernel_config(reader: Reader, release: str | None) -> str | None:
    packed = reader.data("/proc/config.gz", _CONFIG_LIMIT)
    if packed is not None:
        try:
            unpacked = zlib.decompressobj(wbits=31).decompress(packed, _CONFIG_LIMIT)
        except zlib.error as error:
            reader.note("/proc/config.gz", f"not gzip: {error}")
        else:
            return unpacked.decode("ascii", errors="replace")
    if release is None or "/" in release:
        return None
    return reader.text(f"/boot/config-{release}")
