"""Every cut of every configuration: ``python -m tests.kill FILE.json [CONFIGURATION…]``.

What passed is kept in build/kill and not repeated for the same sources, so an interrupted run goes on where it was;
``rm -r build/kill`` begins anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.kill.configurations import CONFIGURATIONS
from tests.kill.cuts import Bench, Cut, Unreached
from tests.kill.plan import cuts_of
from tests.results import TOP, provenance, write_result

_SOURCES = ("hpcapvf/apply", "hpcapvf/model", "hpcapvf/nic", "hpcapvf/host", "tests/fakes", "tests/kill",
            "tests/unit/apply")  # fmt: skip
_SAY_EVERY = 250


def main(argv: list[str]) -> int:
    """Run what is left; 0 if every cut came out well."""
    target, names = Path(argv[0]), argv[1:] or list(CONFIGURATIONS)
    about = provenance()
    setattr(os, "fsync", lambda _descriptor: None)  # noqa: B010 - nobody pulls the plug of this machine
    kept = TOP / "build/kill" / f"{source_hash()}.jsonl"
    kept.parent.mkdir(parents=True, exist_ok=True)
    done = read_kept(kept)
    memory = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    with kept.open("a", encoding="utf-8") as out, tempfile.TemporaryDirectory(dir=memory) as folder:
        for name in names:
            run_configuration(name, Path(folder) / name.replace(" ", "-"), done, out)
    found = summary(done)
    write_result(target, about, found)
    print(json.dumps({key: value for key, value in found.items() if key != "configurations"}))
    return int(bool(found["failed"]))


def run_configuration(name: str, folder: Path, done: dict[str, dict[str, Any]], out: Any) -> None:
    """All cuts of one configuration that were not made yet."""
    begin = time.monotonic()
    bench = Bench(name, folder)
    cuts = cuts_of(bench)
    left = [cut for cut in cuts if cut.key not in done]
    print(f"{name}: {len(cuts)} cuts, {len(left)} to be made", flush=True)
    for number, cut in enumerate(left, start=1):
        entry = {"key": cut.key, **made(bench, cut)}
        done[cut.key] = entry
        out.write(json.dumps(entry) + "\n")
        out.flush()
        if entry["problem"]:
            print(f"FAILED {cut.key}: {entry['problem']}", flush=True)
        if number % _SAY_EVERY == 0:
            print(f"  {number} of {len(left)}, {time.monotonic() - begin:.0f} s", flush=True)


def made(bench: Bench, cut: Cut) -> dict[str, Any]:
    """What became of one cut."""
    begin = time.monotonic()
    try:
        problem, reached = bench.difference(cut), True
    except Unreached:  # a recovery ends earlier when less was begun
        problem, reached = "", False
        bench.spoil()
    except Exception as error:  # a defect is a finding as well
        problem, reached = f"{type(error).__name__}: {error}", True
    return {"reached": reached, "problem": problem, "seconds": round(time.monotonic() - begin, 3)}


def read_kept(path: Path) -> dict[str, dict[str, Any]]:
    """Cuts of earlier runs that came out well."""
    if not path.exists():
        return {}
    *lines, unfinished = path.read_text(encoding="utf-8").split("\n")
    if unfinished:  # a run was killed while it wrote; what comes next must not be joined to it
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    entries = [json.loads(line) for line in lines]
    return {entry["key"]: entry for entry in entries if not entry["problem"]}


def summary(done: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Numbers for the result file."""
    reached = {key: entry for key, entry in done.items() if entry["reached"]}
    kinds: Counter[tuple[str, str, str, bool]] = Counter()
    for key in reached:
        cut = json.loads(key)
        kinds[cut["configuration"], cut["during"], cut["how"], cut["persist"]] += 1
    failed = [{"cut": json.loads(key), "problem": e["problem"]} for key, e in reached.items() if e["problem"]]
    return {
        "cuts": len(reached),
        "failed": len(failed),
        "failures": failed[:50],
        "seconds": round(sum(entry["seconds"] for entry in done.values()), 1),
        "configurations": [
            {"configuration": c, "during": d, "how": h, "persist": p, "cuts": n} for (c, d, h, p), n in kinds.items()
        ],
    }


def source_hash() -> str:
    """Of everything that the result depends on."""
    digest = hashlib.sha256()
    for folder in _SOURCES:
        for path in sorted((TOP / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
