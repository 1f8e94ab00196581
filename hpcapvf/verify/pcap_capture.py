"""A capture service that writes pcap files: tcpdump on the function's own driver.

Such a service has no word for "close this file", so it is started anew: each start writes files of its own. What it
counts is what the network interface counts; its ``rx_dropped`` is left out, since it holds frames that no protocol of
the guest wanted, which tcpdump had all the same (seen: 646, and all were stored).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from hpcapvf.host.protocols import Clock, Guest
from hpcapvf.model.errors import BadSpec, StepFailed, WaitTimedOut
from hpcapvf.raw.pcap import read_pcap
from hpcapvf.raw.records import Record
from hpcapvf.verify.capture import CAPTURE_UNIT, COMMAND_TIMEOUT_S, Flush, StoredFile, last_words

_STATISTICS = {
    "rx_packets": "received",
    "rx_bytes": "received_bytes",
    "rx_missed_errors": "missed",
    "rx_errors": "errors",
}
_READ_STATISTICS = """
. /etc/hpcapvf/interface
cd "/sys/class/net/$INTERFACE/statistics" && grep -H . rx_packets rx_bytes rx_missed_errors rx_errors
"""
_FILE_LINE = re.compile(r"^(\d+) (/.+/capture-\d+\.pcap\d*)$", re.MULTILINE)
_DROPPED = re.compile(r"^(\d+) packets? dropped by kernel$", re.MULTILINE)
_LISTENS = "listening on"
_POLL_S = 0.5


class PcapCapture:
    """tcpdump under systemd."""

    loss_counters: Mapping[str, str] = {
        "missed": "the card had no descriptor for frames: see `ethtool -S` in the guest",
        "errors": "the card flagged frames as bad: see `ethtool -S` in the guest",
    }

    def __init__(self, guest: Guest, clock: Clock, directory: str) -> None:
        self._guest = guest
        self._clock = clock
        self._directory = directory
        self._closed: set[str] = set()
        self._flushes = 0

    def counters(self) -> dict[str, int]:
        """What the interface counts."""
        text = self._guest.run(["sh", "-c", _READ_STATISTICS], timeout_s=COMMAND_TIMEOUT_S).stdout
        pairs = (line.partition(":")[::2] for line in text.splitlines())
        return {_STATISTICS[name]: int(value) for name, value in pairs if name in _STATISTICS and value.isdecimal()}

    def flush(self, timeout_s: float) -> Flush:
        """Start it anew, and find the files that it no longer writes to. What the kernel dropped meanwhile, which the
        program says as it ends, was not saved."""
        self._restart(timeout_s)
        files = self._files()
        open_now = max((path for path, _ in files), key=_start_of, default="")
        closed = [(path, size) for path, size in files if _start_of(path) != _start_of(open_now)]
        new = [StoredFile(path, None, None, size, 0) for path, size in closed if path not in self._closed]
        self._closed |= {path for path, _ in closed}
        self._flushes += 1
        if new:
            new[-1] = dataclasses.replace(new[-1], unsaved_frames=self._drops_of_last_run())
        return Flush(self._flushes, tuple(new) if self._flushes > 1 else (), restarted=False, next_byte=0)

    def read(self, content: bytes) -> tuple[tuple[Record, ...], tuple[str, ...]]:
        """Frames of a pcap file; one that cannot be read whole has a fault and gives none."""
        try:
            frames = read_pcap(content)
        except BadSpec as error:
            return (), (error.message,)
        return tuple(Record(-1, f.ts_ns, f.wire_bytes, f.data) for f in frames), ()

    def _restart(self, timeout_s: float) -> None:
        starts = self._log().count(_LISTENS)
        result = self._guest.run(["systemctl", "restart", CAPTURE_UNIT], timeout_s=timeout_s)
        if result.returncode != 0:
            raise StepFailed(
                f"{CAPTURE_UNIT} did not start anew: {result.stderr.strip() or result.returncode}",
                details=last_words(self._guest),
            )
        end = self._clock.monotonic() + timeout_s
        while self._log().count(_LISTENS) <= starts:
            if self._clock.monotonic() >= end:
                raise WaitTimedOut(
                    f"{CAPTURE_UNIT} did not listen again within {timeout_s:g} s", details=last_words(self._guest)
                )
            self._clock.sleep(_POLL_S)

    def _log(self) -> str:
        argv = ["journalctl", "--no-pager", "-o", "cat", "-b", "-u", CAPTURE_UNIT]
        return self._guest.run(argv, timeout_s=COMMAND_TIMEOUT_S).stdout

    def _drops_of_last_run(self) -> int:
        found = _DROPPED.findall(self._log())
        return int(found[-1]) if found else 0

    def _files(self) -> list[tuple[str, int]]:
        argv = ["find", self._directory, "-maxdepth", "1", "-name", "capture-*", "-printf", "%s %p\\n"]
        text = self._guest.run(argv, timeout_s=COMMAND_TIMEOUT_S).stdout
        return [(path, int(size)) for size, path in sorted(_FILE_LINE.findall(text), key=lambda pair: _order(pair[1]))]


def _start_of(path: str) -> int:
    """When the run that wrote a file began, in seconds since 1970, as its name says."""
    match = re.search(r"capture-(\d+)\.pcap\d*$", path)
    return int(match[1]) if match else -1


def _order(path: str) -> tuple[int, int]:
    """Files of one run are counted: .pcap, .pcap1, .pcap2."""
    count = path.rpartition(".pcap")[2]
    return _start_of(path), int(count) if count.isdecimal() else 0
