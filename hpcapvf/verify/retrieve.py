"""A range of time of a probe's captures, converted in the guest and handed on as it comes; nothing is left there.

Which files overlap the range is told by their names (hpcapdd(1)), ``HALF-HOUR/SECOND_hpcapINTERFACE_QUEUE[_N].raw``:
the second is that of the first frame. A file's last frame is not later than the first of the same queue's next file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

from hpcapvf.host.protocols import Guest, Machine, guest_access
from hpcapvf.model.errors import NotCapable, NotFound, StepFailed
from hpcapvf.model.paths import CAPTURE_UNIT
from hpcapvf.model.plan import Plan
from hpcapvf.model.progress import Progress
from hpcapvf.verify.capture import COMMAND_TIMEOUT_S, capture_step, flush

NANOSECONDS = 1_000_000_000
_GUEST_TIMEOUT_S = 60.0
_FLUSH_TIMEOUT_S = 120.0
_SILENCE_S = 900.0  # a filter that nothing passes is silent for as long as a whole file takes
_NAME = re.compile(r"(\d{1,10})/(\d{1,10})_hpcap([^/\s]+?_\d+)(?:_(\d{1,9}))?\.raw")
_COUNT = re.compile(r"raw2pcap: (.+): (\d+) of (\d+) frames")
_COMPLAINTS_KEPT = 50
_OUTPUT_FAILED = 3
# The names come by standard input, because there may be more than a command line holds. The reader of the ring and the
# polling thread go before this: it is nice.
_SCRIPT = """
cd -- "$1" || exit 4
shift
while IFS= read -r name; do set -- "$@" "$name"; done
exec nice -n 19 /usr/local/bin/raw2pcap "$@"
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

    form: ``pcapng`` or ``pcap``, as raw2pcap names them. newest_bytes: of each queue only the newest files that hold
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
    """A RAW file in the capture folder. queue: interface and queue; second: of its first frame; number: of several
    files that begin in one second."""

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


def retrieve(
    plan: Plan,
    machine: Machine,
    wish: Wish,
    take: Callable[[bytes], object],
    progress: Progress,
) -> Retrieved:
    """Hand the frames that are wished for to take, in the wished form.

    The file that is being written is closed first if the range may reach into it. NotFound if no file overlaps the
    range, StepFailed if nothing could be converted, NotCapable for another engine than HPCAPvf.
    """
    engine, directory = plan.request.engine.kind, capture_step(plan).directory
    if engine != "hpcapvf":
        raise NotCapable(
            f"{plan.request.name} captures with {engine}, and only RAW files can be fetched by time",
            hint=f"copy its files: they lie in {directory} of the guest",
        )
    progress.phase("look", directory)
    guest = machine.guests.connect(guest_access(plan), timeout_s=_GUEST_TIMEOUT_S)
    now_ns = _now_ns(guest)
    from_ns, to_ns = (None if m is None else m.at(now_ns) for m in (wish.begin, wish.end))
    if from_ns is not None and to_ns is not None and from_ns >= to_ns:
        raise NotFound("nothing lies between --from and --to: the first is not before the second")
    files = list_files(guest, directory)
    if _may_reach_open_file(files, to_ns) and _is_capturing(guest):
        progress.phase("close", "the file that is being written")
        flush(guest, machine.clock, after_sequence=-1, from_byte=None, timeout_s=_FLUSH_TIMEOUT_S)
        files = list_files(guest, directory)
    chosen = overlapping(files, from_ns, to_ns)
    if not chosen:
        raise NotFound(f"no capture of {plan.request.name} lies in that time", hint=_span(files))
    chosen = chosen if wish.newest_bytes is None else newest(chosen, wish.newest_bytes)
    progress.phase("convert", f"{len(chosen)} of {len(files)} files")
    found = _Conversion(guest, directory, chosen, progress).run(from_ns, to_ns, wish, take)
    return replace(found, files_there=len(files))


def list_files(guest: Guest, directory: str) -> tuple[CaptureFile, ...]:
    """The RAW files in a capture folder, queue by queue in the order of their frames. Others are left out."""
    argv = [
        "find",
        directory,
        "-mindepth",
        "2",
        "-maxdepth",
        "2",
        "-type",
        "f",
        "-name",
        "*.raw",
        "-printf",
        r"%P\t%s\n",
    ]
    result = guest.run(argv, timeout_s=COMMAND_TIMEOUT_S)
    if result.returncode != 0:
        raise StepFailed(f"{directory} in the guest cannot be listed: {result.stderr.strip()}", hint="is it mounted?")
    return parse_listing(result.stdout)


