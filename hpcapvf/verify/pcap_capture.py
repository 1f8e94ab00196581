"""A capture service that writes pcap files: tcpdump on the function's own driver, or DPDK's dumpcap beside testpmd.

Such a service has no word for "close this file", so it is started anew: each start writes files of its own. With
tcpdump, frames are counted by the network interface; its ``rx_dropped`` is left out, since it holds frames that no
protocol of the guest wanted, which tcpdump had all the same (seen: 646, and all were stored). With DPDK, testpmd counts
them, and its telemetry socket tells.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping

from hpcapvf.host.protocols import Clock, Guest
from hpcapvf.model.errors import BadSpec, StepFailed, WaitTimedOut
from hpcapvf.model.guest_steps import LISTENS
from hpcapvf.model.paths import CAPTURE_UNIT, PORT_UNIT
from hpcapvf.model.request import NOT_STORED
from hpcapvf.raw.pcap import read_pcap
from hpcapvf.raw.records import Record
from hpcapvf.verify.capture import COMMAND_TIMEOUT_S, Flush, StoredFile, last_words

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
_MISSED = "the card had no descriptor for frames: see `ethtool -S` in the guest"
_FLAGGED = "the card flagged frames as bad: see `ethtool -S` in the guest"
# ethdev statistics by DPDK's names; a VF of igb or ixgbe has no count of its own for what the card missed.
_TELEMETRY = {"ipackets": "received", "ibytes": "received_bytes", "imissed": "missed", "ierrors": "errors"}
_READ_TELEMETRY = """
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.settimeout(20)
s.connect("/run/dpdk/rte/dpdk_telemetry.v2")
s.recv(16384)
s.send(b"/ethdev/stats,0")
print(s.recv(65536).decode())
"""
_FILE_LINE = re.compile(r"^(\d+) (/.+/capture-\d+\.pcap\d*)$", re.MULTILINE)
# What each program says as it ends: frames that it took, and those that it was given and did not take. dumpcap's first
# number has both.
_TCPDUMP_TOOK = re.compile(r"^(\d+) packets? captured$", re.MULTILINE)
_TCPDUMP_DROPPED = re.compile(r"^(\d+) packets? dropped by kernel$", re.MULTILINE)
_DUMPCAP_ENDED = re.compile(r"^Packets received/dropped on interface .*: (\d+)/(\d+)\b", re.MULTILINE)
_POLL_S = 0.5


class PcapCapture:
    """tcpdump or dumpcap under systemd. engine: of the spec."""

    loss_counters: Mapping[str, str] = {"missed": _MISSED, "errors": _FLAGGED}

    def __init__(self, guest: Guest, clock: Clock, directory: str, engine: str) -> None:
        self._engine = engine
        self._guest = guest
        self._clock = clock
        self._directory = directory
        self._closed: set[str] = set()
        self._flushes = 0

    def counters(self) -> dict[str, int]:
        """What the interface counts, or testpmd."""
        if self._engine == "dpdk":
            return self._telemetry()
        text = self._guest.run(["sh", "-c", _READ_STATISTICS], timeout_s=COMMAND_TIMEOUT_S).stdout
        pairs = (line.partition(":")[::2] for line in text.splitlines())
        return {_STATISTICS[name]: int(value) for name, value in pairs if name in _STATISTICS and value.isdecimal()}

    def _telemetry(self) -> dict[str, int]:
        result = self._guest.run(["python3", "-c", _READ_TELEMETRY], timeout_s=COMMAND_TIMEOUT_S)
        try:
            answer = json.loads(result.stdout)
            return {ours: int(answer["/ethdev/stats"][theirs]) for theirs, ours in _TELEMETRY.items()}
        except (ValueError, KeyError, TypeError) as error:
            raise StepFailed(
                "testpmd in the guest does not tell what it counted",
                hint=f"see `journalctl -u {PORT_UNIT}` in the guest",
                details=tuple(result.stderr.splitlines()[-3:]),
            ) from error

    def flush(self, timeout_s: float) -> Flush:
        """Start it anew, and find the files that it no longer writes to. What the kernel dropped meanwhile, which the
        program says as it ends, was not saved."""
        self._restart(timeout_s)
        self._flushes += 1
        took, dropped = _totals(self._engine, self._log())
        stores = self._directory != NOT_STORED
        new = self._newly_closed() if stores else [StoredFile("/dev/null", took, None, 0, 0)]
        if new:
            new[-1] = dataclasses.replace(new[-1], unsaved_frames=dropped)
        return Flush(self._flushes, tuple(new) if self._flushes > 1 else (), restarted=False, next_byte=0)

    def read(self, content: bytes) -> tuple[tuple[Record, ...], tuple[str, ...]]:
        """Frames of a pcap file; one that cannot be read whole has a fault and gives none."""
        try:
            frames = read_pcap(content)
        except BadSpec as error:
            return (), (error.message,)
        return tuple(Record(-1, f.ts_ns, f.wire_bytes, f.data) for f in frames), ()

    def _restart(self, timeout_s: float) -> None:
        starts = self._log().count(LISTENS[self._engine])
        result = self._guest.run(["systemctl", "restart", CAPTURE_UNIT], timeout_s=timeout_s)
        if result.returncode != 0:
            raise StepFailed(
                f"{CAPTURE_UNIT} did not start anew: {result.stderr.strip() or result.returncode}",
                details=last_words(self._guest),
            )
        end = self._clock.monotonic() + timeout_s
        while self._log().count(LISTENS[self._engine]) <= starts:
            if self._clock.monotonic() >= end:
                raise WaitTimedOut(
                    f"{CAPTURE_UNIT} did not listen again within {timeout_s:g} s", details=last_words(self._guest)
                )
            self._clock.sleep(_POLL_S)

    def _log(self) -> str:
        argv = ["journalctl", "--no-pager", "-o", "cat", "-b", "-u", CAPTURE_UNIT]
        return self._guest.run(argv, timeout_s=COMMAND_TIMEOUT_S).stdout

    def _newly_closed(self) -> list[StoredFile]:
        files = self._files()
        open_now = max((path for path, _ in files), key=_start_of, default="")
        closed = [(path, size) for path, size in files if _start_of(path) != _start_of(open_now)]
        new = [StoredFile(path, None, None, size, 0) for path, size in closed if path not in self._closed]
        self._closed |= {path for path, _ in closed}
        return new

    def _files(self) -> list[tuple[str, int]]:
        argv = ["find", self._directory, "-maxdepth", "1", "-name", "capture-*", "-printf", "%s %p\\n"]
        text = self._guest.run(argv, timeout_s=COMMAND_TIMEOUT_S).stdout
        return [(path, int(size)) for size, path in sorted(_FILE_LINE.findall(text), key=lambda pair: _order(pair[1]))]


def _totals(engine: str, log: str) -> tuple[int, int]:
    """Frames that the last run took, and those that it was given and did not take, by its own last words."""
    if engine == "dpdk":
        ended = _DUMPCAP_ENDED.findall(log)
        given, dropped = map(int, ended[-1]) if ended else (0, 0)
        return given - dropped, dropped
    last = (pattern.findall(log)[-1:] for pattern in (_TCPDUMP_TOOK, _TCPDUMP_DROPPED))
    took, dropped = (int(found[0]) if found else 0 for found in last)
    return took, dropped


def _start_of(path: str) -> int:
    """When the run that wrote a file began, in seconds since 1970, as its name says."""
    match = re.search(r"capture-(\d+)\.pcap\d*$", path)
    return int(match[1]) if match else -1


def _order(path: str) -> tuple[int, int]:
    """Files of one run are counted: .pcap, .pcap1, .pcap2."""
    count = path.rpartition(".pcap")[2]
    return _start_of(path), int(count) if count.isdecimal() else 0
