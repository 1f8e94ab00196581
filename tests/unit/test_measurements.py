"""docs/measurements.md says what docs/results/*.json say."""

from __future__ import annotations

import pytest

from tests.measurements import PAGE, page


def test_the_page_is_current(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--regenerate-golden"):
        PAGE.write_text(page())
        return
    assert PAGE.read_text() == page(), "differs from the results: run pytest --regenerate-golden"
