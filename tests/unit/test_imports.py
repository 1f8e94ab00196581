"""The rooms and what each may import, as docs/architecture.md draws them; read from the sources, nothing is run."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Room -> what it may import of the project, besides itself. A dotted name allows that module only.
ROOMS: dict[str, frozenset[str]] = {
    "model": frozenset(),
    "spec": frozenset({"model"}),
    "nic": frozenset({"model"}),
    "plan": frozenset({"model", "nic"}),
    "domain": frozenset({"model"}),
    "raw": frozenset({"model"}),
    # A command that sends the proof's frames is given a pcap file.
    "host": frozenset({"model", "nic", "raw.pcap"}),
    "probe": frozenset({"model", "host.protocols"}),
    "doctor": frozenset({"model"}),
    # Programming the card is a step, and what to programme is nic's knowledge.
    "apply": frozenset({"model", "nic", "host.protocols"}),
    "verify": frozenset({"model", "nic", "raw", "host.protocols"}),
    # It reads what is captured on the machine it runs on: in a guest, not on the hypervisor.
    "capture": frozenset({"model"}),
    # The far end of the wire reads and writes pcap files.
    "lab": frozenset({"model", "raw"}),
}
# Only the rooms with effects may start processes, open sockets or talk to libvirt.
EFFECTS = frozenset({"subprocess", "socket", "socketserver", "libvirt", "pyudev", "mmap", "ctypes", "multiprocessing"})
ROOMS_WITH_EFFECTS = frozenset({"host", "lab", "capture"})


def imports_of(source: str, package: str) -> set[str]:
    """Dotted names that a module imports, relative ones made absolute; ``from a import b`` counts as ``a.b``."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: -(node.level - 1) or None] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def breaches(room: str, imported: set[str]) -> set[str]:
    """The imports that this room may not have."""
    bad: set[str] = set()
    for name in imported:
        top, _, rest = name.partition(".")
        if top in ("orchestrator", "tests") or (top in EFFECTS and room not in ROOMS_WITH_EFFECTS):
            bad.add(name)
        if top != "hpcapvf" or not rest or rest.startswith("__"):
            continue
        allowed = {room, *ROOMS[room]}
        if not any(rest == a or rest.startswith(f"{a}.") for a in allowed):
            bad.add(name)
    return bad


def modules(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found, f"no modules in {folder}"
    return found


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_room_imports_only_what_the_table_allows(room: str) -> None:
    wrong = {}
    for path in modules(f"hpcapvf/{room}"):
        package = ".".join(path.relative_to(ROOT).parent.parts)
        bad = breaches(room, imports_of(path.read_text(), package))
        if bad:
            wrong[str(path.relative_to(ROOT))] = sorted(bad)
    assert not wrong


def test_every_room_is_in_the_table() -> None:
    rooms = {p.name for p in (ROOT / "hpcapvf").iterdir() if (p / "__init__.py").exists()}
    assert rooms == set(ROOMS)


def test_the_orchestrator_does_not_bypass_the_engine() -> None:
    """It prints and exits; what touches the machine, libvirt and libraries for it, stays in host and lab."""
    wrong = {
        str(path.relative_to(ROOT)): sorted(bad)
        for path in modules("orchestrator")
        if (
            bad := {n for n in imports_of(path.read_text(), "") if n.partition(".")[0] in ("libvirt", "pyudev", "mmap")}
        )
    }
    assert not wrong


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("model", "from hpcapvf.nic import devices"),
        ("plan", "import hpcapvf.host.protocols"),
        ("probe", "from hpcapvf.host import machine"),
        ("probe", "from hpcapvf.host import files, protocols"),
        ("apply", "from hpcapvf.lab.ssh import Ssh"),
        ("verify", "def f():\n    import orchestrator.main"),
        ("spec", "from ..plan import vnp"),
        ("spec", "from .. import plan"),
        ("apply", "import subprocess"),
        ("plan", "from socket import socket"),
        ("domain", "from tests.factories import make_host"),
    ],
)
def test_a_breach_is_seen(room: str, source: str) -> None:
    assert breaches(room, imports_of(source, f"hpcapvf.{room}"))


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("probe", "from hpcapvf.host.protocols import Files"),
        ("probe", "from hpcapvf.host import protocols"),
        ("plan", "from hpcapvf.nic.devices import pf_family\nimport json"),
        ("spec", "from . import fields\nfrom ..model.errors import BadSpec"),
        ("host", "import subprocess"),
    ],
)
def test_what_is_allowed_passes(room: str, source: str) -> None:
    assert not breaches(room, imports_of(source, f"hpcapvf.{room}"))
