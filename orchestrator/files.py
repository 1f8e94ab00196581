"""Files that commands leave for the user."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from hpcapvf.model.errors import HpcapvfError


def write_text(path: str | Path, text: str) -> None:
    """Write a file as a whole, making its folder; HpcapvfError with the path if that fails."""
    target = Path(path)
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(target)
    except OSError as error:
        raise HpcapvfError(f"cannot write {target}: {error.strerror}", hint="choose another place") from error


def write_json(path: str | Path, value: Any) -> None:
    """Write a JSON-ready value, indented."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def keep_logs(folder: Path, target: Path) -> list[Path]:
    """Copy the logs of a lab that is about to be removed. Returns the copies; what cannot be copied is left out."""
    kept = []
    for log in sorted(folder.glob("*.log")):
        with suppress(OSError):
            target.mkdir(parents=True, exist_ok=True)
            kept.append(Path(shutil.copy(log, target / log.name)))
    return kept
