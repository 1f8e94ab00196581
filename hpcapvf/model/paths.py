"""Where a deployment's files lie on the hypervisor host."""

from __future__ import annotations

DEPLOYMENTS = "/var/lib/hpcapvf/deployments"
IMAGES = "/var/lib/libvirt/images/hpcapvf"
BOOT_ID = "/proc/sys/kernel/random/boot_id"  # a new one at every start of the kernel
RECOVER_UNIT = "hpcapvf-recover.service"
RECOVER_UNIT_PATH = f"/etc/systemd/system/{RECOVER_UNIT}"


def key_path(name: str) -> str:
    """The private ssh key that reaches the guest."""
    return f"{DEPLOYMENTS}/{name}/id_ed25519"


def known_hosts_path(key: str) -> str:
    """The file of the guest's host key, beside the private key that reaches it."""
    return f"{key.rsplit('/', 1)[0]}/known_hosts"


def disk_path(name: str) -> str:
    """The guest's own disk; in a folder that libvirt's QEMU user may read."""
    return f"{IMAGES}/{name}/disk.qcow2"


def seed_path(name: str) -> str:
    """The cloud-init seed."""
    return f"{IMAGES}/{name}/seed.iso"


def console_path(name: str) -> str:
    """What the guest printed on its serial console."""
    return f"{IMAGES}/{name}/console.log"


def guard_unit(name: str) -> str:
    """The systemd unit that guards a deployment's registers."""
    return f"hpcapvf-guard-{name}.service"


def guard_path(name: str) -> str:
    """Where the register guard keeps its counts."""
    return f"/run/hpcapvf/{name}/guard.json"
