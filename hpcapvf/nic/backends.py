"""Every way to copy traffic and every way to a PF's registers that this program knows, as a table.

Sources that are not said in full: ``datasheet`` is Intel's X550 datasheet 333369, sections on VMDq and mirroring.
"""

from __future__ import annotations

from hpcapvf.model.backends import Backend

_BOTH = ("to", "from")
_EMULATED = "the emulated 82576"
SEEN_FAMILY = "82576"
"""The one family on which programmes of registers were seen to work (``_EMULATED``)."""

# --- ways to copy ---------------------------------------------------------------------------------------------------
RECEIVE_PROGRAMME = Backend(
    "receive programme", "copy", "default pool, hash tables and every MAC filter name the VF's pool",
    "hpcapvf/nic/receive.py", vlan=True, whole_link=True, seen_on=_EMULATED,
)  # fmt: skip
MIRROR_RULES = Backend(
    "mirror rules", "copy", "a rule of type pool copies what the watched pools are given",
    "datasheet; e1000_82575.h of Intel's base driver", directions=("to",), vlan=True, rules="4 a port",
)  # fmt: skip
REPLICATION = Backend(
    "replication", "copy", "the watched pools' MAC and VLAN filters name the agent's pool as well",
    "hpcapvf/nic/mirror.py", directions=("to",), vlan=True, seen_on=_EMULATED,
)  # fmt: skip
MIRROR_FILES = Backend(
    "i40e mirror files", "copy", "sriov/N/ingress_mirror and egress_mirror of each watched VF name the agent's VF",
    "kcompat_vfd.c of Intel's out-of-tree i40e: `add N`, `rem N`, reads back `N` or `off`",
    directions=_BOTH, vlan=True, rules="1 a source and direction",
)  # fmt: skip
REPRESENTORS = Backend(
    "tc mirred on representors", "copy", "tc filters on the watched VFs' representors mirror to the agent's",
    "tc-mirred(8), tc-matchall(8); Documentation/networking/switchdev.rst", directions=_BOTH, vlan=True,
    seen_on="veth pairs with software tc",
)  # fmt: skip
TRUE_PROMISCUOUS = Backend(
    "trusted promiscuous VF", "copy", "the VF is trusted and the PF's private flag vf-true-promisc-support is on",
    "Documentation/networking/device_drivers/ethernet/intel/{i40e,ice}.rst", vlan=True, whole_link=True,
)  # fmt: skip
TESTPMD_MODES = Backend(
    "testpmd rxmode and uta", "copy", "set port N vf M rxmode AUPE, ROPE, BAM, MPE on, set port N uta all on",
    "DPDK's testpmd user guide, section on configuration functions", whole_link=True,
)  # fmt: skip
TESTPMD_RULES = Backend(
    "testpmd mirror-rule", "copy", "set port N mirror-rule R pool-mirror-up …",
    "DPDK's testpmd user guide up to 21.08; release notes of 21.11", directions=("to",), vlan=True, rules="4 a port",
)  # fmt: skip

# --- ways to the registers, the one to try first first --------------------------------------------------------------
REGISTER_DEVICE = Backend(
    "register device", "registers", "/dev/hpcapvf_regs-PF of the host module hpcapvf_regs, which has an allow-list",
    "driver/host/README.md", seen_on=_EMULATED,
)  # fmt: skip
REGISTER_WINDOW = Backend(
    "register window", "registers", "BAR 0 of the PF, mapped from sysfs resource0",
    "Documentation/PCI/sysfs-pci.rst", seen_on=_EMULATED,
)  # fmt: skip
IXGBE_DEBUGFS = Backend(
    "ixgbe debugfs", "registers", "ixgbe/PF/reg_ops in debugfs; each access is a line in the kernel log",
    "drivers/net/ethernet/intel/ixgbe/ixgbe_debugfs.c: `read R`, `write R V`",
)  # fmt: skip
TESTPMD_REGISTERS = Backend(
    "testpmd registers", "registers", "read reg and write reg of the testpmd that holds the PF",
    "DPDK's testpmd user guide up to 22.07; release notes of 22.11",
)  # fmt: skip

BACKENDS: tuple[Backend, ...] = (
    RECEIVE_PROGRAMME, MIRROR_RULES, REPLICATION, MIRROR_FILES, REPRESENTORS, TRUE_PROMISCUOUS, TESTPMD_MODES,
    TESTPMD_RULES, REGISTER_DEVICE, REGISTER_WINDOW, IXGBE_DEBUGFS, TESTPMD_REGISTERS,
)  # fmt: skip

IXGBE_FAMILIES = ("82599", "x540", "x550", "x552", "x553")

# DPDK's library numbers: 20.0 is 19.11, and each November release with a new ABI counts one up (DPDK's ABI policy).
LAST_ABI_WITH_MIRROR_RULES = 21
LAST_ABI_WITH_REGISTER_ACCESS = 22


def dpdk_releases(abi: int) -> str:
    """Which releases have this library number: 22 is ``21.11 to 22.07``."""
    return f"{abi - 1}.11 to {abi}.07" if abi != 21 else "20.11 to 21.08"
