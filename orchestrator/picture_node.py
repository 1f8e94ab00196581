"""One NUMA node in the picture: cores, memory, hugepages, network cards, storage controllers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpcapvf.model.address import PciAddress
from hpcapvf.model.host import Host, HugepagePool, NumaNode, PciDevice
from hpcapvf.model.plan import Plan
from orchestrator.picture_canvas import INK, MUTED, Canvas, Line, Paint, Rect, text_width

PAINTS = {
    "node": Paint("#fafafa", "#8a8a8a", 1.4),
    "card": Paint("#ffffff", "#555555"),
    "free": Paint("#f0f0f0", "#b5b5b5"),
    "polling": Paint("#f9d9c4", "#d55e00", 2.2),
    "reader": Paint("#fbe6b8", "#e69f00", 2.2),
    "vcpu": Paint("#d7ebf8", "#56b4e9", 2.2),
    "emulator": Paint("#fcf9cf", "#b9ab00", 2.2),
    "capture": Paint("#d3e4f1", "#0072b2", 1.8),
    "storage": Paint("#d0ebe3", "#009e73", 1.8),
    "vm": Paint("#fbf1f6", "#cc79a7", 2.2),
    "wire": Paint("#e2e2e2", "#1a1a1a", 1.6),
    "verdict": Paint("#ffffff", "#1a1a1a", 1.2),
    "used": Paint("#9a9a9a", "#8a8a8a"),
    "pages": Paint("#f3e0ec", "#cc79a7"),
    "taken": Paint("#cc79a7", "#8f4a72"),
}
ARROWS = {"wire": "#1a1a1a", "capture": "#0072b2", "storage": "#009e73"}

_PAD = 14.0
_CPU_WIDTH, _CPU_HEIGHT, _CPU_GAP, _CPUS_PER_ROW, _CPUS_SHOWN = 76.0, 58.0, 6.0, 6, 18
_PARTS_SHOWN = 3
_ROLES = ("polling", "reader", "vcpu", "emulator", "free")  # the most demanding first
_HEADER_HEIGHT = 34.0
_BAR_HEIGHT = 34.0
_CHIP_WIDTH, _CHIP_HEIGHT, _CHIP_GAP = 78.0, 42.0, 6.0
_CARD_HEIGHT = 106.0
_VFS_SHOWN = 3
_DISKS_SHOWN = 4
_MIN_WIDTH = 300.0
_NETWORK_CLASS, _STORAGE_CLASS = 0x02, 0x01


Plans = Sequence[Plan]
# Where the connections of a VM begin: its name and ``pf``, ``vf`` or ``controller`` to the middle of a lower edge.
Anchors = dict[tuple[str, str], tuple[float, float]]


@dataclass(frozen=True)
class _Card:
    """A device as a frame with chips. anchors: as in ``Anchors``, to the chip that stands for it."""

    title: str
    detail: str
    chips: tuple[tuple[str, str, str], ...]  # role, first line, second line
    anchors: dict[tuple[str, str], int]

    @property
    def width(self) -> float:
        chips = len(self.chips) * (_CHIP_WIDTH + _CHIP_GAP) - _CHIP_GAP
        texts = max(text_width(self.title, 12, bold=True), text_width(self.detail, 10))
        return max(chips, texts) + 2 * _PAD


def placed_on(host: Host, node: int | None) -> tuple[PciDevice, ...]:
    """The network cards and storage controllers of a node that the picture shows; VFs belong to their PF's card."""
    carriers = {disk.controller for disk in host.disks}
    return tuple(
        d
        for d in host.pci
        if d.numa_node == node
        and d.physfn is None
        and (d.sriov is not None or d.class_code >> 16 == _NETWORK_CLASS or d.address in carriers or _is_raid(d))
    )


def node_size(host: Host, plans: Plans, index: int | None) -> tuple[float, float]:
    """Width and height that a node's box needs."""
    cards = _cards(host, plans, index)
    node = _node(host, index)
    cores = min(_cpu_cells(node), _CPUS_PER_ROW) * (_CPU_WIDTH + _CPU_GAP) - _CPU_GAP
    width = max(_MIN_WIDTH, cores + 2 * _PAD, sum(card.width + _PAD for card in cards) + _PAD)
    return width, _devices_top(host, plans, index) + (_CARD_HEIGHT + _PAD if cards else 0.0)


