"""The image cache shared by all labs of a user: found by hash, built once under a lock, published by one rename."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hpcapvf.model.errors import LabFailed, WaitTimedOut

LOCK_WAIT_S = 1800.0


def cache_root() -> Path:
    """$XDG_CACHE_HOME/hpcapvf, by default ~/.cache/hpcapvf (XDG base directory specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hpcapvf"


def state_root() -> Path:
    """$XDG_STATE_HOME/hpcapvf, by default ~/.local/state/hpcapvf (XDG base directory specification)."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "hpcapvf"


def image_folder(hash_text: str) -> Path:
    """Where the image of that hash is, once it is complete."""
    return cache_root() / "images" / hash_text


@contextmanager
def locked(name: str, *, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
    """Hold the lock of that name among all processes of this user; WaitTimedOut when somebody else keeps it."""
    folder = cache_root() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.lock"
    deadline = time.monotonic() + wait_s
    with path.open("a") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise WaitTimedOut(f"{path} is held by another process for more than {wait_s:.0f} s") from error
                time.sleep(0.2)
        yield


def read_json(path: Path) -> Any:
    """A JSON file's content, None when there is no such file; LabFailed when it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise LabFailed(f"{path} is not valid JSON: {error}", hint=f"Remove {path} and try again.") from error


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file so that a reader sees the old or the new content, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(path)
