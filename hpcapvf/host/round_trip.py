"""Several programs, and files before them, in one round trip: as a shell script, and what came back taken apart again.

Outputs are told apart by a mark that nobody can know beforehand, so no program can print it.
"""

from __future__ import annotations

import io
import shlex
import tarfile
from collections.abc import Sequence

from hpcapvf.host.protocols import CommandResult, Job, NewFile
from hpcapvf.model.errors import StepFailed

# Files come in by the script's own standard input. -m: with the time of now, because the stream has none.
UNPACK = Job(("tar", "-x", "-p", "-m", "-C", "/", "-f", "-"), needed=True)


def script_of(jobs: Sequence[Job], mark: str, *, unpacks: bool) -> str:
    """A POSIX shell script that runs the jobs. unpacks: the first one is ``UNPACK`` and gets the script's input."""
    return "\n".join(_lines(job, mark, inherits=unpacks and number == 0) for number, job in enumerate(jobs))


def _lines(job: Job, mark: str, *, inherits: bool) -> str:
    if "\0" in job.stdin or any("\0" in word for word in job.argv):
        raise StepFailed(f"not a command for a script: {list(job.argv)!r}")
    words = shlex.join(job.argv)
    if job.stdin:
        words = f"printf %s {shlex.quote(job.stdin)} | {words}"
    elif not inherits:
        words += " </dev/null"
    end = f"s=$?; printf '\\n%s %d\\n' {mark} $s; printf '\\n%s\\n' {mark} >&2"
    return f"{words}\n{end}" + ("; [ $s -eq 0 ] || exit 0" if job.needed else "")


def results_of(jobs: Sequence[Job], mark: str, out: bytes, err: bytes) -> tuple[CommandResult, ...]:
    """What each job gave back, without those after a needed one that failed. StepFailed if the script broke off."""
    line = f"\n{mark}".encode()
    outputs, complaints = out.split(line + b" "), err.split(line + b"\n")
    results: list[CommandResult] = []
    text = outputs[0]
    for job, after, said in zip(jobs, outputs[1:], complaints, strict=False):
        status, whole, following = after.partition(b"\n")
        if not whole:
            break  # the connection ended in the middle of this line
        results.append(CommandResult(job.argv, int(status), _text(text), _text(said)))
        text = following
    ended = len(results) == len(jobs) or (bool(results) and jobs[len(results) - 1].needed and results[-1].returncode)
    if not ended:
        last = _text(complaints[-1]).strip().splitlines()
        raise StepFailed(
            f"the guest's shell broke off after {len(results)} of {len(jobs)} programs"
            + (f": {last[-1]}" if last else "")
        )
    return tuple(results)


def tar_of(files: Sequence[NewFile]) -> bytes:
    """The files as one stream, all root's; missing folders are made by whoever unpacks it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for file in files:
            entry = tarfile.TarInfo(file.path.lstrip("/"))
            entry.size, entry.mode = len(file.data), file.mode
            tar.addfile(entry, io.BytesIO(file.data))
    return stream.getvalue()


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