def draw_node(canvas: Canvas, host: Host, plans: Plans, index: int | None, place: Rect) -> Anchors:
    """Draw a node (None: devices whose node the host does not say) into its place."""
    canvas.box(place, PAINTS["node"])
    node = _node(host, index)
    inner = Rect(place.x + _PAD, place.y + 8, place.width - 2 * _PAD, 20)
    heading = "node unknown" if index is None else f"NUMA node {index}"
    canvas.text(Rect(inner.x, inner.y, inner.width / 2, 20), Line(heading, 14, bold=True))
    if node is not None and node.distances:
        distances = "distance " + " / ".join(str(distance) for distance in node.distances)
        right = Rect(inner.x + inner.width / 2, inner.y, inner.width / 2, 20)
        canvas.text(right, Line(distances, 11, colour=MUTED), anchor="end")
    if node is not None:
        _draw_cpus(canvas, node, plans, Rect(inner.x, place.y + _HEADER_HEIGHT, inner.width, 0))
        _draw_memory(canvas, node, plans, Rect(inner.x, place.y + _memory_top(node, plans), inner.width, 0))
    return _draw_cards(canvas, _cards(host, plans, index), inner.x, place.bottom - _PAD - _CARD_HEIGHT)


def _node(host: Host, index: int | None) -> NumaNode | None:
    return next((node for node in host.nodes if node.index == index), None)


def _is_raid(device: PciDevice) -> bool:
    return device.class_code >> 8 in (0x0104, 0x0107)


def _roles(plans: Plans, cpu: int) -> tuple[str, list[str]]:
    """The paint of a CPU, of the most demanding part on it, and all its parts; with their VM if there are several."""
    role, said = "free", []
    for plan in plans:
        found, names = _parts_of(plan, cpu)
        if len(names) > _PARTS_SHOWN:
            names = [*names[: _PARTS_SHOWN - 1], f"+{len(names) - _PARTS_SHOWN + 1} more"]
        if names and len(plans) > 1:
            names.append(f"of {plan.request.name}")
        role = min(role, found, key=_ROLES.index)
        said += names
    return role, said


def _parts_of(plan: Plan, cpu: int) -> tuple[str, list[str]]:
    pins = plan.placement
    guests = [i for i, where in enumerate(pins.vcpu_pins) if cpu in where]
    names = [f"vCPU {i}" + (" poll" if i == pins.polling_vcpu else "") for i in guests]
    if cpu in pins.emulator_pins:
        names.append("emulator")
    if cpu in pins.io_pins:
        names.append("IO thread")
    if pins.polling_vcpu in guests:
        return "polling", names
    if pins.reader_vcpu in guests:
        return "reader", names
    if guests:
        return "vcpu", names
    return ("emulator", names) if names else ("free", names)


def _cpu_cells(node: NumaNode | None) -> int:
    return min(len(node.cpus), _CPUS_SHOWN) if node is not None else 0


def _cpu_height(node: NumaNode | None, plans: Plans) -> float:
    """Of all cells of a node, so that the fullest one has room."""
    lines = max((len(_roles(plans, cpu)[1]) for cpu in node.cpus), default=0) if node is not None else 0
    return max(_CPU_HEIGHT, 20 + lines * 13)


