"""A conversion of captured files that runs in the guest: what is wished for, what came, and what it said about it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from hpcapvf.host.protocols import Guest
from hpcapvf.model.errors import StepFailed
from hpcapvf.model.progress import Progress

NANOSECONDS = 1_000_000_000
_SILENCE_S = 900.0  # a filter that nothing passes is silent for as long as a whole file takes
_COUNT = re.compile(r"\w+: (.+): (\d+) of (\d+) frames")
_COMPLAINTS_KEPT = 50
_OUTPUT_FAILED = 3
# The names come by standard input, because there may be more than a command line holds. The reader of the ring and the
# polling thread go before this: it is nice.
_SCRIPT = """
cd -- "$1" || exit 4
shift
while IFS= read -r name; do set -- "$@" "$name"; done
exec nice -n 19 "$@"
"""


@dataclass(frozen=True)
class Moment:
    """A time: nanoseconds since 1970, or with relative from the guest's now on (then mostly negative)."""

    ns: int
    relative: bool = False

    def at(self, now_ns: int) -> int:
        """Nanoseconds since 1970."""
        return self.ns + now_ns if self.relative else self.ns


@dataclass(frozen=True)
class Wish:
    """Frames from begin on and before end (None: without that bound) that match expression ("": all).

    form: ``pcapng`` or ``pcap``, as raw2pcap(1) names them. newest_bytes: of each queue only the newest files that hold
    no more than this together, one at least (None: all).
    """

    begin: Moment | None = None
    end: Moment | None = None
    expression: str = ""
    form: str = "pcapng"
    newest_bytes: int | None = None


class Enough(Exception):
    """Raised by who takes the frames: the conversion ends, and what came before stands."""


@dataclass(frozen=True)
class CaptureFile:
    """A file in the capture folder. queue: interface and queue; second: of its first frame; number: of several files
    that begin in one second."""

    path: str
    queue: str
    second: int
    number: int
    size_bytes: int


@dataclass(frozen=True)
class Retrieved:
    """What was brought. from_ns, to_ns: the range as it was understood. status: raw2pcap's exit code (0; 1: faults;
    2: files that could not be used). complaints: what it said about them. files_there: how many the capture folder
    holds. cut_short: who took the frames had enough, so frames, frames_looked_at and status tell of whole files only.
    """

    from_ns: int | None
    to_ns: int | None
    files: tuple[CaptureFile, ...]
    frames: int
    frames_looked_at: int
    bytes_written: int
    status: int
    complaints: tuple[str, ...]
    files_there: int = 0
    cut_short: bool = False

    @property
    def queues(self) -> tuple[str, ...]:
        """Interfaces and queues that the files are from."""
        return tuple(sorted({file.queue for file in self.files}))


@dataclass(frozen=True)
class Program:
    """What converts: it takes raw2pcap(1)'s options and the files behind them, and says of each how many frames it
    took. words: how it is started. hint: for when it fails."""

    name: str
    words: tuple[str, ...]
    hint: str


def seconds_of(ns: int) -> str:
    """As a conversion reads a time."""
    return f"{ns // NANOSECONDS}.{ns % NANOSECONDS:09d}"


class Conversion:
    """One run of a program in the guest."""

    def __init__(
        self, program: Program, guest: Guest, directory: str, files: tuple[CaptureFile, ...], progress: Progress
    ) -> None:
        self._program = program
        self._guest = guest
        self._directory = directory
        self._files = files
        self._progress = progress
        self._sizes = {file.path: file.size_bytes for file in files}
        self._total = sum(self._sizes.values())
        self._done = self._frames = self._looked_at = self._written = 0
        self._complaints: list[str] = []

    def run(self, from_ns: int | None, to_ns: int | None, wish: Wish, take: Callable[[bytes], object]) -> Retrieved:
        """Hand what it writes to take. StepFailed if nothing came, or it could not write."""
        options = ["--format", wish.form, "--output", "-"]
        options += ["--from", seconds_of(max(from_ns, 0))] if from_ns is not None else []
        options += ["--to", seconds_of(max(to_ns, 1))] if to_ns is not None else []
        options += ["--filter", wish.expression] if wish.expression else []

        def count(data: bytes) -> None:
            self._written += len(data)
            take(data)

        cut_short, status = False, 0
        try:
            status = self._guest.stream(
                ["sh", "-c", _SCRIPT, "hpcapvf", self._directory, *self._program.words, *options],
                take=count,
                tell=self._hear,
                silence_s=_SILENCE_S,
                stdin="".join(f"{file.path}\n" for file in self._files).encode(),
            )
        except Enough:
            cut_short = True
        if self._written == 0 or status >= _OUTPUT_FAILED:
            raise StepFailed(
                f"{self._program.name} in the guest ended with status {status}: "
                f"{(self._complaints or ['it said nothing'])[-1]}",
                hint=self._program.hint,
                details=tuple(self._complaints[-_COMPLAINTS_KEPT:]),
            )
        return Retrieved(
            from_ns,
            to_ns,
            self._files,
            self._frames,
            self._looked_at,
            self._written,
            status,
            tuple(self._complaints[:_COMPLAINTS_KEPT]),
            cut_short=cut_short,
        )

    def _hear(self, line: str) -> None:
        match = _COUNT.fullmatch(line)
        if match is None:
            self._complaints.append(line)
            return
        self._frames += int(match[2])
        self._looked_at += int(match[3])
        self._done += self._sizes.get(match[1], 0)
        self._progress.advance(self._done, self._total, "bytes")
