"""The kernel's log as it grows (/dev/kmsg, Linux' ABI/testing/dev-kmsg)."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Protocol

from hpcapvf.model.errors import FileFailed

_PATH = "/dev/kmsg"
_RECORD_BYTES = 8192


class KernelLog(Protocol):
    """Lines of the kernel's log, from when it was opened."""

    def new_lines(self) -> tuple[str, ...]:
        """The messages that came since the last call, without time and priority. Does not wait."""

    def close(self) -> None:
        """Give it back."""


class LocalKernelLog:
    """This machine's. What the kernel overwrote before it was read is lost."""

    def __init__(self, path: str = _PATH) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.lseek(self._descriptor, 0, os.SEEK_END)
        except OSError as error:
            raise FileFailed(path, "open", error.errno or 0, reason=error.strerror or str(error)) from error

    def new_lines(self) -> tuple[str, ...]:
        """One read gives one record: ``priority,sequence,time,flags;message`` and lines of properties, indented."""
        found: list[str] = []
        while True:
            try:
                record = os.read(self._descriptor, _RECORD_BYTES)
            except BlockingIOError:
                return tuple(found)
            except OSError as error:
                if error.errno == errno.EPIPE:  # overwritten: the next read goes on with what is left
                    continue
                raise FileFailed(_PATH, "read", error.errno or 0, reason=error.strerror or str(error)) from error
            if not record:
                return tuple(found)
            found.append(record.decode(errors="replace").partition(";")[2].partition("\n")[0])

    def close(self) -> None:
        """Closing twice is no error."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
