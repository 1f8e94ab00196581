"""A host, and what a plan puts where on it, as an SVG picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpcapvf.model.host import Host
from hpcapvf.model.plan import Plan
from orchestrator.picture_canvas import INK, MUTED, Canvas, Line, Rect, one_above_the_other, text_width
from orchestrator.picture_node import ARROWS, PAINTS, Anchors, draw_node, node_size, placed_on
from orchestrator.topology_text import vf_names

_MARGIN = 24.0
_GAP = 20.0
_TITLE_HEIGHT = 62.0
_CHANNEL_HEIGHT = 92.0
_VM_HEIGHT = 168.0
_VM_GAP = 48.0
_GUTTER = 26.0
_LEGEND_ROW = 26.0
_MIN_WIDTH = 1120.0
_NODES_A_ROW = 4
_OTHER_VM = Rect(0, 0, 236, 58)
_LEGEND = {
    "polling": "polling vCPU",
    "reader": "reader vCPU",
    "vcpu": "other vCPU",
    "emulator": "emulator threads",
    "capture": "path of the frames",
    "storage": "storage of the frames",
    "taken": "hugepages of the VM",
    "pages": "hugepages reserved",
    "used": "memory in use",
    "free": "no part in this deployment",
}


@dataclass(frozen=True)
class CaptureCounts:
    """What a proof counted, in frames. expected: those of the sent ones that the VM was to be given."""

    sent: int
    expected: int
    received: int
    stored: int
    identical: int
    foreign: int


@dataclass(frozen=True)
class Shown:
    """A deployment in the picture. counts: shown along its path of the frames. watched_s: how long an agent watched."""

    plan: Plan
    counts: CaptureCounts | None = None
    watched_s: float | None = None


def render_change(host: Host, shown: Sequence[Shown], planned: Plan) -> str:
    """SVG of the host as it is, and below it as a plan would make it, with what changes marked."""
    now, then = (*shown,), (*shown, Shown(planned))
    before = Canvas(name="now")
    first = _draw(before, host, now, then)
    second = _draw(Canvas(before.states, name="then"), host, then, then)
    return one_above_the_other(
        [first, second], f"{host.hostname or 'unknown host'} now, and with {planned.request.name}"
    )


def render_topology(host: Host, shown: Sequence[Shown] = ()) -> str:
    """SVG of the NUMA nodes with their cores, memory, cards and disks, and of the VMs of deployments.

    The first deployment has the way from the wire; the others, below it, are agents with a copy made by the card.
    Colours: the palette of Okabe and Ito, that people with colour vision deficiencies can tell apart.
    """
    return _draw(Canvas(), host, shown, shown)


def _draw(canvas: Canvas, host: Host, shown: Sequence[Shown], order: Sequence[Shown]) -> str:
    """order: deployments after which the nodes are ordered."""
    plans = [one.plan for one in shown]
    nodes = _rows(host, [one.plan for one in order])
    rows = [[(index, node_size(host, plans, index)) for index in row] for row in nodes]
    wished = max((sum(size[0] for _, size in row) + _GAP * (len(row) - 1) for row in rows), default=0.0)
    inner = max(wished, _MIN_WIDTH - 2 * _MARGIN)
    _draw_title(canvas, host, plans, inner)
    top, bottom = _MARGIN + _TITLE_HEIGHT, _MARGIN + _TITLE_HEIGHT
    anchors: Anchors = {}
    for row in rows:
        height = max(size[1] for _, size in row)
        spare = inner - sum(size[0] for _, size in row) - _GAP * (len(row) - 1)
        x = _MARGIN
        for index, (width, _) in row:
            place = Rect(x, top, width + spare / len(row), height)
            anchors |= draw_node(canvas, host, plans, index, place)
            x = place.right + _GAP
        bottom, top = top + height, top + height + _GAP
    if shown:
        bottom = _draw_vms(canvas, shown, anchors, Rect(_MARGIN, bottom, inner, 0))
    bottom = _draw_other_vms(canvas, host, plans, Rect(_MARGIN, bottom + _GAP, inner, 0))
    bottom = _draw_legend(canvas, Rect(_MARGIN, bottom + _GAP, inner, 0))
    name = host.hostname or "unknown host"
    title = f"{name}: {', '.join(plan.request.name for plan in plans)}" if plans else name
    return canvas.svg(inner + 2 * _MARGIN, bottom + _MARGIN, title, _description(host, plans))


def _rows(host: Host, plans: Sequence[Plan]) -> list[list[int | None]]:
    """The nodes, and None for devices of no node, in rows; what VMs are connected to comes last, just above them."""
    columns = [*(node.index for node in host.nodes), *([None] if placed_on(host, None) else [])]
    if len(columns) > _NODES_A_ROW:
        used = {address for plan in plans for address in (plan.pf, plan.controller)}
        columns.sort(key=lambda index: any(device.address in used for device in placed_on(host, index)))
    first = len(columns) % _NODES_A_ROW or _NODES_A_ROW
    return [columns[max(end - _NODES_A_ROW, 0) : end] for end in range(first, len(columns) + 1, _NODES_A_ROW)]


def _description(host: Host, plans: Sequence[Plan]) -> str:
    parts = [f"{len(host.nodes)} NUMA node(s), {len(host.cpus)} CPU(s)"]
    for plan in plans:
        storage = f", disks behind {plan.controller}" if plan.controller else ""
        vm = f"VM {plan.request.name} on node {plan.placement.node} with {plan.function} of {plan.pf}"
        parts.append(f"{vm}{_watching(plan)}{storage}")
    return "; ".join(parts)


def _watching(plan: Plan) -> str:
    return f", watches {', '.join(plan.request.watch)}" if plan.request.watch else ""


def _draw_title(canvas: Canvas, host: Host, plans: Sequence[Plan], inner: float) -> None:
    name = host.hostname or "unknown host"
    kinds = [
        f"{'monitoring agent' if plan.request.watch else 'virtual network probe'} {plan.request.name}" for plan in plans
    ]
    heading = f"{name} with {' and '.join(kinds)}" if plans else name
    canvas.text(Rect(_MARGIN, _MARGIN, inner, 26), Line(heading, 20, bold=True))
    iommu = {True: "IOMMU on", False: "IOMMU off", None: "IOMMU unknown"}[host.iommu_active]
    facts = f"Linux {host.kernel_release or 'unknown'} · {len(host.nodes)} NUMA nodes · {len(host.cpus)} CPUs · {iommu}"
    canvas.text(Rect(_MARGIN, _MARGIN + 28, inner, 20), Line(facts, 12, colour=MUTED))


def _draw_vms(canvas: Canvas, shown: Sequence[Shown], anchors: Anchors, above: Rect) -> float:
    """The wire, the VMs one below the other, and their connections; returns the y where the last VM ends."""
    gutter = _GUTTER if len(shown) > 1 else 0.0
    lanes = above.y + 64  # the heights at which connections run sideways, one below the other
    vm = Rect(above.x + gutter, above.y + _CHANNEL_HEIGHT + (15 if gutter else 0), above.width - gutter, _VM_HEIGHT)
    _draw_wire(canvas, anchors.get((shown[0].plan.request.name, "pf")), above, [one.counts for one in shown])
    for number, one in enumerate(shown):
        if number:
            vm = Rect(vm.x, vm.bottom + _VM_GAP, vm.width, vm.height)
        chips = _draw_vm(canvas, one, vm)
        name = one.plan.request.name
        vf_at, controller_at = anchors.get((name, "vf")), anchors.get((name, "controller"))
        if vf_at is not None and not number:
            _elbow(canvas, vf_at, chips[0], lanes, ARROWS["capture"])
        if vf_at is not None and number:
            _draw_copy(canvas, one, vf_at, chips[0], (above.x + 12 * number - 6, lanes + 30))
        if controller_at is not None:
            _elbow(canvas, controller_at, chips[-1], lanes + 15, ARROWS["storage"])
    return vm.bottom


def _draw_other_vms(canvas: Canvas, host: Host, plans: Sequence[Plan], place: Rect) -> float:
    """A box for each VM that is no deployment in the picture; returns the y where they end."""
    ours = {plan.request.name for plan in plans}
    others = [domain for domain in host.domains or () if domain.name not in ours]
    x, y = place.x, place.y
    for domain in others:
        if x + _OTHER_VM.width > place.right:
            x, y = place.x, y + _OTHER_VM.height + 8
        pinned = f"CPUs {domain.pinned}" if domain.pinned else "not pinned"
        lines = [
            Line(f"VM {domain.name}", 12, bold=True),
            Line(f"{'runs' if domain.running else 'is off'}, {pinned}", 10.5),
            Line(", ".join(vf_names(host, domain.hostdevs)) or "no PCI functions", 10.5, colour=MUTED),
        ]
        box = canvas.box(Rect(x, y, _OTHER_VM.width, _OTHER_VM.height), PAINTS["free"], lines)
        canvas.state(box, f"VM {domain.name}", "")
        x += _OTHER_VM.width + 12
    return y + _OTHER_VM.height if others else place.y - _GAP


def _draw_copy(canvas: Canvas, one: Shown, start: tuple[float, float], end: Rect, corner: tuple[float, float]) -> None:
    """From an agent's VF around the VMs above it to its VM, dashed. corner: where it turns down beside them."""
    (x, y), (gutter_x, lane_y) = start, corner
    low = end.y - 38 - _VM_GAP / 2
    way = [(x, y + 2), (x, lane_y), (gutter_x, lane_y), (gutter_x, low), (end.middle_x, low), (end.middle_x, end.y - 3)]
    canvas.arrow(way, ARROWS["capture"], dashed=True)
    watched = one.plan.request.watch
    text = f"copy of what the card gives {', '.join(watched)}" if watched else "every frame of the wire, too"
    if one.watched_s is not None:
        text += f", for {one.watched_s:.0f} s"
    canvas.text(Rect(end.middle_x + 10, low - 10, 600, 20), Line(text, 12))


