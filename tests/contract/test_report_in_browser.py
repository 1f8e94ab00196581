"""Reports as a browser shows them: nothing is loaded, nothing is clipped, light and dark, narrow and wide.

Every check is shown a page that is broken in its way, too: one that finds nothing there fails.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.deployment_page import deployment_page
from orchestrator.report import demo_page
from tests.contract.browser import Browser, browser
from tests.unit.orchestrator.sample_report import agent_facts, probe_facts, silent_facts
from tests.unit.orchestrator.test_report import watched_demo

CHROMIUM = shutil.which("chromium") or ""
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium here: tools/system-packages.sh")
PAGES: dict[str, Callable[[], str]] = {
    "probe": lambda: deployment_page(probe_facts()),
    "probe that lost": lambda: deployment_page(probe_facts(lost=2)),
    "agent": lambda: deployment_page(agent_facts()),
    "silent": lambda: deployment_page(silent_facts()),
    "demo": lambda: demo_page(watched_demo()),
}
WIDTHS = (360, 768, 1024, 1400)
SCHEMES = ("light", "dark")
# Names of checks to JavaScript that lists what is wrong.
CHECKS = {
    "a picture without size": """
        [...document.querySelectorAll('svg')].filter(s => { const r = s.getBoundingClientRect();
            return !(r.width > 0 && r.height > 0); }).map(s => s.outerHTML.slice(0, 80))""",
    "a picture's text outside of it": """
        [...document.querySelectorAll('svg')].flatMap(s => { const p = s.getBoundingClientRect();
            return [...s.querySelectorAll('text')].filter(t => { const r = t.getBoundingClientRect();
                return r.left < p.left - 1 || r.right > p.right + 1 || r.top < p.top - 1 || r.bottom > p.bottom + 1;
            }).map(t => t.textContent); })""",
    "texts of a chart that overlap": """
        [...document.querySelectorAll('svg.chart')].flatMap(s => {
            const all = [...s.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
            return all.flatMap(([a, p], i) => all.slice(0, i).filter(([b, q]) => p.left < q.right - 1 &&
                q.left < p.right - 1 && p.top < q.bottom - 3 && q.top < p.bottom - 3)
                .map(([b]) => a + ' / ' + b)); })""",
    "a chart's text too small to read": """
        [...document.querySelectorAll('svg.chart')].flatMap(s => {
            const scale = s.getBoundingClientRect().width / s.viewBox.baseVal.width;
            return [...s.querySelectorAll('text')].filter(t => scale * t.getAttribute('font-size') < 8.5)
                .map(t => t.textContent); })""",
    "text that is cut off": """
        [...document.querySelectorAll('h1, h2, p, figcaption, td, th, caption')].filter(e =>
            e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0 && getComputedStyle(e).display != 'inline' ||
            !e.closest('.scrolled, .paper') && e.getBoundingClientRect().right > innerWidth + 1)
            .map(e => e.textContent.slice(0, 80))""",
    "a page that scrolls sideways": """
        (d => d.scrollWidth > d.clientWidth ? [d.scrollWidth] : [])(document.documentElement)""",
    "colours that are too alike": """
        (() => { const light = text => { const [r, g, b] = text.match(/[0-9.]+/g).map(v => v / 255)
                .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
                return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
            const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
            const ground = getComputedStyle(document.body).backgroundColor;
            const wrong = (query, property, least) => [...document.querySelectorAll(query)].filter(e => {
                const paper = e.closest('svg.chart, pre');
                return contrast(getComputedStyle(e)[property], paper ? getComputedStyle(paper).backgroundColor : ground)
                    < least; }).map(e => query + ' ' + getComputedStyle(e)[property]);
            return [...wrong('h1, h2, p, td, th, figcaption, caption, pre', 'color', 4.5),
                ...wrong('.chart text', 'fill', 4.5), ...wrong('.chart .curve', 'stroke', 3)]; })()""",
}
# What breaks a page, in the way of each check: put before the end of the body.
BREAKS = {
    "a picture without size": "<style>svg.chart { display: none !important }</style>",
    "a picture's text outside of it": "<svg class=chart viewBox='0 0 9 9'>"
    "<text x=5 y=5 font-size=13>longer</text></svg>",
    "texts of a chart that overlap": "<svg class=chart viewBox='0 0 480 99'><text x=9 y=40 font-size=13>one</text>"
    "<text x=12 y=40 font-size=13>two</text></svg>",
    "a chart's text too small to read": "<style>svg.chart { width: 200px !important }</style>",
    "text that is cut off": "<style>td { max-width: 30px; overflow: hidden; white-space: nowrap }</style>",
    "a page that scrolls sideways": "<div style='width: 2000px; height: 1px'></div>",
    "colours that are too alike": "<style>.chart .curve { stroke: #eeeeee !important }</style>",
}
OPENED = "document.querySelectorAll('details').forEach(d => { d.open = true; })"


@pytest.fixture(scope="module")
def page() -> Iterator[Browser]:
    with tempfile.TemporaryDirectory(prefix="browser-") as folder, browser(CHROMIUM, Path(folder)) as found:
        yield found


def show(page: Browser, path: Path, html: str) -> None:
    path.write_text(html)
    page.open(path)
    page.evaluate(OPENED)


@pytest.mark.parametrize("name", PAGES)
def test_a_report_is_as_it_must_be(page: Browser, tmp_path: Path, name: str) -> None:
    show(page, tmp_path / "report.html", PAGES[name]())
    grounds = set()
    for width in WIDTHS:
        for scheme in SCHEMES:
            page.look(width, scheme)
            grounds.add((scheme, page.evaluate("getComputedStyle(document.body).backgroundColor")))
            found = {check: wrong for check, script in CHECKS.items() if (wrong := page.evaluate(script))}
            assert not found, (width, scheme)
    assert len(grounds) == 2, "light and dark have the same ground"
    assert page.evaluate("document.querySelectorAll('svg').length") >= 1
    assert (page.problems, page.requests) == ([], [])


def test_all_charts_are_there(page: Browser, tmp_path: Path) -> None:
    show(page, tmp_path / "report.html", PAGES["probe"]())
    titles = page.evaluate("[...document.querySelectorAll('svg.chart')].map(s => s.getAttribute('aria-label'))")
    assert titles == ["throughput over time", "frames over time", "loss over time", "gaps between timestamps"]
    assert page.evaluate("[...document.querySelectorAll('.curve')].every(c => c.getTotalLength() > 0)")


@pytest.mark.parametrize("check", CHECKS)
def test_a_broken_report_is_found(page: Browser, tmp_path: Path, check: str) -> None:
    html = PAGES["probe"]()
    show(page, tmp_path / "report.html", html.replace("</body>", BREAKS[check] + "</body>"))
    page.look(768, "light")
    assert page.evaluate(CHECKS[check])


@pytest.mark.parametrize(
    ("broken", "policy"),
    [
        ("<script>console.error('broken')</script>", False),
        ("<script>missing()</script>", False),
        ("<script>alert('ours')</script>", True),
        ("<img src='http://192.0.2.1/x.png'>", False),
        ("<img src='http://192.0.2.1/x.png'>", True),
    ],
)
def test_errors_and_requests_are_heard(page: Browser, tmp_path: Path, broken: str, *, policy: bool) -> None:
    """policy: the page's own, which forbids what something that slipped through would do."""
    html = PAGES["silent"]()
    if not policy:
        html = html.replace("Content-Security-Policy", "x-none")
    (tmp_path / "report.html").write_text(html.replace("</body>", broken + "</body>"))
    page.open(tmp_path / "report.html")
    page.evaluate("1")
    assert page.problems or page.requests
    if "img" in broken and not policy:
        assert page.requests == ["http://192.0.2.1/x.png"]