def parse_listing(text: str) -> tuple[CaptureFile, ...]:
    """Lines of path, tab, size."""
    found = []
    for line in text.splitlines():
        path, _, size = line.partition("\t")
        match = _NAME.fullmatch(path)
        if match and size.isdecimal():
            found.append(CaptureFile(path, match[3], int(match[2]), int(match[4] or 0), int(size)))
    return tuple(sorted(found, key=lambda file: (file.queue, file.second, file.number)))


def overlapping(files: tuple[CaptureFile, ...], from_ns: int | None, to_ns: int | None) -> tuple[CaptureFile, ...]:
    """Files, ordered as by ``parse_listing``, that may hold frames of the range."""
    chosen = []
    for file, following in pairwise((*files, None)):
        assert file is not None  # noqa: S101 - only the last one is
        last_ns = None
        if following is not None and following.queue == file.queue:
            last_ns = (following.second + 1) * NANOSECONDS  # the name gives whole seconds
        begins_in_time = to_ns is None or file.second * NANOSECONDS < to_ns
        if begins_in_time and (from_ns is None or last_ns is None or last_ns > from_ns):
            chosen.append(file)
    return tuple(chosen)


def newest(files: tuple[CaptureFile, ...], most_bytes: int) -> tuple[CaptureFile, ...]:
    """Of each queue of files, ordered as by ``parse_listing``, the last ones that hold most_bytes at most; one at
    least. most_bytes is for all queues together."""
    queues = sorted({file.queue for file in files})
    chosen: list[CaptureFile] = []
    for queue in queues:
        left, kept = most_bytes // len(queues), list[CaptureFile]()
        for file in reversed([file for file in files if file.queue == queue]):
            left -= file.size_bytes
            if left < 0 and kept:
                break
            kept.append(file)
        chosen += reversed(kept)
    return tuple(chosen)


def seconds_of(ns: int) -> str:
    """As raw2pcap reads a time."""
    return f"{ns // NANOSECONDS}.{ns % NANOSECONDS:09d}"


class _Conversion:
    """One run of raw2pcap in the guest."""

    def __init__(self, guest: Guest, directory: str, files: tuple[CaptureFile, ...], progress: Progress) -> None:
        self._guest = guest
        self._directory = directory
        self._files = files
        self._progress = progress
        self._sizes = {file.path: file.size_bytes for file in files}
        self._total = sum(self._sizes.values())
        self._done = self._frames = self._looked_at = self._written = 0
        self._complaints: list[str] = []

    def run(self, from_ns: int | None, to_ns: int | None, wish: Wish, take: Callable[[bytes], object]) -> Retrieved:
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
                ["sh", "-c", _SCRIPT, "hpcapvf", self._directory, *options],
                take=count,
                tell=self._hear,
                silence_s=_SILENCE_S,
                stdin="".join(f"{file.path}\n" for file in self._files).encode(),
            )
        except Enough:
            cut_short = True
        if self._written == 0 or status >= _OUTPUT_FAILED:
            raise StepFailed(
                f"raw2pcap in the guest ended with status {status}: {(self._complaints or ['it said nothing'])[-1]}",
                hint="a filter is in the language of pcap-filter(7) and needs libpcap in the guest; an older guest's "
                "raw2pcap knows none: deploy again with this version",
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


def _now_ns(guest: Guest) -> int:
    text = guest.run(["date", "+%s%N"], timeout_s=COMMAND_TIMEOUT_S).stdout.strip()
    if not text.isdecimal():
        raise StepFailed(f"the guest does not tell its time: {text!r}")
    return int(text)


def _is_capturing(guest: Guest) -> bool:
    return guest.run(["systemctl", "is-active", "--quiet", CAPTURE_UNIT], timeout_s=COMMAND_TIMEOUT_S).returncode == 0


def _may_reach_open_file(files: tuple[CaptureFile, ...], to_ns: int | None) -> bool:
    """The newest file of any queue may be the open one; before its first frame nothing of it is asked for."""
    newest = max((file.second for file in files), default=0)
    return to_ns is None or to_ns > newest * NANOSECONDS


def _span(files: tuple[CaptureFile, ...]) -> str:
    if not files:
        return "there are no captures yet"
    first, last = min(file.second for file in files), max(file.second for file in files)
    return f"its files begin between {first} and {last} (seconds since 1970): `date -ud @{first}`"
