"""The picture: golden, readable, and nothing on top of something else."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest

from hpcapvf.model.host import Host
from orchestrator.picture import CaptureCounts, Shown, render_topology
from orchestrator.picture_canvas import fit, text_width
from tests.unit.orchestrator.sample_host import agent_plan, sample_host, sample_plan, watched_host

SVG = "{http://www.w3.org/2000/svg}"
COUNTS = CaptureCounts(5000, 5000, 5003, 5000, 5000, 3)
AGENT_COUNTS = CaptureCounts(5000, 3712, 3714, 3712, 3712, 2)
PICTURES: dict[str, tuple[Host, tuple[Shown, ...]]] = {
    "deployed": (sample_host(), (Shown(sample_plan(), COUNTS),)),
    "watched": (watched_host(), (Shown(sample_plan(), COUNTS), Shown(agent_plan(), AGENT_COUNTS, 41.3))),
    "watched on few CPUs": (watched_host(2), (Shown(sample_plan()), Shown(agent_plan(2), AGENT_COUNTS, 41.3))),
    "apart": (sample_host(nic_node=1), (Shown(sample_plan(7, 5)),)),
    "large": (sample_host(24, 4), ()),
    "many nodes": (sample_host(2, 8), (Shown(sample_plan(), COUNTS),)),
    "small": (sample_host(2, 2), (Shown(sample_plan(1), COUNTS),)),
    "says nothing": (Host(None, None, None, None, None, None, (), (), ()), ()),
}


def _boxes(root: ET.Element) -> list[tuple[float, float, float, float]]:
    rects = [group[0] for group in root.iter(f"{SVG}g") if group.get("class") in ("box", "bar")]
    return [
        (x, y, x + float(r.get("width", "")), y + float(r.get("height", "")))
        for r in rects
        for x, y in [(float(r.get("x", "")), float(r.get("y", "")))]
    ]


def _text_spans(group: ET.Element) -> list[tuple[float, float, float, float]]:
    spans = []
    for text in group.iter(f"{SVG}text"):
        size = float(text.get("font-size", ""))
        width = text_width(text.text or "", size, bold=text.get("font-weight") == "bold")
        shift = {"start": 0.0, "middle": width / 2, "end": width}[text.get("text-anchor", "start")]
        x, y = float(text.get("x", "")) - shift, float(text.get("y", ""))
        spans.append((x, y - 0.78 * size, x + width, y + 0.24 * size))
    return spans


def _apart(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[2] <= b[0] + 0.2 or b[2] <= a[0] + 0.2 or a[3] <= b[1] + 0.2 or b[3] <= a[1] + 0.2


def _inside(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] >= b[0] - 0.2 and a[1] >= b[1] - 0.2 and a[2] <= b[2] + 0.2 and a[3] <= b[3] + 0.2


def test_the_picture_is_the_golden_one(golden: Callable[[str, str], None]) -> None:
    golden("topology.svg", render_topology(*PICTURES["deployed"]))


@pytest.mark.parametrize("name", PICTURES)
def test_every_text_fits_its_box(name: str) -> None:
    root = ET.fromstring(render_topology(*PICTURES[name]))  # noqa: S314
    for group in root.iter(f"{SVG}g"):
        if group.get("class") == "box":
            (box,) = _boxes_of(group)
            for span in _text_spans(group):
                assert _inside(span, box), ET.tostring(group)


def _boxes_of(group: ET.Element) -> list[tuple[float, float, float, float]]:
    holder = ET.Element("svg")
    holder.append(group)
    return _boxes(holder)


@pytest.mark.parametrize("name", PICTURES)
def test_boxes_are_nested_or_apart_and_texts_do_not_touch(name: str) -> None:
    root = ET.fromstring(render_topology(*PICTURES[name]))  # noqa: S314
    boxes = _boxes(root)
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            assert _apart(a, b) or _inside(a, b) or _inside(b, a), (a, b)
    spans = [span for group in root.iter(f"{SVG}g") for span in _text_spans(group)]
    for i, a in enumerate(spans):
        for b in spans[:i]:
            assert _apart(a, b), (a, b)


@pytest.mark.parametrize("name", PICTURES)
def test_everything_is_on_the_page(name: str) -> None:
    root = ET.fromstring(render_topology(*PICTURES[name]))  # noqa: S314
    page = (0.0, 0.0, float(root.get("width", "")), float(root.get("height", "")))
    for span in [*_boxes(root), *(s for group in root.iter(f"{SVG}g") for s in _text_spans(group))]:
        assert _inside(span, page)


def _texts(name: str) -> list[str]:
    root = ET.fromstring(render_topology(*PICTURES[name]))  # noqa: S314
    return [text.text or "" for text in root.iter(f"{SVG}text")]


def test_every_pinned_cpu_and_every_part_of_the_path_is_named() -> None:
    texts, pins = _texts("deployed"), sample_plan().placement
    for wanted in (
        f"vCPU {pins.polling_vcpu} poll",
        f"vCPU {pins.reader_vcpu}",
        "emulator",
        "VF 0",
        "PF",
        "sda",
        "sdd",
        "the wire",
        "5 000 frames sent",
        "5 003",
    ):
        assert wanted in texts, wanted


def test_an_agent_has_its_cpus_pages_vf_disk_and_figures() -> None:
    texts = _texts("watched")
    for wanted in (
        "of probe1",
        "of agent1",
        "2 MiB pages: 1200 reserved, 512 for probe1, 512 for agent1",
        "VF 1, driver hpcapvf",
        "md RAID-0, XFS",
        "the guest's own disk",
        "copy of what the card gives probe1, for 41 s",
        "10 000 frames sent",
        "3 714",
    ):
        assert wanted in texts, wanted
    assert any(text.startswith("3 712 of 3 712 frames that it was to see stored identical") for text in texts)


def test_the_copy_is_dashed_and_goes_around_the_vm_above() -> None:
    root = ET.fromstring(render_topology(*PICTURES["watched"]))  # noqa: S314
    (way,) = [line for line in root.iter(f"{SVG}polyline") if line.get("stroke-dasharray")]
    points = [tuple(map(float, point.split(","))) for point in way.get("points", "").split()]
    probe, agent = [box for box in _boxes(root) if box[2] - box[0] > 1000 and box[3] - box[1] > 150][-2:]
    assert points[1][1] == points[2][1] < probe[1]
    assert points[2][0] == points[3][0] < probe[0]
    assert probe[3] < points[3][1] == points[4][1] < agent[1]


def test_parts_on_one_cpu_are_told_by_their_vm() -> None:
    texts = _texts("watched on few CPUs")
    assert texts.count("of agent1") == 2
    assert texts.count("no frames counted") == 1


def test_a_text_too_long_is_shortened_to_its_room() -> None:
    shown = fit("a name that is far too long", 10, 60)
    assert shown.endswith("…")
    assert text_width(shown, 10) <= 60
