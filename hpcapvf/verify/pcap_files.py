"""The pcap files of a guest that captures with tcpdump or DPDK: which of them hold frames of a range of time.

``capture-SECOND.pcap``, ``.pcap1``, ``.pcap2`` …: the second is when the run began that wrote them (the units
in vm-templates). A file was last written when its last frame came, so its time of change bounds it, and the next file
of its run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

from hpcapvf.host.protocols import Guest
from hpcapvf.model.errors import StepFailed
from hpcapvf.verify.capture import COMMAND_TIMEOUT_S
from hpcapvf.verify.conversion import NANOSECONDS, CaptureFile, Program

_LINE = re.compile(r"(capture-(\d{1,10})\.pcap(\d{0,9}))\t(\d{1,18})\t(\d{1,10})\.\d+")
_QUEUE = "capture"


@dataclass(frozen=True)
class PcapFile(CaptureFile):
    """changed: second of its last change."""

    changed: int = 0


@cache
def program() -> Program:
    """Python's own in the guest, with our text."""
    text = resources.files("hpcapvf").joinpath("capture", "pcap_convert.py").read_text(encoding="utf-8")
    hint = "a filter is in the language of pcap-filter(7) and needs tcpdump in the guest"
    return Program("the guest's Python", ("python3", "-c", text), hint)


def list_files(guest: Guest, directory: str) -> tuple[PcapFile, ...]:
    """The capture's files, in the order in which they were written."""
    argv = ["find", directory, "-maxdepth", "1", "-type", "f", "-name", "capture-*", "-printf", r"%f\t%s\t%T@\n"]
    result = guest.run(argv, timeout_s=COMMAND_TIMEOUT_S)
    if result.returncode != 0:
        raise StepFailed(f"{directory} in the guest cannot be listed: {result.stderr.strip()}", hint="is it mounted?")
    return parse_listing(result.stdout)


def parse_listing(text: str) -> tuple[PcapFile, ...]:
    """Lines of name, size and time of change, with tabs between."""
    found = [
        PcapFile(match[1], _QUEUE, int(match[2]), int(match[3] or 0), int(match[4]), int(match[5]))
        for match in map(_LINE.fullmatch, text.splitlines())
        if match
    ]
    return tuple(sorted(found, key=lambda file: (file.second, file.number)))


def overlapping(files: tuple[PcapFile, ...], from_ns: int | None, to_ns: int | None) -> tuple[PcapFile, ...]:
    """Files, ordered as by ``parse_listing``, that may hold frames of the range."""
    chosen, begins = [], 0
    for number, file in enumerate(files):
        of_same_run = number > 0 and files[number - 1].second == file.second
        begins = files[number - 1].changed if of_same_run else file.second
        ends_ns = (file.changed + 1) * NANOSECONDS
        if (to_ns is None or begins * NANOSECONDS < to_ns) and (from_ns is None or ends_ns > from_ns):
            chosen.append(file)
    return tuple(chosen)
