"""Several questions to a guest in one round trip, and the answers as a guest that has them ready."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hpcapvf.apply.checked import COMMAND_TIMEOUT_S, command_failed
from hpcapvf.apply.in_guest import last_lines
from hpcapvf.host.protocols import CommandResult, Guest, Job, NewFile
from hpcapvf.model.errors import StepFailed


def ask(guest: Guest, *questions: Sequence[str]) -> Guest:
    """The guest, with the answers to these commands ready: whoever runs one of them with it gets that answer.

    Only for reading, and only until something is changed: the answers do not change.
    """
    return answered(guest, guest.run_all([Job(tuple(argv)) for argv in questions], timeout_s=COMMAND_TIMEOUT_S))


def answered(guest: Guest, results: Sequence[CommandResult]) -> Guest:
    """The guest, with what programs gave back ready for whoever would run them again."""
    return _Asked(guest, {result.argv: result for result in results})


def do_all(
    guest: Guest,
    jobs: Sequence[Job],
    *,
    files: Sequence[NewFile] = (),
    timeout_s: float = COMMAND_TIMEOUT_S,
    hint: str = "",
) -> tuple[CommandResult, ...]:
    """Write files and run programs in one round trip; StepFailed with the last lines of the needed one that failed."""
    results = guest.run_all(jobs, timeout_s=timeout_s, files=files)
    for job, result in zip(jobs, results, strict=False):
        if job.needed and result.returncode != 0:
            raise command_failed(result, hint)
    return results


def needed(*argv: str, stdin: str = "") -> Job:
    """A program that must succeed before the next one may run."""
    return Job(argv, stdin, needed=True)


def install_unit(
    guest: Guest,
    unit: str,
    files: Sequence[NewFile],
    *,
    timeout_s: float,
    before: Sequence[Job] = (),
    questions: Sequence[Sequence[str]] = (),
) -> Guest:
    """Write files, run what comes before, have the unit enabled and started, and ask; the guest with those answers.

    StepFailed with the unit's last lines if it does not start.
    """
    start = Job(("systemctl", "enable", "--now", unit), needed=True)  # reads unit files again, too
    jobs = (*before, start, *(Job(tuple(argv)) for argv in questions))
    results = guest.run_all(jobs, timeout_s=timeout_s, files=files)
    failed = next((r for job, r in zip(jobs, results, strict=False) if job.needed and r.returncode != 0), None)
    if failed is not None:
        hint, details = f"see `journalctl -u {unit}` in the guest", last_lines(guest, unit)
        raise StepFailed(command_failed(failed).message, hint=hint, details=details)
    return answered(guest, results[len(before) + 1 :])


class _Asked:
    """A guest beside answers that are there already."""

    def __init__(self, guest: Guest, answers: dict[tuple[str, ...], CommandResult]) -> None:
        self._guest = guest
        self._answers = answers
        self.run_all = guest.run_all
        self.put = guest.put
        self.get = guest.get
        self.stream: Callable[..., int] = guest.stream

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None) -> CommandResult:
        """The answer, if it was asked already; else as the guest."""
        known = self._answers.get(tuple(argv)) if stdin is None else None
        return known or self._guest.run(argv, timeout_s=timeout_s, stdin=stdin)
