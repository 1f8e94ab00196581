"""Boxes, texts and arrows to SVG. Sizes are pixels; a text never grows out of the box that it is given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

INK = "#1a1a1a"
MUTED = "#555555"
FONT = "'DejaVu Sans', Verdana, 'Liberation Sans', Arial, Helvetica, sans-serif"

# Advance widths in hundredths of the font size, a little above those of the widest font in FONT, so that a text
# measured here also fits in the others.
_WIDTHS = {
    29: "'ijlIJ",
    37: " ,./:;\\|f-",
    42: "()[]tr!·",
    50: '"*_`',
    56: "sz?cLFk",
    64: "vxyPTYaoeESbdghnpqu$0123456789{}",
}
_WIDTHS |= {70: "KAVBRXZC", 80: "UHNDG&OQ", 86: "w#+<=>^~M→", 100: "%mW@…"}
_WIDTH_OF = {character: width / 100 for width, characters in _WIDTHS.items() for character in characters}
_OTHER_WIDTH = 1.0
_BOLD = 1.16
_LINE_HEIGHT = 1.3


@dataclass(frozen=True)
class Rect:
    """A place in the picture."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The x of the right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The y of the lower edge."""
        return self.y + self.height

    @property
    def middle_x(self) -> float:
        """The x of the centre."""
        return self.x + self.width / 2

    @property
    def middle_y(self) -> float:
        """The y of the centre."""
        return self.y + self.height / 2


@dataclass(frozen=True)
class Paint:
    """How a box looks: fill, line, and the width of the line."""

    fill: str
    line: str
    line_width: float = 1.2


@dataclass(frozen=True)
class Line:
    """One line of text in a box."""

    text: str
    size: float = 11
    bold: bool = False
    colour: str = INK


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """An upper bound of the width of a text, in pixels."""
    width = sum(_WIDTH_OF.get(character, _OTHER_WIDTH) for character in text) * size
    return width * _BOLD if bold else width


def fit(text: str, size: float, room: float, *, bold: bool = False) -> str:
    """The text, shortened with an ellipsis until it is not wider than the room; empty if nothing fits."""
    if text_width(text, size, bold=bold) <= room:
        return text
    while text and text_width(text + "…", size, bold=bold) > room:
        text = text[:-1]
    return text.rstrip() + "…" if text else ""


