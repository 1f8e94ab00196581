"""Reading a spec file."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hpcapvf.model.errors import BadSpec, ExitCode, HpcapvfError, NotFound
from hpcapvf.model.request import Request
from hpcapvf.spec import parse_spec


class SpecUnreadable(HpcapvfError):
    """What the command line names as a spec cannot be read at all."""

    exit_code = ExitCode.USAGE


def read_spec(path: str, overrides: Mapping[str, Any] = MappingProxyType({})) -> Request:
    """Read and parse a spec file. NotFound if there is none, SpecUnreadable with the cause, or BadSpec.

    overrides: top-level keys that the command line gives.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFound(f"no spec file {path}", hint="name a YAML file; docs/reference.md lists the keys") from None
    except UnicodeDecodeError as error:
        raise BadSpec(f"{path} is not UTF-8: {error.reason} at byte {error.start}", hint="save it as UTF-8") from None
    except OSError as error:
        raise _unreadable(path, error) from None
    return parse_spec(text, overrides)


def _unreadable(path: str, error: OSError) -> SpecUnreadable:
    """The cause, and what helps against it."""
    hints = {
        errno.EISDIR: "it is a folder: name the YAML file in it",
        errno.EACCES: f"this user may not: see `ls -l {path}`; root may",
        errno.ENOTDIR: "a part of the path is a file, not a folder",
        errno.ELOOP: "its symbolic links lead in a circle",
        errno.ENAMETOOLONG: "no file can have such a long name",
    }
    hint = hints.get(error.errno or 0, "is its disk or its mount at fault? see dmesg")
    return SpecUnreadable(f"cannot read {path}: {error.strerror}", hint=hint)
