"""Run the stages that are left, and write what was found after each.

python -m tests.watching RESULT.json [--table] [--only STAGE]... [--minutes M]

A stage is left if it was not run, failed, or was run on another commit; those never run come first. HPCAPVF_TEST_LAB
names a lab that runs; otherwise one is started and removed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from tests.lab.conftest import in_a_lab, looked_at
from tests.results import provenance, write_result
from tests.watching import vms
from tests.watching.run import run_stage
from tests.watching.table import STAGES, markdown

_LONGEST_STAGE_S = 30 * 60


def main() -> int:
    """0 if every stage is green now."""
    parser = argparse.ArgumentParser(prog="python -m tests.watching")
    parser.add_argument("result", type=Path, metavar="RESULT.json")
    parser.add_argument("--table", action="store_true", help="only print what was found")
    parser.add_argument(
        "--only", action="append", default=[], choices=STAGES, help="run just this stage, even if green"
    )
    parser.add_argument("--minutes", type=float, default=140.0, help="begin no stage that may end later")
    args = parser.parse_args()
    cases: dict[str, Any] = json.loads(args.result.read_text())["cases"] if args.result.exists() else {}
    if not args.table:
        _run(args.result, cases, args.only, time.monotonic() + args.minutes * 60)
    print(markdown(cases))
    return int(not all(name in cases and cases[name]["passed"] for name in STAGES))


def _run(target: Path, cases: dict[str, Any], only: list[str], end: float) -> None:
    about = provenance()
    names = only or _left(cases, about["commit"])
    if not names:
        return
    with in_a_lab("watching") as server:
        try:
            for number, name in enumerate(names, start=1):
                if time.monotonic() + _LONGEST_STAGE_S > end:
                    print(f"no time for {len(names) - number + 1} more: run it again", file=sys.stderr)
                    break
                print(f"{number} of {len(names)}: {name}", file=sys.stderr, flush=True)
                start = time.monotonic()
                now = looked_at(server.lab)
                found = run_stage(now, vms.ready(now), STAGES[name])
                when = {"commit": about["commit"], "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
                cases[name] = {**found, **when, "seconds": round(time.monotonic() - start)}
                write_result(target, about, {"cases": cases})
        finally:
            vms.stop(looked_at(server.lab))


def _left(cases: dict[str, Any], commit: object) -> list[str]:
    """Those never run first, then those that failed, then those of other commits, the oldest first."""

    def rank(name: str) -> tuple[int, str]:
        found = cases.get(name)
        if found is None:
            return 0, ""
        return (2, found["date"]) if found["passed"] else (1, "")

    left = [name for name in STAGES if not (rank(name)[0] == 2 and cases[name]["commit"] == commit)]
    return sorted(left, key=rank)


if __name__ == "__main__":
    sys.exit(main())
