"""What a long test found, as JSON that says of which commit, when and where: docs/results/."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tests.measurements import PAGE, RESULTS, page

TOP = Path(__file__).resolve().parent.parent


def provenance() -> dict[str, object]:
    """Commit (and whether the tree differs from it), date and machine. Ask before the run: of what is tested."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=TOP, check=True, capture_output=True, text=True).stdout
    # results of other runs, and the page of them, change nothing of what is tested
    sources = [".", ":(exclude)docs/results", ":(exclude)docs/measurements.md"]
    changed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", *sources], cwd=TOP, check=False).returncode != 0
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": commit.strip(),
        "changed_since": changed,
        "machine": {
            "kernel": f"{platform.system()} {platform.release()}",
            "cpu": processor(),
            "cpus": os.cpu_count(),
        },
    }


def processor() -> str:
    """The processor's name as Linux gives it."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def write_result(target: Path, about: Mapping[str, object], found: Mapping[str, object]) -> None:
    """Write what was found, with where it comes from; the page of measurements follows."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps({**about, **found}, indent=1) + "\n", encoding="utf-8")
    if target.resolve().parent == RESULTS:
        PAGE.write_text(page(), encoding="utf-8")