def _draw_vm(canvas: Canvas, one: Shown, vm: Rect) -> list[Rect]:
    """A VM with the path of the frames through it; returns the chips of the path."""
    plan = one.plan
    canvas.box(vm, PAINTS["vm"])
    canvas.state(vm, f"VM {plan.request.name}", "")
    chips = _draw_flow(canvas, plan, vm, one.counts)
    pages = f"{plan.placement.hugepages} hugepages of {plan.placement.hugepage_kib} KiB"
    vcpus = f"{plan.request.guest.vcpus} vCPUs"
    heading = f"VM {plan.request.name} on node {plan.placement.node}: {vcpus}, {pages}{_watching(plan)}"
    between = Rect(chips[0].right - 20, vm.y + 9, chips[-1].x - chips[0].right + 40, 20)  # where no arrow comes down
    canvas.text(between, Line(heading, 12, bold=True), anchor="middle")
    _draw_verdict(canvas, plan, vm, one.counts)
    return chips


def _draw_flow(canvas: Canvas, plan: Plan, vm: Rect, counts: CaptureCounts | None) -> list[Rect]:
    """The chips of the capture path inside the VM, from left to right, with arrows and frame counts between."""
    pins, mac = plan.placement, str(plan.function_mac)
    driver = "hpcapvf" if plan.request.engine.kind == "hpcapvf" else "its own"
    chips = [
        (
            "polling",
            (f"{plan.function_name}, driver {driver}", f"polling thread on vCPU {pins.polling_vcpu}", mac),
        ),
        ("capture", ("ring of whole records", f"{plan.request.engine.ring_mib} MiB", "RAW, ns timestamps")),
        ("reader", ("capture service", f"hpcapdd on vCPU {pins.reader_vcpu}", "O_DIRECT, 1 MiB blocks")),
        ("storage", _storage_texts(plan)),
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
    return places


def _storage_texts(plan: Plan) -> tuple[str, ...]:
    storage = plan.request.storage
    if plan.controller is None:
        return "the guest's own disk", f"{plan.request.guest.disk_gib} GiB", storage.capture_directory
    return f"md RAID-0, {storage.raid.filesystem.upper()}", f"{storage.raid.chunk_kib} KiB chunk", storage.raid.mount


def _draw_verdict(canvas: Canvas, plan: Plan, vm: Rect, counts: CaptureCounts | None) -> None:
    if counts is None:
        place = Rect(vm.x + 12, vm.bottom - 40, vm.width - 24, 24)
        canvas.text(place, Line("no frames counted", 12, colour=MUTED), anchor="middle")
        return
    of_agent = " that it was to see" if plan.request.watch else ""
    verdict = (
        f"{_count(counts.identical)} of {_count(counts.expected)} frames{of_agent} stored identical · "
        f"{_count(counts.expected - counts.identical)} lost or altered · "
        f"{_count(counts.foreign)} foreign (made by the machines themselves)"
    )
    canvas.box(Rect(vm.x + 12, vm.bottom - 44, vm.width - 24, 32), PAINTS["verdict"], [Line(verdict, 13, bold=True)])


def _draw_wire(
    canvas: Canvas, pf_at: tuple[float, float] | None, above: Rect, counts: Sequence[CaptureCounts | None]
) -> None:
    if pf_at is None:
        return
    sent = sum(one.sent for one in counts if one is not None)
    lines = [Line("the wire", 12, bold=True)] + ([Line(f"{_count(sent)} frames sent", 11)] if any(counts) else [])
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
    if canvas.marked:
        canvas.mark(Rect(x, y + 3, 22, 13))
        canvas.text(Rect(x + 32, y, 240, 19), Line("changed by the plan", 11, colour=INK))
    return y + _LEGEND_ROW


def _count(frames: int) -> str:
    return f"{frames:,}".replace(",", " ")
