"""What a command loads before it does anything: on an emulated server each module that it does not need costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SLOW = {"rich", "jinja2", "libvirt", "ansible"}


def packages_after(code: str) -> set[str]:
    """Top-level packages, and those of the project in full, that a new interpreter has loaded after some code."""
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}\nprint(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=120)
    loaded = ran.stdout.split()
    return {name.partition(".")[0] for name in loaded} | {name for name in loaded if name.startswith("hpcapvf.")}


@pytest.mark.parametrize("module", ["inspect", "upkeep", "nic", "deploy", "guard"])
def test_the_commands_of_a_host_load_neither_the_lab_nor_what_draws(module: str) -> None:
    loaded = packages_after(f"import orchestrator.main, orchestrator.commands.{module}")
    assert "hpcapvf.model.errors" in loaded
    assert not loaded & SLOW
    assert "hpcapvf.lab.server" not in loaded


HEAVY = {"hpcapvf.plan.deployment", "hpcapvf.apply.run", "hpcapvf.verify.proof", "hpcapvf.domain.render"}


def test_a_second_run_of_the_same_spec_loads_little() -> None:
    """orchestrator.commands.deploy answers it; orchestrator.deployment is the rest of the program."""
    assert not packages_after("import orchestrator.main, orchestrator.commands.deploy") & HEAVY
    assert packages_after("import orchestrator.deployment") >= HEAVY


def test_the_register_guard_loads_little() -> None:
    """A deployment waits for its first check."""
    loaded = packages_after("import orchestrator.main, orchestrator.commands.guard")
    assert "hpcapvf.apply.guard" in loaded
    assert not loaded & (HEAVY | {"yaml"})


def test_the_check_sees_what_is_loaded() -> None:
    assert {"rich", "hpcapvf.lab.server"} <= packages_after("import orchestrator.terminal, orchestrator.commands.lab")
