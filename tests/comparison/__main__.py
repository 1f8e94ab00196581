"""python -m tests.comparison FILE.json: capture engines on one emulated card, at the same rates (make bench-capture).

Each run is kept in build/comparison as soon as it is done, for the same sources; a cut run goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from hpcapvf.lab.cache import locked, write_json
from hpcapvf.lab.modules import source_hash
from hpcapvf.lab.process import run_ok
from hpcapvf.model.errors import HpcapvfError
from tests.comparison.place import FEED, SCRIPT, Place, ask, run_once
from tests.comparison.search import (
    RATES,
    REPEATS,
    limit_of,
    next_rate,
    of,
    outcomes,
    rates_to_compare,
    shares_of,
    verdict,
)
from tests.comparison.small_place import SmallPlace
from tests.results import TOP, provenance, write_result

ENGINES = ("hpcapvf", "counter", "tcpdump", "dpdk")
# Length without the check sequence → frames of a run; the longer ones are more than the engines' buffers hold.
FRAMES = {60: 40_000, 1514: 20_000}
LIMIT_S = 8400.0


class Runs:
    """What is known so far. path: where it is kept. until_s: on the monotonic clock, when no run is begun any more."""

    def __init__(self, path: Path, until_s: float) -> None:
        self.path = path
        self.until_s = until_s
        self.rows: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []

    def add(self, place: Place, engine: str, length: int, rate: int) -> None:
        """One more run. TimeoutError when the time is over."""
        if time.monotonic() > self.until_s:
            raise TimeoutError
        row = run_once(place, engine, length, FRAMES[length], rate)
        self.rows.append(row)
        write_json(self.path, self.rows)
        shown = {name: value for name, value in row.items() if name != "counters"}
        print(time.strftime("%H:%M:%S"), json.dumps(shown), flush=True)

    def search(self, place: Place, engine: str, length: int) -> None:
        """Until the highest rate without loss is known."""
        while (rate := next_rate(RATES, outcomes(self.rows, engine, length))) is not None:
            for _ in range(REPEATS - len(of(self.rows, engine, length, rate))):
                self.add(place, engine, length, rate)

    def rates(self, length: int) -> list[int]:
        """Where all engines are compared."""
        limits = [limit_of(self.rows, engine, length)["asked"] for engine in ENGINES]
        return rates_to_compare(RATES, limits)

    def compare(self, place: Place, engine: str, length: int) -> None:
        """A run at each of the rates that is still missing."""
        for rate in self.rates(length):
            if not of(self.rows, engine, length, rate):
                self.add(place, engine, length, rate)


def measure(place: Place, runs: Runs) -> None:
    """First each engine's limit, then all at the same rates. An engine that cannot be had is told and left out."""
    for work in (runs.search, runs.compare):
        for engine in ENGINES:
            ask(place, "take", engine)
            try:
                for length in FRAMES:
                    work(place, engine, length)
            finally:
                ask(place, "leave", engine)


def summary(runs: Runs) -> dict[str, Any]:
    """Frame length → limits, shares and ratios."""
    found: dict[str, Any] = {}
    for length in FRAMES:
        limits = {engine: limit_of(runs.rows, engine, length) for engine in ENGINES}
        shares = {engine: shares_of(runs.rows, engine, length) for engine in ENGINES}
        rates = {engine: limit["sent_per_s"] for engine, limit in limits.items()}
        found[str(length)] = {"without_loss": limits, "shares": shares, **verdict(rates)}
    return found


def as_table(found: dict[str, Any]) -> str:
    """What a person reads: for each frame length, engines down and rates across."""
    lines = []
    for length, part in found.items():
        rates = sorted({int(rate) for shares in part["shares"].values() for rate in shares})
        lines += [f"| {length} bytes | without loss, frames/s | " + " | ".join(f"{rate}/s" for rate in rates) + " |"]
        lines += ["|---" * (2 + len(rates)) + "|"]
        for engine, shares in part["shares"].items():
            cells = [f"{100 * shares[rate]:.1f} %" if rate in shares else "" for rate in rates]
            best = str(part["without_loss"][engine]["sent_per_s"])
            lines.append("| " + " | ".join((engine, best, *cells)) + " |")
        lines.append("")
    return "\n".join(lines)


def sources_key() -> str:
    """What a run depends on: the driver, the engines' script, the machine."""
    digest = hashlib.sha256(source_hash(TOP / "driver").encode())
    for path in sorted([SCRIPT, *Path(__file__).parent.glob("*place.py"), *(TOP / "tests/vm").glob("*.*")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def main() -> int:
    """Parse, run, write. Exit status 1 if the time was over before everything was measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.comparison")
    parser.add_argument("output", type=Path)
    parser.add_argument("--limit", type=float, default=LIMIT_S, metavar="SECONDS")
    options = parser.parse_args()
    about = provenance()
    began = time.monotonic()
    run_ok(["make", "-C", str(TOP / "driver"), str(FEED.relative_to(TOP / "driver"))], doing="building", timeout_s=300)
    # SIGTERM ends this process as an interrupt does: with the machine, not without it
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    place = SmallPlace()
    folder = TOP / "build/comparison"
    folder.mkdir(parents=True, exist_ok=True)
    runs, complete, facts = Runs(folder / f"{sources_key()}.json", began + options.limit), True, "{}"
    with locked("comparison", wait_s=1), place:
        facts = ask(place, "facts")
        try:
            measure(place, runs)
        except TimeoutError:
            complete = False
            print("out of time: run it again for the rest", flush=True)
        except HpcapvfError as error:
            complete = False
            print(f"not complete: {error.message}", *error.details, sep="\n    ", flush=True)
    found = summary(runs)
    result = {"place": place.name, "facts": json.loads(facts), "complete": complete, "frames": FRAMES}
    write_result(options.output, about, {**result, "summary": found, "runs": runs.rows})
    print(as_table(found))
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
