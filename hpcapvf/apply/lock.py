"""One change of the host at a time: the lock, and waiting for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from hpcapvf.apply import state
from hpcapvf.host.protocols import Machine
from hpcapvf.model.errors import Conflict
from hpcapvf.model.progress import Progress

_POLL_S = 0.5


@contextmanager
def hold_host(machine: Machine, who: str, progress: Progress, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock of this host's deployments; Conflict names who has it if it is not free within ``wait_s``."""
    end = machine.clock.monotonic() + wait_s
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(machine.files.hold_lock(state.LOCK, who))
                break
            except Conflict as busy:
                if machine.clock.monotonic() >= end:
                    raise _busy(busy, wait_s) from None
                progress.phase("wait for another run", busy.message)
                machine.clock.sleep(_POLL_S)
        yield


def wait_for_host(machine: Machine, who: str, progress: Progress, wait_s: float) -> None:
    """Wait until nobody holds the lock, so that what is planned next is planned for the host as it stays."""
    if wait_s > 0:
        with hold_host(machine, who, progress, wait_s):
            return


def _busy(busy: Conflict, wait_s: float) -> Conflict:
    waited = f" (waited {wait_s:g} s)" if wait_s else ""
    hint = "wait until it has ended" if wait_s else "wait until it has ended; --wait SECONDS does that"
    return Conflict(f"{busy.message}{waited}", hint=hint)
