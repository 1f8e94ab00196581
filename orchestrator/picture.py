"""A host, and what a plan puts where on it, as an SVG picture."""

from __future__ import annotations

from dataclasses import dataclass

from hpcapvf.model.host import Host
from hpcapvf.model.plan import Plan
from orchestrator.picture_canvas import INK, MUTED, Canvas, Line, Rect, text_width
from orchestrator.picture_node import ARROWS, PAINTS, NodeDrawing, draw_node, node_size, placed_on

_MARGIN = 24.0
_GAP = 20.0
_TITLE_HEIGHT = 62.0
_CHANNEL_HEIGHT = 92.0
_VM_HEIGHT = 168.0
_LEGEND_ROW = 26.0
_MIN_WIDTH = 1120.0
_LEGEND = {
    "polling": "polling vCPU",
    "reader": "reader vCPU",
    "vcpu": "other vCPU",
    "emulator": "emulator threads",
    "capture": "path of the frames",
    "storage": "RAID controller and disks",
    "taken": "hugepages of the VM",
    "pages": "hugepages reserved",
    "used": "memory in use",
    "free": "no part in this deployment",
}


@dataclass(frozen=True)
class CaptureCounts:
    """What a proof counted, in frames."""

    sent: int
    received: int
    stored: int
    identical: int
    foreign: int


def render_topology(host: Host, plan: Plan | None, counts: CaptureCounts | None = None) -> str:
    """SVG of the NUMA nodes with their cores, memory, cards and disks, and of the probe of a plan.

    counts: shown along the capture path. Colours: the palette of Okabe and Ito, that people with colour vision
    deficiencies can tell apart.
    """
    canvas = Canvas()
    columns = [*(node.index for node in host.nodes), *([None] if placed_on(host, None) else [])]
    sizes = [node_size(host, plan, index) for index in columns]
    height = max((size[1] for size in sizes), default=0.0)
    wished = sum(width for width, _ in sizes) + _GAP * max(len(sizes) - 1, 0)
    inner = max(wished, _MIN_WIDTH - 2 * _MARGIN)
    stretch = (inner - wished) / len(sizes) if sizes else 0.0
    _draw_title(canvas, host, plan, inner)
    x, top, drawings = _MARGIN, _MARGIN + _TITLE_HEIGHT, []
    for index, (width, _) in zip(columns, sizes, strict=True):
        drawings.append(draw_node(canvas, host, plan, index, Rect(x, top, width + stretch, height)))
        x += width + stretch + _GAP
    bottom = top + height
    if plan is not None:
        bottom = _draw_probe(canvas, plan, drawings, Rect(_MARGIN, bottom, inner, 0), counts)
    bottom = _draw_legend(canvas, Rect(_MARGIN, bottom + _GAP, inner, 0))
    name = host.hostname or "unknown host"
    title = f"{name}: {plan.request.name}" if plan else name
    return canvas.svg(inner + 2 * _MARGIN, bottom + _MARGIN, title, _description(host, plan))


def _description(host: Host, plan: Plan | None) -> str:
    text = f"{len(host.nodes)} NUMA node(s), {len(host.cpus)} CPU(s)"
    if plan is None:
        return text
    storage = f", disks behind {plan.controller}" if plan.controller else ""
    return f"{text}; VM {plan.request.name} on node {plan.placement.node} with {plan.vf} of {plan.pf}{storage}"


def _draw_title(canvas: Canvas, host: Host, plan: Plan | None, inner: float) -> None:
    name = host.hostname or "unknown host"
    heading = f"{name} with virtual network probe {plan.request.name}" if plan else name
    canvas.text(Rect(_MARGIN, _MARGIN, inner, 26), Line(heading, 20, bold=True))
    iommu = {True: "IOMMU on", False: "IOMMU off", None: "IOMMU unknown"}[host.iommu_active]
    facts = f"Linux {host.kernel_release or 'unknown'} · {len(host.nodes)} NUMA nodes · {len(host.cpus)} CPUs · {iommu}"
    canvas.text(Rect(_MARGIN, _MARGIN + 28, inner, 20), Line(facts, 12, colour=MUTED))


def _draw_probe(
    canvas: Canvas, plan: Plan, drawings: list[NodeDrawing], above: Rect, counts: CaptureCounts | None
) -> float:
    """The wire, the connections and the VM; returns the y where the VM ends."""
    vm = Rect(above.x, above.y + _CHANNEL_HEIGHT, above.width, _VM_HEIGHT)
    canvas.box(vm, PAINTS["vm"])
    request = plan.request
    pages = f"{plan.placement.hugepages} hugepages of {plan.placement.hugepage_kib} KiB"
    heading = f"VM {request.name} on node {plan.placement.node}: {request.guest.vcpus} vCPUs, {pages}"
    chips = _draw_flow(canvas, plan, vm, counts)
    between = Rect(chips[0].right - 20, vm.y + 9, chips[-1].x - chips[0].right + 40, 20)  # where no arrow comes down
    canvas.text(between, Line(heading, 12, bold=True), anchor="middle")
    _draw_wire(canvas, drawings, above, counts)
    vf_at = next((d.vf for d in drawings if d.vf is not None), None)
    if vf_at is not None:
        _elbow(canvas, vf_at, chips[0], above.y + 64, ARROWS["capture"])
    controller_at = next((d.controller for d in drawings if d.controller is not None), None)
    if controller_at is not None and plan.controller is not None:
        _elbow(canvas, controller_at, chips[-1], above.y + 79, ARROWS["storage"])
    return vm.bottom


