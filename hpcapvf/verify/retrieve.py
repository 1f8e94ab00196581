"""A range of time of a probe's captures, converted in the guest and handed on as it comes; nothing is left there.

Which files overlap the range is told by their names (hpcapdd(1)), ``HALF-HOUR/SECOND_hpcapINTERFACE_QUEUE[_N].raw``:
the second is that of the first frame. A file's last frame is not later than the first of the same queue's next file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from hpcapvf.host.protocols import Guest, Machine, guest_access
from hpcapvf.model.errors import NotFound, StepFailed
from hpcapvf.model.paths import CAPTURE_UNIT
from hpcapvf.model.plan import Plan
from hpcapvf.model.progress import Progress
from hpcapvf.verify import pcap_files
from hpcapvf.verify.capture import COMMAND_TIMEOUT_S, capture_step, flush
from hpcapvf.verify.conversion import NANOSECONDS, CaptureFile, Conversion, Program, Retrieved, Wish

_GUEST_TIMEOUT_S = 60.0
_FLUSH_TIMEOUT_S = 120.0
RAW2PCAP = Program(
    "raw2pcap",
    ("/usr/local/bin/raw2pcap",),
    "a filter is in the language of pcap-filter(7) and needs libpcap in the guest; an older guest's raw2pcap knows "
    "none: deploy again with this version",
)
_NAME = re.compile(r"(\d{1,10})/(\d{1,10})_hpcap([^/\s]+?_\d+)(?:_(\d{1,9}))?\.raw")


def retrieve(
    plan: Plan,
    machine: Machine,
    wish: Wish,
    take: Callable[[bytes], object],
    progress: Progress,
) -> Retrieved:
    """Hand the frames that are wished for to take, in the wished form.

    The RAW file that is being written is closed first if the range may reach into it; pcap files are read as they
    grow. NotFound if no file overlaps the range, StepFailed if nothing could be converted.
    """
    engine, directory = plan.request.engine.kind, capture_step(plan).directory
    progress.phase("look", directory)
    guest = machine.guests.connect(guest_access(plan), timeout_s=_GUEST_TIMEOUT_S)
    now_ns = _now_ns(guest)
    from_ns, to_ns = (None if m is None else m.at(now_ns) for m in (wish.begin, wish.end))
    if from_ns is not None and to_ns is not None and from_ns >= to_ns:
        raise NotFound("nothing lies between --from and --to: the first is not before the second")
    files: tuple[CaptureFile, ...]
    chosen: tuple[CaptureFile, ...]
    if engine == "hpcapvf":
        files = _raw_files(guest, machine, directory, to_ns, progress)
        chosen = overlapping(files, from_ns, to_ns)
    else:
        found_files = pcap_files.list_files(guest, directory)
        files, chosen = found_files, pcap_files.overlapping(found_files, from_ns, to_ns)
    if not chosen:
        raise NotFound(f"no capture of {plan.request.name} lies in that time", hint=_span(files))
    chosen = chosen if wish.newest_bytes is None else newest(chosen, wish.newest_bytes)
    progress.phase("convert", f"{len(chosen)} of {len(files)} files")
    program = RAW2PCAP if engine == "hpcapvf" else pcap_files.program()
    found = Conversion(program, guest, directory, chosen, progress).run(from_ns, to_ns, wish, take)
    return replace(found, files_there=len(files))


def _raw_files(
    guest: Guest, machine: Machine, directory: str, to_ns: int | None, progress: Progress
) -> tuple[CaptureFile, ...]:
    """All RAW files; the open one is closed first if the range may reach into it."""
    files = list_files(guest, directory)
    if _may_reach_open_file(files, to_ns) and _is_capturing(guest):
        progress.phase("close", "the file that is being written")
        flush(guest, machine.clock, after_sequence=-1, from_byte=None, timeout_s=_FLUSH_TIMEOUT_S)
        files = list_files(guest, directory)
    return files


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
