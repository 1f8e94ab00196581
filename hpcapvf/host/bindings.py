"""libvirt's and udev's Python libraries, imported where they are first used: a control machine has neither."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from hpcapvf.model.bindings import EXTRA, LIBRARIES, how_to_install
from hpcapvf.model.errors import NotCapable


def binding(name: str) -> Any:
    """The module of one of LIBRARIES. NotCapable if it is not there, with the extra that brings it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == name
        raise NotCapable(
            f"the Python library {name} {'is not installed' if absent else f'does not load ({error})'}; "
            f"it comes with the extra {EXTRA}",
            hint=how_to_install(own_environment=sys.prefix != sys.base_prefix),
        ) from error


def require_bindings() -> None:
    """NotCapable unless all are there: before a host is changed, not in the middle."""
    for name in LIBRARIES:
        binding(name)
