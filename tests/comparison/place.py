"""A machine that has a virtual function, and a way into its card. What is compared does not know which."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import Any, Protocol

from hpcapvf.lab.process import run_ok
from tests.results import TOP

SCRIPT = Path(__file__).with_name("engines.sh")
FEED = TOP / "driver/build/tests/feed_card"
SEND_S = 300.0
VERB_S = 300.0


class Place(Protocol):
    """name: for the result. variables: what engines.sh wants to know. mac: the function's, with colons."""

    name: str
    variables: dict[str, str]
    mac: str

    def shell(self, script: str, *, timeout_s: float) -> str:
        """Run a script as root in the machine; its standard output. LabFailed if it fails."""

    @property
    def card(self) -> Path:
        """The socket where the emulated card takes frames."""


def ask(place: Place, verb: str, engine: str = "") -> str:
    """One verb of engines.sh; the last line that it printed."""
    words = [f"{name}={shlex.quote(value)}" for name, value in place.variables.items()]
    output = place.shell(f"{' '.join(words)} sh {place.variables['SCRIPT']} {verb} {engine}", timeout_s=VERB_S)
    lines = output.strip().splitlines()
    return lines[-1] if lines else ""


def send(place: Place, length: int, count: int, rate: int) -> dict[str, Any]:
    """Numbered frames to the function's address; how many there were and how fast they really went."""
    argv = [str(FEED), str(place.card), place.mac, str(length), str(count), str(rate)]
    found: dict[str, Any] = json.loads(run_ok(argv, doing="sending frames", timeout_s=SEND_S).text)
    return found


def run_once(place: Place, engine: str, length: int, count: int, rate: int) -> dict[str, Any]:
    """One capture of a fixed number of frames: what was sent and how fast, what was stored, what everybody counted."""
    began = time.monotonic()
    ask(place, "start", engine)
    sent = send(place, length, count, rate)
    found = json.loads(ask(place, "stop", engine))
    stored = found["counted"] if "counted" in found else found["files"]["distinct"]
    row = {"engine": engine, "bytes": length, "rate": rate, **sent, "stored": stored, "counters": found}
    row["sent_per_s"] = round((sent["sent"] - 1) / sent["seconds"])
    return {**row, "took_s": round(time.monotonic() - began, 1)}
