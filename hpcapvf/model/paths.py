"""Where a deployment's files lie on the hypervisor host."""

from __future__ import annotations

from hpcapvf.model.address import PciAddress

DEPLOYMENTS = "/var/lib/hpcapvf/deployments"
IMAGES = "/var/lib/libvirt/images/hpcapvf"
# Disks of guests that are gone, for the captures on them; beside IMAGES, on the same file system.
KEPT_DISKS = "/var/lib/libvirt/images/hpcapvf-captures"
DRIVER_STORE = "/var/lib/hpcapvf/driver"


# In the guest: which network interface the capture service of another engine than HPCAPvf listens to.
INTERFACE_FILE = "/etc/hpcapvf/interface"
# Likewise the PCI function that DPDK holds there.
FUNCTION_FILE = "/etc/hpcapvf/function"
# Units in the guest: what DPDK holds its function with, and the capture service of every engine.
PORT_UNIT = "hpcapvf-port.service"
CAPTURE_UNIT = "hpcapvf-capture.service"
SYSTEMD_UNITS = "/etc/systemd/system"
BOOT_ID = "/proc/sys/kernel/random/boot_id"  # a new one at every start of the kernel
# Who watched whom, since when, until when: lines are only ever added.
AUDIT = "/var/log/hpcapvf/audit.jsonl"
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


def port_unit(name: str) -> str:
    """The systemd unit that holds a deployment's PF for DPDK."""
    return f"hpcapvf-port-{name}.service"


def port_commands_path(name: str) -> str:
    """The pipe by which the testpmd that holds a deployment's PF is told what to do. Only root may write it."""
    return f"/run/hpcapvf/{name}/testpmd"


def token_path(name: str) -> str:
    """The token that QEMU must show to be given a VF of a PF that DPDK holds. Only root may read it."""
    return f"{DEPLOYMENTS}/{name}/vf-token"


def end_service(name: str) -> str:
    """The systemd service that takes an agent away."""
    return f"hpcapvf-end-{name}.service"


def end_timer(name: str) -> str:
    """The systemd timer that starts it when the agent's time is over."""
    return f"hpcapvf-end-{name}.timer"


def guard_unit(name: str) -> str:
    """The systemd unit that guards a deployment's registers."""
    return f"hpcapvf-guard-{name}.service"


def guard_path(name: str) -> str:
    """Where the register guard keeps its counts."""
    return f"/run/hpcapvf/{name}/guard.json"


# Of the host module hpcapvf_regs: one character device for each PF that it serves.
REGISTER_DEVICE_PREFIX = "hpcapvf_regs-"
# The files in which the out-of-tree i40e keeps a destination, by direction as the VM sees it: ingress is what the
# switch gives the VF (i40e_main.c: a VSI's ingress mirror is the switch's egress rule).
MIRROR_WAYS = {"to": "ingress", "from": "egress"}


def register_device(pf: PciAddress) -> str:
    """The character device of a PF's registers."""
    return f"/dev/{REGISTER_DEVICE_PREFIX}{pf}"


def ixgbe_registers(pf: PciAddress) -> str:
    """ixgbe's file for reading and writing a PF's registers, where debugfs is mounted."""
    return f"/sys/kernel/debug/ixgbe/{pf}/reg_ops"


def mirror_file(pf: PciAddress, vf_index: int, way: str) -> str:
    """Where out-of-tree i40e keeps the VF that is given a copy of what VF vf_index sends or receives."""
    return f"/sys/bus/pci/devices/{pf}/sriov/{vf_index}/{way}_mirror"
