"""Unit tests touch no machine: a breach fails the test that caused it, even if the tested code swallows the error."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
_PROCESS_EVENTS = ("subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system")
_SOCKET_EVENTS = ("socket.__new__", "socket.connect", "socket.bind", "socket.getaddrinfo")
# Event -> which of its arguments are paths that change, and which one is the folder descriptor they are relative to.
_CHANGE_EVENTS = {
    "os.remove": ((0,), 1),
    "os.rmdir": ((0,), 1),
    "os.mkdir": ((0,), 2),
    "os.rename": ((0, 1), 2),
    "os.link": ((1,), 3),
    "os.symlink": ((1,), 2),
    "os.chmod": ((0,), 2),
    "os.chown": ((0,), 3),
}
_MACHINE_FOLDERS = ("/sys", "/proc", "/dev", "/run", "/etc/libvirt", "/etc/modprobe.d", "/var/lib")
_HARMLESS = ("/dev/null", "/dev/urandom", "/proc/self")
_WRITABLE = tuple(str(Path(p).resolve()) for p in (tempfile.gettempdir(), ROOT))


class Breach(AssertionError):
    """A unit test tried to reach the machine."""


class _Watch:
    """Looks at the interpreter's audit events while a unit test runs. An audit hook can never be removed again."""

    def __init__(self) -> None:
        self.active = False
        self.breaches: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.active:
            return
        said = self._breach(event, arguments)
        if said:
            self.breaches.append(said)
            raise Breach(said)

    def _breach(self, event: str, arguments: tuple[Any, ...]) -> str:
        if event in _PROCESS_EVENTS:
            return f"started a process ({event} {arguments[:1]})"
        if event in _SOCKET_EVENTS:
            return f"used a socket ({event})"
        if event in ("open", "os.listdir", "os.scandir", "os.truncate"):
            named = arguments[0] if arguments else None
            return _file_breach(named, os.path.realpath, writes=event == "open" and _is_write(arguments))
        if event in _CHANGE_EVENTS:
            paths, folder = _CHANGE_EVENTS[event]
            if arguments[folder] == -1:
                return next(filter(None, (_file_breach(arguments[i], _entry, writes=True) for i in paths)), "")
        return ""


def _is_write(arguments: tuple[Any, ...]) -> bool:
    mode, flags = arguments[1], arguments[2]
    if isinstance(mode, str):
        return any(c in mode for c in "wax+")
    return bool(isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))


def _entry(path: str) -> str:
    """The folder entry itself: links on the way are followed, the last one is what changes."""
    return os.path.join(os.path.realpath(os.path.dirname(path) or "."), os.path.basename(path))  # noqa: PTH118, PTH119, PTH120


def _file_breach(named: object, resolve: Callable[[str], str], *, writes: bool) -> str:
    if not isinstance(named, str | bytes | os.PathLike):
        return ""  # a file descriptor: it was judged when it was opened
    path = resolve(os.fsdecode(named))
    if _within(path, (*_HARMLESS, *_WRITABLE)):
        return ""
    if _within(path, _MACHINE_FOLDERS):
        return f"touched {path}"
    return f"changed {path}" if writes else ""


def _within(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == f or path.startswith(f"{f}/") for f in folders)


_WATCH = _Watch()
sys.addaudithook(_WATCH)


@pytest.fixture(autouse=True)
def no_machine() -> Iterator[_Watch]:
    """Fail the test if it started a process, used a socket, or touched the machine's own files."""
    _WATCH.breaches.clear()
    _WATCH.active = True
    try:
        yield _WATCH
    finally:
        _WATCH.active = False
    if _WATCH.breaches:
        pytest.fail("a unit test reached the machine: " + "; ".join(_WATCH.breaches))
