"""Times as people give them on a command line."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime
from fractions import Fraction

from hpcapvf.verify.conversion import NANOSECONDS, Moment

_RELATIVE = re.compile(r"-(\d{1,12}(?:\.\d{1,9})?)(s|sec|m|min|h|d)")
_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
# RFC 3339, section 5.6; without an offset UTC is meant, and the time of day may be cut short.
_ABSOLUTE = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
LOOKS_LIKE_A_TIME = re.compile(r"^-\d")


def parse_moment(text: str) -> Moment:
    """``now``, ``-10min``, ``-1.5h`` (s, sec, m, min, h, d) or RFC 3339. ArgumentTypeError otherwise."""
    if text == "now":
        return Moment(0, relative=True)
    match = _RELATIVE.fullmatch(text)
    if match:
        return Moment(-int(Fraction(match[1]) * _SECONDS[match[2]] * NANOSECONDS), relative=True)
    match = _ABSOLUTE.fullmatch(text)
    try:
        if match is None:
            raise ValueError(text)
        offset = match[4].upper().replace("Z", "+00:00") if match[4] else "+00:00"
        seconds = int(datetime.fromisoformat(f"{match[1]}T{match[2]}{offset}").timestamp())
        if seconds < 0:
            raise ValueError(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"not a time: {text!r} (2026-01-31T12:00:00Z, 2026-01-31T13:00:00.5+01:00, -10min, -2h or now)"
        ) from None
    return Moment(seconds * NANOSECONDS + int((match[3] or "0").ljust(9, "0")))


def say_moment(ns: int | None) -> str | None:
    """RFC 3339 in UTC with nanoseconds."""
    if ns is None:
        return None
    whole = datetime.fromtimestamp(ns // NANOSECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{ns % NANOSECONDS:09d}Z"
