"""One HTML page of tables, texts and pictures that is readable offline: nothing is loaded, no script runs.

Everything but the SVG of our own pictures is escaped here. Colours: Okabe and Ito, "Color Universal Design" (2008), on
white and on dark ground, by the reader's own preference (Media Queries Level 5, prefers-color-scheme).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from orchestrator.answer import Part, Table

# Beside the style, nothing that the page names could be loaded.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
PICTURE_CAPTION = (
    "NUMA nodes, cores, memory, cards and disks, and what the deployment has of them; sideways there may be more."
)
_BAD_WORDS = ("FAILED", "CANNOT BE UNDONE")


@dataclass(frozen=True)
class Figure:
    """A picture of our own with a caption. wide: a topology, which is scrolled sideways in its frame if need be."""

    svg: str
    caption: str
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """A heading, sentences, figures (beside each other where there is room), then parts as commands show them.

    folded: shown when it is clicked on.
    """

    title: str
    notes: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    parts: tuple[Part, ...] = ()
    folded: bool = False


def render_page(title: str, summary: str, sections: Sequence[Section]) -> str:
    """The whole document."""
    body = "".join(map(_section, sections))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{escape(title)}</h1><p>{escape(summary)}</p></header>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )


def _section(section: Section) -> str:
    inner = "".join(f"<p>{escape(note)}</p>" for note in section.notes)
    small = "".join(_figure(figure) for figure in section.figures if not figure.wide)
    inner += f'<div class="charts">{small}</div>' if small else ""
    inner += "".join(_figure(figure) for figure in section.figures if figure.wide)
    inner += "".join(map(_part, section.parts))
    heading = f"<h2>{escape(section.title)}</h2>"
    if section.folded:
        return f"<details><summary>{heading}</summary>{inner}</details>\n"
    return f"<section>{heading}{inner}</section>\n"


def _figure(figure: Figure) -> str:
    picture = f'<div class="paper" tabindex="0">{figure.svg}</div>' if figure.wide else figure.svg
    return f"<figure>{picture}<figcaption>{escape(figure.caption)}</figcaption></figure>"


def _part(part: Part) -> str:
    if isinstance(part, Table):
        return _table(part)
    if not part:  # a text that did not change has no differences
        return ""
    return f'<pre class="scrolled" tabindex="0">{escape(part)}</pre>'


def _table(table: Table) -> str:
    if not table.rows:
        return f"<p>{escape(table.title)}: none</p>"
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns) if table.header else ""
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows)
    look = ' class="pairs"' if len(table.columns) == 2 else ""
    return (
        f'<div class="scrolled" tabindex="0"><table{look}><caption>{escape(table.title)}</caption>'
        f"{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{rows}</tbody></table></div>"
    )


def _cell(text: str) -> str:
    bad = ' class="bad"' if any(word in text for word in _BAD_WORDS) else ""
    return f"<td{bad}>{escape(text)}</td>"


_STYLE = """
:root { color-scheme: light dark; --ground: #ffffff; --ink: #1a1a1a; --muted: #555555; --line: #d0d0d0; --soft: #f4f4f4;
  --bad: #a33c00; --s0: #0072b2; --s1: #d55e00; --s2: #007a59; --s3: #a8558a; --s4: #1a1a1a; --bar: #9ecae6; }
@media (prefers-color-scheme: dark) { :root { --ground: #14181d; --ink: #e8e8e8; --muted: #a8b0b8; --line: #3a424b;
  --soft: #1d232a; --bad: #ffab6b; --s0: #56b4e9; --s1: #e69f00; --s2: #2fc79d; --s3: #e39cc6; --s4: #e8e8e8;
  --bar: #2b5d7d; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1240px; padding: 16px; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, 'DejaVu Sans', Verdana, Arial, sans-serif; }
h1 { font-size: 1.6em; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2em; margin: 0; display: inline-block; }
header p, section > p, details > p, figcaption { color: var(--muted); margin: 6px 0; overflow-wrap: anywhere; }
section, details { border-top: 1px solid var(--line); padding: 14px 0; margin-top: 10px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 18px; }
figure { margin: 8px 0; min-width: 0; }
figcaption { font-size: 0.87em; }
svg.chart { display: block; width: 100%; max-width: 620px; height: auto; background: var(--soft); border-radius: 6px;
  font-family: 'DejaVu Sans', Verdana, 'Liberation Sans', Arial, Helvetica, sans-serif; }
.chart text { fill: var(--ink); }
.chart .grid { stroke: var(--line); stroke-width: 1; }
.chart .axis, .chart .tick { stroke: var(--muted); stroke-width: 1; }
.chart .curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
.chart .s0 { stroke: var(--s0); } .chart .s1 { stroke: var(--s1); } .chart .s2 { stroke: var(--s2); }
.chart .s3 { stroke: var(--s3); } .chart .s4 { stroke: var(--s4); }
.chart .bar { fill: var(--bar); }
.paper, .scrolled { overflow-x: auto; margin: 10px 0; }
.paper { background: #ffffff; border: 1px solid var(--line); border-radius: 6px; }
.paper svg { display: block; margin: 0 auto; max-width: 100%; min-width: 1120px; height: auto; }
table { border-collapse: collapse; font-size: 0.9em; min-width: min(100%, 420px); }
caption { text-align: left; font-weight: bold; padding: 4px 0; }
th, td { text-align: left; vertical-align: top; padding: 3px 14px 3px 0; border-bottom: 1px solid var(--line);
  font-variant-numeric: tabular-nums; overflow-wrap: break-word; max-width: 46em; }
th { white-space: nowrap; }
.pairs td:first-child { color: var(--muted); min-width: 7em; }
td.bad { color: var(--bad); font-weight: bold; }
pre { background: var(--soft); padding: 10px; border-radius: 6px; font-size: 0.82em; }
summary { cursor: pointer; }
"""
