"""Options for all tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

from hpcapvf.model.errors import HpcapvfError
from tests.result_plugin import ResultFile

# How long one example takes depends on who else uses the machine; runs are bounded as a whole instead.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

GOLDEN = Path(__file__).resolve().parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate-golden", action="store_true", help="write the golden files anew, then read the diff")
    parser.addoption("--result", type=Path, metavar="FILE", help="write what was found there, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    target: Path | None = config.getoption("--result")
    if target is not None:
        config.pluginmanager.register(ResultFile(target))


def pytest_exception_interact(call: pytest.CallInfo[object], report: object) -> None:
    """Show what supports one of our own errors, such as a console's last lines, with the report of the failed test."""
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, HpcapvfError) and isinstance(report, pytest.TestReport):
        report.sections.append((f"details of {type(error).__name__}", "\n".join([error.hint, *error.details])))


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with a file in tests/golden, or write that file if told to regenerate."""
    regenerate = request.config.getoption("--regenerate-golden")

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if regenerate:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"no golden file {name}: run pytest --regenerate-golden"
        assert text == path.read_text(), f"{name} differs: if that is meant, run pytest --regenerate-golden"

    return check
