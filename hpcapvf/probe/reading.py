"""Reads a host's small text files; what is there but cannot be understood is noted, not raised and not "no"."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TypeVar

from hpcapvf.host.protocols import Files
from hpcapvf.model.address import CpuSet
from hpcapvf.model.errors import FileFailed

T = TypeVar("T")
_SHOWN = 40


class Reader:
    """Files with parsing. None stands for absent and for unreadable; the latter is listed in ``unreadable``."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._unreadable: set[str] = set()

    @property
    def files(self) -> Files:
        """What is read from."""
        return self._files

    @property
    def unreadable(self) -> tuple[str, ...]:
        """``path: reason`` for each thing that is there but could not be read or understood, sorted."""
        return tuple(sorted(self._unreadable))

    def note(self, path: str, reason: str) -> None:
        """Record that something is there but cannot be understood."""
        self._unreadable.add(f"{path}: {reason}")

    def text(self, path: str) -> str | None:
        """The text without white space at its ends."""
        content = self._tried(path, self._files.read_text)
        return None if content is None else content.strip().strip("\0")

    def data(self, path: str, limit: int) -> bytes | None:
        """At most ``limit`` bytes."""
        return self._tried(path, lambda p: self._files.read_bytes(p, limit))

    def names(self, path: str) -> tuple[str, ...] | None:
        """Sorted names in a folder."""
        return self._tried(path, self._files.list)

    def link(self, path: str) -> str | None:
        """The last component of a link's target."""
        return self._tried(path, self._files.link_name)

    def real_path(self, path: str) -> str | None:
        """The path with links followed."""
        return self._tried(path, self._files.real_path)

    def size(self, path: str) -> int | None:
        """Bytes in a file."""
        return self._tried(path, self._files.size)

    def exists(self, path: str) -> bool | None:
        """Whether something is there; None if that cannot be told."""
        return self._tried(path, self._files.exists)

    def parsed(self, path: str, parse: Callable[[str], T]) -> T | None:
        """The text as ``parse`` understands it; its ValueError is noted."""
        text = self.text(path)
        if text is None:
            return None
        try:
            return parse(text)
        except ValueError:
            self.note(path, f"not understood: {text[:_SHOWN]!r}")
            return None

    def number(self, path: str, *, base: int = 10, lowest: int = 0, highest: int = 1 << 63) -> int | None:
        """A whole number within bounds."""

        def parse(text: str) -> int:
            value = int(text, base)
            if not lowest <= value <= highest:
                raise ValueError
            return value

        return self.parsed(path, parse)

    def cpus(self, path: str) -> CpuSet | None:
        """A CPU list such as ``0-3,8``."""
        return self.parsed(path, CpuSet.parse)

    def cpu_mask(self, path: str) -> CpuSet | None:
        """A CPU mask such as ``ff,00000003``."""
        return self.parsed(path, CpuSet.parse_mask)

    def _tried(self, path: str, read: Callable[[str], T]) -> T | None:
        try:
            return read(path)
        except FileFailed as error:
            if error.errno != errno.EOPNOTSUPP:  # the device has no such thing, says its driver
                self.note(path, error.reason)
            return None


def numbered(names: tuple[str, ...] | None, prefix: str) -> list[int]:
    """The numbers N of names such as ``node0``, ``node12``, in order."""
    tails = (name.removeprefix(prefix) for name in names or () if name.startswith(prefix))
    return sorted(int(tail) for tail in tails if tail.isascii() and tail.isdigit() and len(tail) < 7)
