"""Warnings that go with a plan. Each names its source; figures are quoted with their table or figure."""

from __future__ import annotations

from hpcapvf.model.plan import Advice

INDEPENDENT_CORES = "thesis section 6.2 (virtual cores mapped to independent physical cores)"
CARD_LOCALITY = "thesis section 3.2.2 (affinity issues)"

# What the receive side of a port drops before any pool is chosen; no register of a pool changes that.
NEVER_SEEN = (
    "Ethernet pause frames (the card's MAC consumes them)",
    "frames with a bad checksum (dropped before pools are chosen)",
    "frames under 64 bytes on the wire, checksum included (dropped as undersized)",
)


def kernel_made_vfs() -> Advice:
    """For 10 Gb/s cards whose VFs the kernel's driver makes."""
    return Advice(
        "VFs are made by the kernel's driver: on a full 10 Gb/s link of 64-byte packets HPCAPvf captured 36.3 % of the "
        "packets that way, and 82.7 % with VFs made by DPDK",
        "thesis section 6.2.4, table 6.3",
    )


def vfs_of_others(interface: str, count: int, maker: str, name: str) -> Advice:
    """When the VFs exist already. maker: the deployment that made them, empty if it was somebody else."""
    whose = f"were made by deployment {maker}" if maker else "were made by somebody else"
    end = (
        f"{maker} cannot be destroyed before {name}"
        if maker
        else f"after a reboot they must be there again before `hpcapvf recover {name} --forward`"
    )
    return Advice(
        f"{interface} has {count} VF(s) already, which {whose}: {name} gives its VF another MAC and driver, puts both "
        f"back, keeps what else was set for it (port VLAN, trust, spoof check, rate: `ip link show {interface}`), and "
        f"neither changes nor removes the VFs; {end}",
        "Documentation/PCI/pci-iov-howto.rst (sriov_numvfs changes from or to 0 only)",
    )


def other_vfs(pf: object, count: int, engine: str) -> Advice:
    """When the card replicates frames to more pools than the probe's."""
    return _copies(f"{pf} has {count} other VF(s), and frames for several pools are copied inside the card", engine)


def second_probe(name: str, engine: str) -> Advice:
    """When another probe receives everything from the same card."""
    return _copies(
        f"{name} receives everything from this card as well, and every frame is copied inside it, for either", engine
    )


def watched_vms(names: tuple[str, ...], engine: str) -> Advice:
    """When the card replicates the frames of running VMs."""
    text = f"frames for {', '.join(names)} are copied inside the card, which costs the watched VMs as well"
    return _copies(text, engine)


# Share of the packets captured with one VF and with two that are fed the same full 10 Gb/s link (figure 6.4).
_TWO_VFS = {
    "hpcapvf": "HPCAPvf fell from 74.3 to 44.1 % of 64-byte packets and from 100 to 82.7 % of the CAIDA trace",
    "dpdk": "DPDK fell from 100 to 50.8 % of 64-byte packets and from 100 to 83.0 % of the CAIDA trace",
    "tcpdump": "the stock driver (ixgbevf) stayed at 1 % of 64-byte packets and fell from 34.2 to 14.8 % of the CAIDA "
    "trace",
}


def _copies(text: str, engine: str) -> Advice:
    found = f"{text}: with a second VF fed the same full 10 Gb/s link, {_TWO_VFS[engine]}"
    return Advice(found, "thesis section 6.2.4, figure 6.4")


def watched_wide(what: str, engine: str) -> Advice:
    """When an agent is given all of the link, or what nobody else on the card gets."""
    whole = "every frame of the link is copied inside the card, which costs the VMs of the card as well"
    rest = "what no other VF and not the PF gets goes to the agent, with multicast and broadcast, which are everybody's"
    vlans = "meanwhile the card's VLAN filter is off, so its VFs get frames of VLANs that they did not join"
    return _copies(f"{whole if what == 'link' else rest}; how much: not measured; {vlans}", engine)


def watched_receives_all(name: str) -> Advice:
    """When a probe with receive: all is watched."""
    return Advice(
        f"{name} receives everything, but unicast to MACs that nobody on the card owns goes to the card's one default "
        f"pool, which is {name}'s: the copy may lack such frames",
        "82576 and I350 receive filtering (VT_CTL.DEFAULT_POOL)",
    )


def whole_card_changes(pf: object) -> Advice:
    """What receive: all does to everybody else on the port."""
    return Advice(
        f"while the probe runs, {pf} filters no VLANs and no multicast for any pool, and the probe also gets the "
        "frames for the MACs of the host and of other VFs on this port",
        "82576 and I350 receive filtering (RCTL.VFE, MTA and UTA are shared by all pools)",
    )


def card_on_other_node(node: int, card_node: int) -> Advice:
    """When placement.node overrides the card's node."""
    return Advice(
        f"the guest is placed on node {node} but the card is on node {card_node}: every frame crosses the nodes",
        CARD_LOCALITY,
    )


def card_node_unusable(card_node: int, lacks: str, node: int) -> Advice:
    """When no guest can run on the card's node."""
    return Advice(
        f"the card is on node {card_node}, which has no {lacks} online: the guest is placed on node {node}, the "
        "nearest that has both, and every frame crosses the nodes",
        CARD_LOCALITY,
    )


def controller_on_other_node(controller: object, controller_node: int, node: int) -> Advice:
    """When the storage controller is not beside the guest."""
    return Advice(
        f"controller {controller} is on node {controller_node}, the guest on node {node}: every block written crosses "
        "the nodes; the thesis had card and controller on one node, which it calls maximal performance",
        "thesis section 6.4 (after table 6.5)",
    )


def capture_only() -> Advice:
    """With storage mode none."""
    return Advice(
        "nothing is stored: frames are counted by the driver and by hpcapdd, their content is not kept. To compare "
        "with: on a full 10 Gb/s link of 64-byte packets HPCAPvf took 82.7 % that way, and 82.6 % stored",
        "thesis section 6.3, table 6.4 (VF; passed-through controller)",
    )


def virtio_storage() -> Advice:
    """With storage mode virtio."""
    return Advice(
        "disks go to the guest as virtio block devices: with a VF and 64-byte packets HPCAPvf stored 82.3 % that way "
        "and 82.6 % with the controller passed through; DPDK stored 68.0 % and 94.2 %",
        "thesis section 6.3, table 6.4",
    )


def nvme_vf() -> Advice:
    """With storage mode nvme-vf."""
    return Advice(
        "the host still sees the namespaces through the controller itself: nothing there may write to them meanwhile. "
        "No rate is known: the thesis did not measure SR-IOV storage",
        "NVM Express 1.3, section 8.5 (namespaces may be shared by controllers)",
    )


def hardware_caches() -> Advice:
    """With a volume that a RAID controller makes."""
    return Advice(
        "the controller's own settings decide its speed: to a mean of about 4 Gb/s with 9 disks the disks' caches "
        "added 3.1 Gb/s and write-back caching 3.3 Gb/s; the strip mattered little (1 MB best). They are read with "
        "storcli or perccli where one is installed, else they are unknown",
        "thesis section 4.3.2",
    )


def unknown(text: str) -> Advice:
    """When the host does not say something that a plan can live without."""
    return Advice(text, "this host's inventory (unknown is not no)")


def software_emulation() -> Advice:
    """When there is no KVM."""
    return Advice(
        "no KVM on this host: the guest runs in software emulation, far too slow for anything but a trial",
        "thesis section 6.2 (virtualisation instructions should be enabled)",
    )