def _draw_flow(canvas: Canvas, plan: Plan, vm: Rect, counts: CaptureCounts | None) -> list[Rect]:
    """The chips of the capture path inside the VM, from left to right, with arrows and frame counts between."""
    storage, pins = plan.request.storage, plan.placement
    chips = [
        (
            "polling",
            (f"VF {plan.vf_index}, driver hpcapvf", f"polling thread on vCPU {pins.polling_vcpu}", str(plan.vf_mac)),
        ),
        ("capture", ("ring of whole records", f"{plan.request.engine.ring_mib} MiB", "RAW, ns timestamps")),
        ("reader", ("capture service", f"hpcapdd on vCPU {pins.reader_vcpu}", "O_DIRECT, 1 MiB blocks")),
        (
            "storage",
            (
                "md RAID-0, " + storage.raid.filesystem.upper(),
                f"{storage.raid.chunk_kib} KiB chunk",
                storage.raid.mount,
            ),
        ),
    ]
    labels = [("received", counts.received), None, ("stored", counts.stored)] if counts else [None, None, None]
    gap = 96.0
    width = (vm.width - 24 - gap * (len(chips) - 1)) / len(chips)
    places = []
    for i, (role, texts) in enumerate(chips):
        place = Rect(vm.x + 12 + i * (width + gap), vm.y + 38, width, 72)
        lines = [Line(texts[0], 12, bold=True), *(Line(text, 11) for text in texts[1:])]
        places.append(canvas.box(place, PAINTS[role], lines))
    for left, right, label in zip(places, places[1:], labels, strict=False):
        colour = ARROWS["storage"] if right is places[-1] else ARROWS["capture"]
        canvas.arrow([(left.right + 3, left.middle_y), (right.x - 3, right.middle_y)], colour)
        if label is not None:
            canvas.text(
                Rect(left.right + 2, left.middle_y - 24, gap - 4, 18),
                Line(_count(label[1]), 12, bold=True),
                anchor="middle",
            )
            canvas.text(Rect(left.right + 2, left.middle_y + 6, gap - 4, 18), Line(label[0], 10.5), anchor="middle")
    if counts is not None:
        verdict = (
            f"{_count(counts.identical)} of {_count(counts.sent)} frames stored identical · "
            f"{_count(counts.sent - counts.identical)} lost or altered · "
            f"{_count(counts.foreign)} foreign (made by the machines themselves)"
        )
        canvas.box(
            Rect(vm.x + 12, vm.bottom - 44, vm.width - 24, 32), PAINTS["verdict"], [Line(verdict, 13, bold=True)]
        )
    else:
        canvas.text(
            Rect(vm.x + 12, vm.bottom - 40, vm.width - 24, 24),
            Line("no frames counted yet", 12, colour=MUTED),
            anchor="middle",
        )
    return places


def _draw_wire(canvas: Canvas, drawings: list[NodeDrawing], above: Rect, counts: CaptureCounts | None) -> None:
    pf_at = next((d.pf for d in drawings if d.pf is not None), None)
    if pf_at is None:
        return
    lines = [Line("the wire", 12, bold=True)] + ([Line(f"{_count(counts.sent)} frames sent", 11)] if counts else [])
    wire = canvas.box(Rect(above.x, above.y + 16, 134, 36), PAINTS["wire"], lines)
    way = [(wire.right + 2, wire.middle_y), (pf_at[0], wire.middle_y), (pf_at[0], pf_at[1] + 3)]
    if pf_at[0] < wire.right:
        way = [(pf_at[0], wire.y - 2), way[-1]]
    canvas.arrow(way, ARROWS["wire"])


def _elbow(canvas: Canvas, start: tuple[float, float], end: Rect, lane_y: float, colour: str) -> None:
    x, y = start
    if end.x + 20 < x < end.right - 60:
        canvas.arrow([(x, y + 2), (x, end.y - 3)], colour)
        return
    canvas.arrow([(x, y + 2), (x, lane_y), (end.middle_x, lane_y), (end.middle_x, end.y - 3)], colour)


def _draw_legend(canvas: Canvas, place: Rect) -> float:
    x, y = place.x, place.y
    for role, text in _LEGEND.items():
        if not canvas.uses(PAINTS[role]):
            continue
        width = 30 + text_width(text, 11) + 18
        if x + width > place.right:
            x, y = place.x, y + _LEGEND_ROW
        canvas.box(Rect(x, y + 2, 22, 15), PAINTS[role])
        canvas.text(Rect(x + 30, y, width - 40, 19), Line(text, 11, colour=INK))
        x += width
    return y + _LEGEND_ROW


def _count(frames: int) -> str:
    return f"{frames:,}".replace(",", " ")
