"""Long reads of later steps, begun before the first step and running beside the steps in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hpcapvf.apply.handlers import handler_of
from hpcapvf.host.protocols import Machine, Running
from hpcapvf.model.steps import Step


@contextmanager
def begun_early(steps: Sequence[Step], machine: Machine) -> Iterator[dict[int, Running]]:
    """Programs by the step that wants their answer. Those that still run in the end are ended: they only read."""
    begun: dict[int, Running] = {}
    try:
        for index, step in enumerate(steps):
            program = handler_of(step).ahead(step, machine)
            if program is not None:
                begun[index] = program
        yield begun
    finally:
        for program in begun.values():
            program.end()
