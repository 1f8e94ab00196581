"""``python -m tests.fuzz_spec RESULT.json [COUNT]``: so many fuzzed specs, none of which may end in a traceback."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz_spec.command import fuzz
from tests.results import provenance, write_result

COUNT = 50_000


def main(target: Path, count: int) -> int:
    """Fuzz and write the result; exit status 1 if any spec ended in a defect."""
    about, begun = provenance(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        outcome = fuzz(range(count), Path(folder))
    found = {
        "specs": count,
        "seconds": round(time.monotonic() - begun, 1),
        "exit_codes": dict(sorted(outcome.codes.items())),
        "defects": {str(number): said for number, said in outcome.defects.items()},
    }
    write_result(target, about, found)
    print(f"{count} specs, {len(outcome.defects)} defects: {found['exit_codes']}")
    return 1 if outcome.defects else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else COUNT))
