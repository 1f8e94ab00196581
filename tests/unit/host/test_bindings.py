"""The extra for hosts of VMs: what is told without it, and that the documents name what it is compiled with."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from hpcapvf.apply.run import apply_plan, destroy
from hpcapvf.host.bindings import binding, require_bindings
from hpcapvf.host.hypervisor import LibvirtHypervisor, _libvirt
from hpcapvf.host.udev import LocalUdev
from hpcapvf.lab.build_roots import BUILD_ROOTS
from hpcapvf.model.bindings import COMPILED_WITH, DEBIAN, EXTRA, LIBRARIES, how_to_install
from hpcapvf.model.errors import NotCapable
from hpcapvf.model.progress import Silent
from orchestrator.commands.deploy import deploy_vnma_parser, deploy_vnp_parser
from orchestrator.suggest import MONITOR_SPEC_EXAMPLE
from tests.fakes.machine import FakeMachine, fake_machine
from tests.unit.apply.world import NAME, make_world
from tests.unit.orchestrator.test_second_run import SPEC

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LIBRARIES:
        monkeypatch.setitem(sys.modules, name, None)  # then an import fails as if it were not installed
    _libvirt.cache_clear()


@pytest.mark.usefixtures("without")
def test_each_use_without_the_extra_names_it(tmp_path: Path) -> None:
    machine: FakeMachine = fake_machine(tmp_path)
    with pytest.raises(NotCapable, match="Python library libvirt ") as libvirt:
        LibvirtHypervisor(machine.clock).domains()
    with pytest.raises(NotCapable, match="Python library pyudev ") as pyudev:
        LocalUdev(machine.files, machine.clock).disk_properties("sda")
    for error in (libvirt.value, pyudev.value):
        assert EXTRA in error.message
        assert error.hint


@pytest.mark.usefixtures("without")
@pytest.mark.parametrize("monitor", [False, True])
def test_a_deployment_is_refused_before_anything_is_done(
    monitor: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = fake_machine(tmp_path / "host")
    monkeypatch.setattr("orchestrator.deployment.local_machine", lambda: machine.machine)
    spec = tmp_path / "spec.yaml"
    spec.write_text(MONITOR_SPEC_EXAMPLE if monitor else SPEC)
    args = (deploy_vnma_parser() if monitor else deploy_vnp_parser()).parse_args([str(spec), "--wait", "1"])
    before = machine.snapshot()
    with pytest.raises(NotCapable, match="Python library libvirt "):
        args.handler(args, Silent())
    assert (machine.snapshot(), machine.faults.log) == (before, [])


@pytest.mark.usefixtures("without")
def test_a_deployment_is_not_taken_away_by_halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    world = make_world(tmp_path)
    apply_plan(world.plan, world.fake.machine, Silent())
    before = world.snapshot()
    lacking = replace(world.fake.machine, hypervisor=LibvirtHypervisor(world.fake.clock))
    with pytest.raises(NotCapable, match="Python library libvirt "):
        destroy(NAME, lacking, Silent())
    assert world.snapshot() == before


def test_one_library_alone_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libvirt", ModuleType("libvirt"))
    monkeypatch.setitem(sys.modules, "pyudev", None)
    with pytest.raises(NotCapable, match="Python library pyudev "):
        require_bindings()
    monkeypatch.setitem(sys.modules, "pyudev", ModuleType("pyudev"))
    require_bindings()


def test_a_library_that_is_there_and_does_not_load_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "libvirt.py").write_text("raise ImportError('libvirt.so.0: cannot open shared object file')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "libvirt", raising=False)
    with pytest.raises(NotCapable, match=r"libvirt\.so\.0: cannot open"):
        binding("libvirt")


def test_the_hint_fits_the_python_that_runs() -> None:
    assert how_to_install(own_environment=False) == f"apt-get install {' '.join(DEBIAN)}"
    hint = how_to_install(own_environment=True)
    assert EXTRA in hint
    assert "python3-libvirt" not in hint  # a virtual environment does not see it


def test_the_quick_start_names_the_packages_that_test_wheel_installs() -> None:
    """And no others: make test-wheel installs the extra in a root file system of just these."""
    text = (ROOT / "docs/quick-start.md").read_text()
    command = next(line for line in text.splitlines() if line.strip().startswith("apt install pipx "))
    packages = command.split()[2:]
    assert packages == ["pipx", *COMPILED_WITH]
    for root in ("hypervisor-bookworm", "hypervisor-trixie"):
        assert list(BUILD_ROOTS[root].packages) == packages