class Canvas:
    """Collects shapes; ``svg()`` gives the document.

    before: what ``states`` of an earlier picture were; what is drawn with another state, or was not there, is marked.
    name: makes the document's ids its own, for two of them on a page.
    """

    def __init__(self, before: Mapping[str, str] | None = None, name: str = "") -> None:
        self.states: dict[str, str] = {}
        self.marked = False
        self._before = before
        self._name = name
        self._shapes: list[str] = []
        self._arrow_colours: list[str] = []
        self._paints: set[Paint] = set()

    def uses(self, paint: Paint) -> bool:
        """Whether something was drawn with this paint."""
        return paint in self._paints

    def box(
        self, place: Rect, paint: Paint, lines: Sequence[Line] = (), *, centred: bool = True, pad: float = 6
    ) -> Rect:
        """A rounded box with lines of text: in its middle, or from its upper left corner. Returns the place."""
        texts = self._texts(place, lines, centred=centred, pad=pad)
        look = f'rx="5" fill="{paint.fill}" stroke="{paint.line}" stroke-width="{_n(paint.line_width)}"'
        self._shapes.append(f'<g class="box">{_rect(place, look)}{"".join(texts)}</g>')
        self._paints.add(paint)
        return place

    def state(self, place: Rect, what: str, state: str) -> None:
        """Remember the state of what was drawn at a place, and mark it if it was another before."""
        self.states[what] = state
        if self._before is not None and self._before.get(what) != state:
            self.mark(place)

    def mark(self, place: Rect) -> None:
        """A dashed frame around a place and a filled corner: told by shape, not by colour."""
        self.marked = True
        frame = _rect(
            Rect(place.x - 2.5, place.y - 2.5, place.width + 5, place.height + 5),
            f'rx="6" fill="none" stroke="{INK}" stroke-width="1.8" stroke-dasharray="5 3"',
        )
        x, y = place.right + 2.5, place.y - 2.5
        corner = f'<path d="M{_n(x - 11)},{_n(y)} L{_n(x)},{_n(y)} L{_n(x)},{_n(y + 11)} z" fill="{INK}"/>'
        self._shapes.append(f'<g class="mark">{frame}{corner}</g>')

    def text(self, place: Rect, line: Line, *, anchor: str = "start") -> None:
        """One line of text without a frame; anchor ``start``, ``middle`` or ``end`` of the place."""
        x = {"start": place.x, "middle": place.middle_x, "end": place.right}[anchor]
        baseline = place.middle_y + line.size * 0.36
        shape = _text(fit(line.text, line.size, place.width, bold=line.bold), line, x, baseline, anchor)
        self._shapes.append(f'<g class="label" data-room="{_n(place.width)}">{shape}</g>')

    def bar(self, place: Rect, parts: Iterable[tuple[float, Paint]], line: str) -> None:
        """A bar whose parts are shares of the whole (0 to 1) with a paint each, from the left."""
        shapes = [_rect(place, 'fill="#ffffff"')]
        x = place.x
        for share, paint in parts:
            width = min(share * place.width, place.right - x)
            if width <= 0:
                continue
            shapes.append(_rect(Rect(x, place.y, width, place.height), f'fill="{paint.fill}"'))
            self._paints.add(paint)
            x += width
        shapes.append(_rect(place, f'fill="none" stroke="{line}"'))
        self._shapes.append(f'<g class="bar">{"".join(shapes)}</g>')

    def arrow(self, points: Sequence[tuple[float, float]], colour: str, *, dashed: bool = False) -> None:
        """A line along the points with an arrowhead at its end."""
        if colour not in self._arrow_colours:
            self._arrow_colours.append(colour)
        path = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
        head = f"{self._name}head{self._arrow_colours.index(colour)}"
        dashes = ' stroke-dasharray="9 5"' if dashed else ""
        self._shapes.append(
            f'<polyline class="arrow" points="{path}" fill="none" stroke="{colour}" stroke-width="2.4" '
            f'stroke-linejoin="round"{dashes} marker-end="url(#{head})"/>'
        )

    def svg(self, width: float, height: float, title: str, description: str) -> str:
        """The whole document."""
        heads = "".join(
            f'<marker id="{self._name}head{i}" viewBox="0 0 10 10" refX="8.5" refY="5" markerWidth="5.5" '
            f'markerHeight="5.5" orient="auto-start-reverse"><path d="M0,0 L10,5 L0,10 z" fill="{colour}"/></marker>'
            for i, colour in enumerate(self._arrow_colours)
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" width="{_n(width)}" '
            f'height="{_n(height)}" role="img" font-family="{FONT}">\n'
            f"<title>{escape(title)}</title>\n<desc>{escape(description)}</desc>\n<defs>{heads}</defs>\n"
            f'<rect class="ground" width="{_n(width)}" height="{_n(height)}" fill="#ffffff"/>\n'
            + "\n".join(self._shapes)
            + "\n</svg>\n"
        )

    def _texts(self, place: Rect, lines: Sequence[Line], *, centred: bool, pad: float) -> list[str]:
        room = place.width - 2 * pad
        heights = [line.size * _LINE_HEIGHT for line in lines]
        top = place.middle_y - sum(heights) / 2 if centred else place.y + pad
        shapes = []
        for line, height in zip(lines, heights, strict=True):
            x = place.middle_x if centred else place.x + pad
            anchor = "middle" if centred else "start"
            shown = fit(line.text, line.size, room, bold=line.bold)
            shapes.append(_text(shown, line, x, top + height / 2 + line.size * 0.36, anchor))
            top += height
        return shapes


_SIZE = re.compile(r'<svg [^>]*width="([0-9.]+)" height="([0-9.]+)"')


def one_above_the_other(pictures: Sequence[str], title: str) -> str:
    """Documents of ``Canvas.svg`` in one, from top to bottom."""
    sizes = [tuple(map(float, found.groups())) for found in map(_SIZE.search, pictures) if found]
    width, height, placed = max(w for w, _ in sizes), 0.0, []
    for picture, (_, own) in zip(pictures, sizes, strict=True):
        placed.append(picture.replace("<svg ", f'<svg y="{_n(height)}" ', 1))
        height += own
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" width="{_n(width)}" '
        f'height="{_n(height)}" role="img">\n<title>{escape(title)}</title>\n'
        f'<rect width="{_n(width)}" height="{_n(height)}" fill="#ffffff"/>\n{"".join(placed)}</svg>\n'
    )


def _rect(place: Rect, look: str) -> str:
    corner = f'x="{_n(place.x)}" y="{_n(place.y)}"'
    return f'<rect {corner} width="{_n(place.width)}" height="{_n(place.height)}" {look}/>'


def _text(text: str, line: Line, x: float, baseline: float, anchor: str) -> str:
    weight = ' font-weight="bold"' if line.bold else ""
    return (
        f'<text x="{_n(x)}" y="{_n(baseline)}" font-size="{_n(line.size)}" text-anchor="{anchor}" '
        f'fill="{line.colour}"{weight}>{escape(text, quote=False)}</text>'
    )


def _n(value: float) -> str:
    return f"{round(value, 1):g}"
