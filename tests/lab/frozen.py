"""A command that failed because the emulator froze the guest is run once more, and said so.

Seen about once in 15 to 20 starts of a guest with QEMU 10.0.13's emulated SVM: the guest's state holds the server's
CR3, stack and instruction pointer, and KVM in the server gives it the same page fault for ever (docs/lab.md). The
engine tells by KVM's counters (hpcapvf/host/spinning.py); what fails otherwise is not run again.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable

from orchestrator.remote import Envelope

_SIGN = re.compile(r"virtual CPU \d+ spins: [^\"]*")


class GuestFrozen(UserWarning):
    """The emulator froze a guest; pytest's summary shows it."""


def unless_frozen(run: Callable[[], Envelope]) -> Envelope:
    """What run answers; of a second run if the first one failed because a virtual CPU spins."""
    answer = run()
    sign = _SIGN.search(json.dumps([answer.error, answer.result]))
    if answer.ok or sign is None:
        return answer
    warnings.warn(GuestFrozen(f"{answer.command} is run once more: {sign[0]}"), stacklevel=2)
    return run()
