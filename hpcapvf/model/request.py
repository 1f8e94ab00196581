"""What the operator asks for: a spec after parsing, with every default filled in."""

from __future__ import annotations

from dataclasses import dataclass, field

# What hpcapdd takes instead of a folder to do everything but keep the bytes.
NOT_STORED = "null"
BOTH = ("to", "from")
"""Directions of a watched VM's frames."""
WIDE = ("rest", "link")
"""What an agent may watch besides VFs: what nobody else on the card gets, or all of the link."""


@dataclass(frozen=True)
class GuestRequest:
    """The VM. image: a path to a cloud-init qcow2 on the host; sha256: its checksum, or "" to use the sidecar
    file that ``hpcapvf image build`` writes. network: libvirt network of the management interface."""

    name: str
    image: str
    sha256: str = ""
    vcpus: int = 2
    memory_mib: int = 1024
    disk_gib: int = 8
    network: str = "default"
    user: str = "probe"
    boot_timeout_s: int = 600


@dataclass(frozen=True)
class NetworkRequest:
    """The capture side. pf: interface name or PCI address, and ``|vfN`` if it is to be that VF and no other (read them
    as ``card`` and ``vf_index``). vfs: how many VFs to make if the PF has none.

    mode: ``vf`` (one of its virtual functions) or ``passthrough`` (the PF itself; thesis section 6.2.2). generator: who
    makes the VFs: the PF's ``kernel`` driver, or ``dpdk``, whose testpmd then holds the PF (section 6.2.4).
    receive: ``all`` (every frame on the wire) or ``own`` (what the switch gives the VF by itself; with ``watch`` that
    and what is watched). directions: which frames of a watched VM are copied, ``to`` it, ``from`` it, ``both``, or as
    many of them as the card's way has (``auto``).
    """

    pf: str
    mode: str = "vf"
    generator: str = "kernel"
    vfs: int = 1
    receive: str = "all"
    directions: str = "auto"

    @property
    def asked_directions(self) -> tuple[str, ...]:
        """The directions that must be copied; none if any will do."""
        return {"auto": (), "both": BOTH}.get(self.directions, (self.directions,))

    @property
    def card(self) -> str:
        """The physical function, as the spec names it."""
        return self.pf.partition("|")[0]

    @property
    def vf_index(self) -> int | None:
        """The number of the VF that the spec names, or None."""
        vf = self.pf.partition("|vf")[2]
        return int(vf) if vf else None


@dataclass(frozen=True)
class RaidRequest:
    """What is made of the guest's disks. kind ``md``: RAID-0 of all; ``hardware``: the controller made one volume;
    ``existing``: a file system is there and is never formatted. chunk: thesis section 4.3.2 found 1 MiB strips best."""

    kind: str = "md"
    chunk_kib: int = 1024
    filesystem: str = "xfs"
    mount: str = "/srv/capture"


@dataclass(frozen=True)
class StorageRequest:
    """Where captures go. The guest gets disks: with mode ``passthrough`` their whole ``controller`` (its PCI address),
    with ``virtio`` each of that controller's disks, with ``nvme-vf`` a VF of that NVMe controller. ``guest-disk``: the
    folder ``directory`` on the guest's own disk. ``none``: frames are captured and counted, not stored."""

    mode: str = "passthrough"
    controller: str = ""
    directory: str = "/srv/capture"
    raid: RaidRequest = field(default_factory=RaidRequest)

    @property
    def capture_directory(self) -> str:
        """Where the guest's capture service writes; NOT_STORED with mode none."""
        if self.mode == "none":
            return NOT_STORED
        return self.directory if self.mode == "guest-disk" else self.raid.mount

    @property
    def has_disks(self) -> bool:
        """Whether the guest is given disks for the captures."""
        return self.mode in ("passthrough", "virtio", "nvme-vf")


@dataclass(frozen=True)
class EngineRequest:
    """The capture engine in the guest. kind: ``hpcapvf``, ``tcpdump`` on the function's stock driver, or
    ``dpdk``: testpmd holds the function and dumpcap stores.

    idle: what HPCAPvf's polling thread does without frames."""

    kind: str = "hpcapvf"
    idle: str = "backoff"
    idle_max_us: int = 1000
    ring_mib: int = 64
    caplen: int = 0
    file_mib: int = 2048


@dataclass(frozen=True)
class PlacementRequest:
    """policy ``share``: run with fewer cores than wished, with warnings; ``strict``: refuse instead. side: an agent's
    node, the card's own (``near``), another (``far``), or what the watched VMs leave better (``auto``)."""

    policy: str = "share"
    hugepage_kib: int = 2048
    node: int | None = None
    side: str = "auto"


@dataclass(frozen=True)
class Request:
    """A whole spec. wipe: disks (serial numbers, or ``all`` of the controller) that may be formatted although
    they carry something. watch: whose traffic a monitoring agent is given: domains, VFs of its card (``PF|vfN``), or
    alone ``PF|rest`` or ``PF|link``; empty for a probe. persist: made anew after a reboot of the host
    (``hpcapvf recover``). ttl_s: seconds from when an agent is given traffic until it
    is taken away; None: no limit."""

    version: int
    guest: GuestRequest
    network: NetworkRequest
    storage: StorageRequest
    wipe: tuple[str, ...] = ()
    engine: EngineRequest = field(default_factory=EngineRequest)
    placement: PlacementRequest = field(default_factory=PlacementRequest)
    watch: tuple[str, ...] = ()
    ttl_s: int | None = None
    persist: bool = False

    @property
    def watches_wide(self) -> str:
        """``rest`` (what nobody else gets) or ``link`` (all of it) if an agent watches that; else empty."""
        wide = self.watch[0].partition("|")[2] if len(self.watch) == 1 else ""
        return wide if wide in WIDE else ""

    @property
    def name(self) -> str:
        """The deployment's name is its guest's."""
        return self.guest.name
