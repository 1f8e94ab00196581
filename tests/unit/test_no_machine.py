"""The guard of the unit tests: each kind of breach is seen, what a test may do passes."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.conftest import _Watch

BREACHES: dict[str, Callable[[], object]] = {
    "process": lambda: subprocess.run(["true"], check=False),
    "system": lambda: os.system("true"),  # noqa: S605
    "fork": os.fork,
    "socket": socket.socket,
    "sysfs": lambda: Path("/sys/kernel/uevent_seqnum").read_text(),
    "sysfs folder": lambda: list(Path("/sys/bus").iterdir()),
    "procfs": lambda: Path("/proc/cmdline").read_text(),
    "state": lambda: Path("/var/lib/hpcapvf/x").write_text("x"),
    "elsewhere": lambda: Path("/usr/local/hpcapvf-unit-test").write_text("x"),
    "removal": lambda: Path("/usr/local/hpcapvf-unit-test").unlink(),
}


@pytest.mark.parametrize("name", sorted(BREACHES))
def test_breach_is_seen_even_if_swallowed(name: str, no_machine: _Watch) -> None:
    with contextlib.suppress(BaseException):
        BREACHES[name]()
    assert no_machine.breaches
    no_machine.breaches.clear()


def test_own_files_are_allowed(tmp_path: Path, no_machine: _Watch) -> None:
    (tmp_path / "sys").mkdir()
    (tmp_path / "sys" / "x").write_text("1")
    assert [p.name for p in tmp_path.iterdir()] == ["sys"]
    assert not no_machine.breaches