def _memory_top(node: NumaNode | None, plans: Plans) -> float:
    rows = -(-_cpu_cells(node) // _CPUS_PER_ROW)
    return _HEADER_HEIGHT + rows * (_cpu_height(node, plans) + _CPU_GAP) + 4


def _devices_top(host: Host, plans: Plans, index: int | None) -> float:
    node = _node(host, index)
    bars = 1 + len(_pools(node, plans)) if node is not None else 0
    return _memory_top(node, plans) + bars * _BAR_HEIGHT + 10


def _draw_cpus(canvas: Canvas, node: NumaNode, plans: Plans, place: Rect) -> None:
    """One cell per CPU; of very many, those with a part first and the rest as one cell with their number."""
    ordered = sorted(node.cpus, key=lambda cpu: (_roles(plans, cpu)[0] == "free", cpu))
    shown = sorted(ordered if len(ordered) <= _CPUS_SHOWN else ordered[: _CPUS_SHOWN - 1])
    height = _cpu_height(node, plans)
    for i, cpu in enumerate(shown):
        role, names = _roles(plans, cpu)
        bold = role != "free"
        lines = [Line(f"CPU {cpu}", 11, bold=bold, colour=INK if bold else MUTED), *(Line(name, 10) for name in names)]
        cell = canvas.box(_cpu_place(place, i, height), PAINTS[role], lines, pad=3)
        canvas.state(cell, f"CPU {cpu}", _cpu_state(plans, cpu))
    if len(shown) < len(ordered):
        rest = [Line(f"+{len(ordered) - len(shown)}", 12, bold=True), Line("CPUs", 10)]
        canvas.box(_cpu_place(place, len(shown), height), PAINTS["free"], rest, pad=3)


def _cpu_state(plans: Plans, cpu: int) -> str:
    """Who has which parts on a CPU."""
    parts = ((plan.request.name, _parts_of(plan, cpu)[1]) for plan in plans)
    return str([(name, names) for name, names in parts if names])


def _cpu_place(place: Rect, i: int, height: float) -> Rect:
    row, column = divmod(i, _CPUS_PER_ROW)
    return Rect(place.x + column * (_CPU_WIDTH + _CPU_GAP), place.y + row * (height + _CPU_GAP), _CPU_WIDTH, height)


def _pools(node: NumaNode | None, plans: Plans) -> list[tuple[HugepagePool, dict[str, int]]]:
    """Hugepage pools to show, each with the pages that VMs take of it."""
    if node is None:
        return []
    taken: dict[int, dict[str, int]] = {pool.size_kib: {} for pool in node.hugepages}
    for plan in plans:
        if plan.placement.node == node.index:
            taken.setdefault(plan.placement.hugepage_kib, {})[plan.request.name] = plan.placement.hugepages
    known = {pool.size_kib: pool for pool in node.hugepages}
    pools = [(known.get(size, HugepagePool(size, 0, 0)), pages) for size, pages in sorted(taken.items())]
    return [(pool, pages) for pool, pages in pools if pool.total or pages]


def _draw_memory(canvas: Canvas, node: NumaNode, plans: Plans, place: Rect) -> None:
    y = place.y
    if node.memory_mib is None:
        text, share = "memory: unknown", 0.0
    else:
        free = node.memory_free_mib
        text = f"memory {node.memory_mib} MiB, {'unknown' if free is None else free} MiB free"
        share = 0.0 if free is None or not node.memory_mib else 1 - free / node.memory_mib
    _draw_bar(canvas, Rect(place.x, y, place.width, _BAR_HEIGHT), text, [(share, PAINTS["used"])])
    for pool, pages in _pools(node, plans):
        y += _BAR_HEIGHT
        taken = sum(pages.values())
        total = max(pool.total, taken)
        owners = [f"{count} for {name}" for name, count in pages.items()]
        text = ", ".join([f"{_size(pool.size_kib)} pages: {total} reserved", *owners])
        parts = [(taken / total, PAINTS["taken"]), (1 - taken / total, PAINTS["pages"])]
        _draw_bar(canvas, Rect(place.x, y, place.width, _BAR_HEIGHT), text, parts)
        bar = Rect(place.x, y + 20, place.width, 6)
        canvas.state(bar, f"pages of {pool.size_kib} KiB on node {node.index}", str(sorted(pages.items())))


def _draw_bar(canvas: Canvas, place: Rect, text: str, parts: list[tuple[float, Paint]]) -> None:
    canvas.text(Rect(place.x, place.y, place.width, 16), Line(text, 11))
    canvas.bar(Rect(place.x, place.y + 18, place.width, 9), parts, PAINTS["card"].line)


def _size(kib: int) -> str:
    return f"{kib // 1048576} GiB" if kib % 1048576 == 0 else f"{kib // 1024} MiB" if kib % 1024 == 0 else f"{kib} KiB"


def _cards(host: Host, plans: Plans, index: int | None) -> list[_Card]:
    devices = placed_on(host, index)
    shown = [d for d in devices if d.sriov is not None or _disk_names(host, d.address) or _is_raid(d)]
    cards = [_nic_card(host, plans, d) if d.sriov is not None else _storage_card(host, plans, d) for d in shown]
    others = [d for d in devices if d not in shown]
    if others:
        names = [_interface(host, d.address) or str(d.address)[5:] for d in others]
        chips = [("free", name, "network") for name in names[:3]]
        if len(names) > 3:
            chips.append(("free", f"+{len(names) - 3}", "more"))
        cards.append(_Card("network", "no VFs offered", tuple(chips), {}))
    return cards


def _nic_card(host: Host, plans: Plans, pf: PciDevice) -> _Card:
    sriov = pf.sriov
    planned = [plan for plan in plans if plan.pf == pf.address]
    owners = {plan.vf_index: plan.request.name for plan in planned}
    made = sriov.num_vfs if sriov is not None else 0
    with_vf = [(plan.vf_index, plan.request.network.vfs) for plan in planned if plan.vf_index is not None]
    count = max([made, *(max(index + 1, vfs) for index, vfs in with_vf)])
    chips = [("capture" if planned else "free", "PF", pf.driver or "no driver")]
    anchors = {(plan.request.name, "pf"): 0 for plan in planned}
    anchors |= {(plan.request.name, "vf"): 0 for plan in planned if plan.vf_index is None}
    for i in sorted(sorted(range(count), key=lambda i: (i not in owners, i))[:_VFS_SHOWN]):
        if i in owners:
            anchors[owners[i], "vf"] = len(chips)
        driver = "vfio-pci" if i in owners else _vf_driver(host, pf, i)
        chips.append(("capture" if i in owners else "free", f"VF {i}", driver))
    if count > _VFS_SHOWN:
        chips.append(("free", f"+{count - _VFS_SHOWN}", "VFs"))
    elif not count and sriov is not None:
        chips.append(("free", f"0 of {sriov.total_vfs}", "VFs made"))
    return _Card(
        f"NIC {_interface(host, pf.address) or 'without an interface'}",
        f"{_ids(pf)} at {pf.address}",
        tuple(chips),
        anchors,
    )


def _vf_driver(host: Host, pf: PciDevice, i: int) -> str:
    if pf.sriov is None or i >= len(pf.sriov.vfs):
        return "to be made"
    vf = host.device(pf.sriov.vfs[i])
    return (vf.driver if vf is not None else None) or "no driver"


def _storage_card(host: Host, plans: Plans, device: PciDevice) -> _Card:
    owner = next((plan.request.name for plan in plans if plan.controller == device.address), None)
    names = _disk_names(host, device.address)
    role = "storage" if owner else "free"
    chips = [(role, name, size) for name, size in names[:_DISKS_SHOWN]]
    if len(names) > _DISKS_SHOWN:
        chips.append((role, f"+{len(names) - _DISKS_SHOWN}", "disks"))
    if not names:
        chips.append((role, "disks", "not visible"))
    title = "RAID controller" if _is_raid(device) else "storage controller"
    driver = "vfio-pci" if owner else device.driver or "no driver"
    detail = f"{_ids(device)} at {device.address}, {driver}"
    return _Card(title, detail, tuple(chips), {(owner, "controller"): len(chips) // 2} if owner else {})


def _disk_names(host: Host, controller: PciAddress) -> list[tuple[str, str]]:
    disks = [disk for disk in host.disks if disk.controller == controller]
    return [(d.name, "size unknown" if d.size_bytes is None else f"{d.size_bytes / 1e9:.3g} GB") for d in disks]


def _interface(host: Host, address: PciAddress) -> str | None:
    return next((i.name for i in host.interfaces if i.pci == address), None)


def _ids(device: PciDevice) -> str:
    return f"{device.vendor:04x}:{device.device:04x}"


def _draw_cards(canvas: Canvas, cards: list[_Card], x: float, y: float) -> Anchors:
    found: Anchors = {}
    for card in cards:
        place = canvas.box(Rect(x, y, card.width, _CARD_HEIGHT), PAINTS["card"])
        room = card.width - 2 * _PAD
        canvas.text(Rect(x + _PAD, y + 6, room, 18), Line(card.title, 12, bold=True))
        canvas.text(Rect(x + _PAD, y + 25, room, 16), Line(card.detail, 10, colour=MUTED))
        for i, (role, first, second) in enumerate(card.chips):
            chip = Rect(x + _PAD + i * (_CHIP_WIDTH + _CHIP_GAP), y + 50, _CHIP_WIDTH, _CHIP_HEIGHT)
            canvas.box(chip, PAINTS[role], [Line(first, 11, bold=True), Line(second, 9.5)], pad=3)
            canvas.state(chip, f"{card.detail.split(', ')[0]} {first}", f"{role} {second}")
            for name, anchored in card.anchors.items():
                if anchored == i:
                    found[name] = (chip.middle_x, chip.bottom)
        x = place.right + _PAD
    return found
