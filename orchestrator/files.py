"""Files that commands leave for the user."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from hpcapvf.model.errors import Conflict, HpcapvfError


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


@contextmanager
def open_new_file(path: str | Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name when it is whole and on disk, and not at all if the block raises.

    Conflict if the name is taken, HpcapvfError if it cannot be written (a full disk).
    """
    target = Path(path)
    if os.path.lexists(target):
        raise Conflict(f"{target} exists", hint="choose another name, or remove it")
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
        part = Path(name)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123 - it is open already
                yield file
                file.flush()
                os.fsync(descriptor)
                os.fchmod(descriptor, 0o644)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise HpcapvfError(f"cannot write {target}: {error.strerror}", hint="choose another place") from error


def keep_logs(folder: Path, target: Path) -> list[Path]:
    """Copy the logs of a lab that is about to be removed. Returns the copies; what cannot be copied is left out."""
    kept = []
    for log in sorted(folder.glob("*.log")):
        with suppress(OSError):
            target.mkdir(parents=True, exist_ok=True)
            kept.append(Path(shutil.copy(log, target / log.name)))
    return kept
