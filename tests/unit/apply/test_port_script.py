"""What the unit that holds a PF runs."""

from __future__ import annotations

from hpcapvf.apply.handlers.port import _SCRIPT


def test_systemd_finds_nothing_to_replace_in_the_script() -> None:
    """It replaces ``${NAME}`` anywhere in a command line (systemd.service(5)), and what it does not know by nothing."""
    assert "${" not in _SCRIPT
