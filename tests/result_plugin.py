"""Keep what a long run of pytest found as a file in docs/results: ``pytest --result docs/results/NAME.json``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.results import provenance, write_result


class ResultFile:
    """Collects outcome and seconds of each test, and writes them when the run ends.

    Written: ``passed, failed, skipped`` (numbers of tests), ``seconds`` of all, ``tests``: name, outcome and seconds of
    each, its set-up included. A test whose set-up or end failed counts as failed.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.about = provenance()
        self.outcomes: dict[str, str] = {}
        self.seconds: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One of a test's three phases ended."""
        name = report.nodeid
        self.seconds[name] = self.seconds.get(name, 0.0) + report.duration
        if self.outcomes.get(name, "passed") == "passed":
            self.outcomes[name] = report.outcome

    def pytest_sessionfinish(self) -> None:
        """Write the file, unless no test ran."""
        if not self.outcomes:
            return
        found = list(self.outcomes.values())
        counts: dict[str, object] = {outcome: found.count(outcome) for outcome in ("passed", "failed", "skipped")}
        tests = [
            {"test": name, "outcome": outcome, "seconds": round(self.seconds[name], 1)}
            for name, outcome in self.outcomes.items()
        ]
        write_result(
            self.target, self.about, counts | {"seconds": round(sum(self.seconds.values()), 1), "tests": tests}
        )
