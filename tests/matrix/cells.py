"""The cells of the matrix: how the guest gets the link, what captures, where captures go. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Way to the link -> keys of the spec's ``network``.
NETWORKS: dict[str, dict[str, Any]] = {
    "vf": {"mode": "vf", "generator": "kernel"},
    "vf-dpdk": {"mode": "vf", "generator": "dpdk"},
    "pf": {"mode": "passthrough"},
}
ENGINES = ("hpcapvf", "dpdk", "tcpdump")
# Storage -> (mode, kind of array). "existing" mounts a file system that somebody made before.
STORAGES: dict[str, tuple[str, str]] = {
    "passthrough": ("passthrough", "md"),
    "virtio": ("virtio", "md"),
    "none": ("none", "md"),
    "nvme-vf": ("nvme-vf", "md"),
    "existing": ("virtio", "existing"),
}
_COMPARED = ("passthrough", "virtio", "none", "nvme-vf")
NO_LINK = "the stock VF driver (igbvf) gets no link from a PF that DPDK holds: the planner refuses it"


@dataclass(frozen=True)
class Cell:
    """One configuration."""

    network: str
    engine: str
    storage: str

    @property
    def name(self) -> str:
        """For people, and the key in results."""
        return f"{self.network} {self.engine} {self.storage}"

    @property
    def forbidden(self) -> str:
        """The fact that makes it impossible, or empty."""
        return NO_LINK if (self.network, self.engine) == ("vf-dpdk", "tcpdump") else ""

    @property
    def mode(self) -> str:
        """``storage.mode`` of its spec."""
        return STORAGES[self.storage][0]


def all_cells() -> tuple[Cell, ...]:
    """All of them; each kind of each part comes early. An array that exists needs a cell before it that made one."""
    networks, turns = tuple(NETWORKS), range(len(NETWORKS))
    compared = (
        Cell(networks[(turn + shift) % len(networks)], ENGINES[turn], storage)
        for shift in turns
        for turn in turns
        for storage in _COMPARED[turn:] + _COMPARED[:turn]
    )
    return (*compared, Cell("vf", "hpcapvf", "existing"))


def keys_of(cell: Cell, *, pf: str, controller: str, nvme: str) -> dict[str, Any]:
    """What a spec says of its network, storage and engine. pf: interface; controller, nvme: PCI addresses."""
    mode, kind = STORAGES[cell.storage]
    storage: dict[str, Any] = {"mode": mode}
    if mode != "none":
        storage |= {"controller": nvme if mode == "nvme-vf" else controller, "raid": {"kind": kind}}
    spec = {
        "network": {"pf": pf, **NETWORKS[cell.network]},
        "storage": storage,
        # naps of 1 ms keep an emulated CPU busy
        "engine": {"kind": cell.engine, "idle_max_us": 20000, "file_mib": 256},
    }
    return spec | ({"wipe": ["all"]} if mode != "none" and kind != "existing" else {})
