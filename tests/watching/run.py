"""All checks with one number of watched VMs, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from tests.lab.conftest import Server
from tests.watching.disturb import OF_STAGE
from tests.watching.stage import Stage
from tests.watching.vms import SmallVm


def run_stage(server: Server, vms: Sequence[SmallVm], watched: int | str) -> dict[str, Any]:
    """Everything with so many watched VMs, or with the ``rest`` or the ``link``. passed: no check found anything."""
    stage = Stage(server, vms, watched)
    if stage.check("deployed", stage.deploy):
        stage.check("exact", stage.exact)
        if isinstance(watched, int):
            stage.check("share", stage.share)
            stage.check("hpcapstat", stage.told)
        for name, ask in OF_STAGE.get(watched, ()):
            stage.check(name, partial(ask, stage))
    if stage.is_deployed():
        stage.check("destroyed", stage.destroy)
    return {
        "watched": watched,
        "passed": not any(stage.problems.values()),
        "problems": stage.problems,
        "counts": stage.counts,
    }
