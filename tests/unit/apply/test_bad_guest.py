"""Guests that do not become what they should: never up, up without ssh, or with a kernel that no module is for."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpcapvf.apply.run import apply_plan
from hpcapvf.model.errors import ExitCode, HpcapvfError, NotFound, StepFailed, WaitTimedOut
from hpcapvf.model.paths import DRIVER_STORE
from hpcapvf.model.progress import Silent
from tests.fakes.tree import GUEST_RELEASE
from tests.unit.apply.world import NAME, World, make_world

PANIC = ("last lines of console.log:", "Kernel panic - not syncing: VFS: Unable to mount root fs")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def refused(world: World, kind: type[HpcapvfError]) -> HpcapvfError:
    """The error that the deployment ends with; the host is as it was before."""
    before = world.snapshot()
    with pytest.raises(kind) as caught:
        apply_plan(world.plan, world.fake.machine, Silent())
    assert world.snapshot() == before
    assert any(line.startswith("undone: start domain") for line in caught.value.details)
    return caught.value


def starts(world: World) -> int:
    return sum((kind, what) == ("hypervisor", f"start {NAME}") for kind, what in world.fake.faults.log)


def test_one_that_never_boots_is_started_once_more_then_shown_with_its_console_and_taken_away(world: World) -> None:
    world.fake.hypervisor.address = None
    world.fake.guests.console = PANIC
    error = refused(world, WaitTimedOut)
    assert error.exit_code is ExitCode.TIMEOUT
    assert error.message.startswith(f"wait until guest {NAME} answers")
    assert error.details[: len(PANIC)] == PANIC
    assert starts(world) == 2


def test_one_that_asked_for_an_address_is_waited_for_and_not_started_again(world: World) -> None:
    world.fake.guests.silent = "Connection refused"
    world.fake.guests.console = PANIC
    error = refused(world, WaitTimedOut)
    assert "Connection refused" in error.message
    assert error.details[: len(PANIC)] == PANIC
    assert starts(world) == 1


def test_one_whose_cloud_init_fails_says_what_that_said(world: World) -> None:
    world.fake.guest.on("cloud-init", lambda argv, _stdin: (1, "status: error\nno datasource\n", ""))
    error = refused(world, StepFailed)
    assert "cloud-init failed" in error.message
    assert "no datasource" in error.details


def test_one_whose_kernel_has_no_module_in_the_store_is_told_which_there_are_and_what_headers_it_needs(
    world: World,
) -> None:
    store = world.fake.root / DRIVER_STORE.lstrip("/")
    (store / GUEST_RELEASE).rename(store / "6.1.0-other-amd64")
    error = refused(world, NotFound)
    assert f"the guest runs kernel {GUEST_RELEASE}" in error.message
    assert "it has those for: 6.1.0-other-amd64" in error.message
    assert f"linux-headers-{GUEST_RELEASE}" in error.hint
    assert not any(path.endswith("hpcapvf.ko") for path in world.fake.guest.files)


def test_one_that_does_not_take_the_module_shows_its_kernels_last_words(world: World) -> None:
    taken = world.fake.guest._handlers["modprobe"]

    def modprobe(argv: tuple[str, ...], stdin: bytes) -> tuple[int, str, str]:
        if argv[-1] != "hpcapvf":
            return taken(argv, stdin)
        return 1, "", "modprobe: ERROR: could not insert 'hpcapvf': Invalid module format\n"

    world.fake.guest.on("modprobe", modprobe)
    error = refused(world, StepFailed)
    assert "Invalid module format" in error.message
    assert "kernel line" in error.details
