"""What the lab's root file systems are made of, and the hash that names each of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

FORMAT_VERSION = 1
SUITE = "trixie"

BOOTABLE = (
    "linux-image-amd64", "systemd", "systemd-sysv", "udev", "dbus", "kmod", "openssh-server", "iproute2",
    "grub-pc-bin", "grub2-common", "e2fsprogs", "zstd", "xz-utils", "mdadm", "xfsprogs", "pciutils", "tcpdump",
    "ethtool", "rsync",
)  # fmt: skip
DPDK = ("dpdk-dev", "librte-meta-net", "librte-meta-mempool")
SERVER = (
    "openssh-client", "libvirt-daemon-system", "libvirt-clients", "qemu-system-x86", "qemu-utils", "dnsmasq-base",
    "nftables", "iptables", "numactl", "nvme-cli", "xorriso", "python3-libvirt", "python3-pyudev", "python3-jinja2",
    "python3-yaml", "python3-rich", "python3-lxml", "python3-pytest", "chrony",
    *DPDK,
)  # fmt: skip
GUEST = ("cloud-init", "python3-minimal", "sudo", "chrony", *DPDK)
BUILDER = ("gcc", "make", "libc6-dev", "linux-headers-amd64", "kmod", "pkgconf")


@dataclass(frozen=True)
class Recipe:
    """One root file system: its packages and, by file name, the scripts that finish it.

    disk_mib: size of the bootable disk made of it; 0 means that it is never booted. suite: of Debian. variant:
    mmdebstrap's; of "extract" no package's scripts are run. newer: patterns of packages that come from the suite's
    backports.
    """

    name: str
    packages: tuple[str, ...]
    before_packages: tuple[str, ...]
    after_packages: tuple[str, ...]
    disk_mib: int
    suite: str = SUITE
    variant: str = "minbase"
    newer: tuple[str, ...] = ()

    @property
    def preferences(self) -> str:
        """For apt: what is to come from backports (apt_preferences(5)); empty if nothing is."""
        return f"Package: {' '.join(self.newer)}\nPin: release a=*-backports\nPin-Priority: 990\n" if self.newer else ""

    @property
    def scripts(self) -> tuple[str, ...]:
        """The files in the folder recipes that go into it."""
        return (*self.before_packages, *self.after_packages)


# QEMU 10.0 of trixie now and then mixes the CPU states of a server and of a guest in it (docs/lab.md). Its firmware
# goes with it.
EMULATOR = ("qemu-*", "seabios")

RECIPES: Mapping[str, Recipe] = {
    "server": Recipe(
        "server",
        BOOTABLE + SERVER,
        ("backports.sh", "before-packages.sh"),
        ("bootable.sh", "server.sh"),
        6144,
        newer=EMULATOR,
    ),
    "guest": Recipe("guest", BOOTABLE + GUEST, ("before-packages.sh",), ("bootable.sh", "guest.sh"), 1536),
    "builder": Recipe("builder", BUILDER, (), ("builder.sh",), 0),
}

# Not one of the lab's: only who drives the model of a virtual function (tests/vf_model) needs it.
MODEL_VM = Recipe(
    "model", ("linux-image-amd64", "busybox-static", "tcpdump", "ethtool", "iproute2", "dpdk-dev", *BUILDER),
    (), ("model.sh",), 0,
)  # fmt: skip


def script_text(name: str) -> str:
    """The text of one of our own scripts."""
    return resources.files("hpcapvf.lab").joinpath("recipes", name).read_text(encoding="utf-8")


def image_hash(recipe: Recipe, versions: Mapping[str, str], scripts: Mapping[str, str], extra: str = "") -> str:
    """Sixteen hex digits over everything an image is made of; the same input gives the same name on every machine.

    versions: package name → version as resolved. scripts: file name → text. extra: more text that ends up in it.
    """
    digest = hashlib.sha256()
    fields = [str(FORMAT_VERSION), recipe.suite, recipe.name, str(recipe.disk_mib), extra, *sorted(recipe.packages)]
    fields += [f"{name}={versions[name]}" for name in sorted(versions)]
    fields += [f"{name}\n{scripts[name]}" for name in recipe.scripts]
    fields += [recipe.preferences] if recipe.newer else []
    for field in fields:
        encoded = field.encode()
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()[:16]
