"""Frames on a lab's wire: runs sent at a pace, frames received, counted and recorded.

One datagram on a unix socket is one Ethernet frame. A full socket is backpressure, never loss: QEMU stops reading when
the card has no buffer, and the frame is offered again.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from hpcapvf.lab.wire_protocol import BadRequest, Run, SendRequest, due_s, forgiven_s
from hpcapvf.raw.pcap import Frame, pcap_file_header, pcap_record

PORT_SOCKETS = (("wire.sock", "nic.sock"), ("wire2.sock", "nic2.sock"))
KEPT_RUNS = 32
BURST_FRAMES = 64
RETRY_WAIT_S = 0.0005
STALL_S = 30.0
SOCKET_BUFFER_BYTES = 4 * 1024 * 1024
LONGEST_DATAGRAM_BYTES = 65536
NEVER_S = float("inf")


@dataclass(eq=False)
class Port:
    """The far end of one card's port."""

    own: socket.socket
    far_path: str
    frames_sent: int = 0
    bytes_sent: int = 0
    frames_received: int = 0
    bytes_received: int = 0
    send_retries: int = 0

    def counters(self) -> dict[str, int]:
        """The public view of a port."""
        names = ("frames_sent", "bytes_sent", "frames_received", "bytes_received", "send_retries")
        return {name: getattr(self, name) for name in names}


@dataclass
class Recording:
    """A pcap file that is being written."""

    path: str
    stream: BinaryIO
    frames: int = 0
    bytes: int = 0


def open_port(own_path: str, far_path: str) -> Port:
    """Bind this end of a port; the card's end need not be there yet."""
    Path(own_path).unlink(missing_ok=True)
    own = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
    own.bind(own_path)
    own.setblocking(False)
    return Port(own, far_path)


class Traffic:
    """The ports, the queue of runs and the recording. Runs are sent one after the other."""

    def __init__(self, ports: int) -> None:
        self.ports = [open_port(*PORT_SOCKETS[number]) for number in range(ports)]
        self.queue: deque[Run] = deque()
        self.runs: dict[int, Run] = {}
        self.next_run = 1
        self.recording: Recording | None = None
        self.retry_at_s = 0.0

    def next_due_s(self) -> float:
        """When something is to be sent next, on the monotonic clock; NEVER_S when nothing is."""
        if not self.queue or not self.queue[0].frames or self.queue[0].next_frame >= len(self.queue[0].frames):
            return NEVER_S
        run = self.queue[0]
        return max(self.retry_at_s, run.started_s + due_s(run) if run.state == "sending" else 0.0)

    def receive(self, port: Port) -> None:
        """Take what the card sent, at most one burst."""
        for _ in range(BURST_FRAMES):
            try:
                data = port.own.recv(LONGEST_DATAGRAM_BYTES)
            except BlockingIOError:
                return
            port.frames_received += 1
            port.bytes_received += len(data)
            if self.recording:
                self.recording.stream.write(pcap_record(Frame(time.time_ns(), data)))
                self.recording.frames += 1
                self.recording.bytes += len(data)

    def send_due(self) -> None:
        """Send what is due of the first run in the queue, at most one burst, so that receiving goes on."""
        if not self.queue:
            return
        run, now = self.queue[0], time.monotonic()
        if run.state == "waiting" and run.frames:
            run.state, run.started_s, run.progress_s = "sending", now, now
        if run.state == "sending":
            run.started_s += forgiven_s(run, now - run.started_s)
        for _ in range(BURST_FRAMES):
            if run.next_frame == len(run.frames) and not self.rewind(run, now):
                break
            if run.started_s + due_s(run) > now or not self.send_one(run, now):
                break

    def rewind(self, run: Run, now: float) -> bool:
        """At the end of a run's frames: begin its next loop or take it from the queue. Whether there is more."""
        if run.is_open:
            if now - run.progress_s > STALL_S:
                self.finish(run, "failed", f"no more frames came for {STALL_S:.0f} s, though the run was left open")
            return False
        run.loops_done += 1
        if run.loops_done < run.loop and run.frames:
            run.next_frame = 0
            if run.rate is None:
                run.started_s = now
            return True
        self.finish(run, "done")
        return False

    def finish(self, run: Run, state: str, error: str = "") -> None:
        """Take a run from the queue for good."""
        run.state, run.error, run.is_open = state, error, False
        run.frames, run.times_ns, run.next_frame = [], [], 0
        if run in self.queue:
            self.queue.remove(run)

    def send_one(self, run: Run, now: float) -> bool:
        """Offer one frame; False when the card does not take it now."""
        port, frame = self.ports[run.port], run.frames[run.next_frame]
        try:
            port.own.sendto(frame, port.far_path)
        except BlockingIOError:
            port.send_retries += 1
            self.retry_at_s = now + RETRY_WAIT_S
            if now - run.progress_s > STALL_S:
                self.finish(run, "failed", f"the card has taken no frame for {STALL_S:.0f} s: is its port up?")
            return False
        except OSError as error:
            self.finish(run, "failed", f"the emulated card is not there: {error.strerror}")
            return False
        run.progress_s = now
        run.seconds = now - run.first_s if run.frames_sent else 0.0
        run.first_s = run.first_s or now
        run.next_frame += 1
        run.frames_sent += 1
        run.bytes_sent += len(frame)
        port.frames_sent += 1
        port.bytes_sent += len(frame)
        return True

    def run_numbered(self, number: int) -> Run:
        """A run that is queued or was finished not long ago."""
        if number not in self.runs:
            raise BadRequest(f"there is no run {number}")
        return self.runs[number]

    def enqueue(self, request: SendRequest) -> dict[str, Any]:
        """Make a run of a request, or add its frames to an open one."""
        if request.port >= len(self.ports):
            raise BadRequest(f"this lab has {len(self.ports)} port(s); there is no port {request.port}")
        run = self.run_numbered(request.run) if request.run else self.new_run(request)
        if request.run and not run.is_open:
            raise BadRequest(f"run {run.number} is {run.state} and takes no more frames")
        run.frames += request.frames
        run.times_ns += request.times_ns
        run.is_open = request.more
        run.progress_s = time.monotonic()
        return {"run": run.number, "queued": len(run.frames) - run.next_frame}

    def new_run(self, request: SendRequest) -> Run:
        """Append an empty run to the queue, and forget the oldest finished one."""
        run = Run(self.next_run, request.port, request.rate, request.loop)
        self.next_run += 1
        self.runs[run.number] = run
        self.queue.append(run)
        finished = [number for number, other in self.runs.items() if other not in self.queue]
        for number in finished[:-KEPT_RUNS]:
            del self.runs[number]
        return run

    def cancel(self) -> None:
        """Drop everything that is still queued."""
        for run in list(self.queue):
            self.finish(run, "cancelled")

    def record(self, path: str) -> dict[str, Any]:
        """Begin to write received frames to a pcap file."""
        if self.recording:
            raise BadRequest(f"already recording to {self.recording.path}")
        if not path:
            raise BadRequest('record needs "pcap" or "stop"')
        stream = Path(path).open("wb")  # noqa: SIM115 - lives until the recording is stopped
        stream.write(pcap_file_header())
        self.recording = Recording(path, stream)
        return {"recording": path}

    def stop_recording(self) -> dict[str, Any]:
        """End the recording. Returns what it holds; without a recording, zeros."""
        if not self.recording:
            return {"recording": None, "frames": 0, "bytes": 0}
        recording, self.recording = self.recording, None
        recording.stream.close()
        return {"recording": recording.path, "frames": recording.frames, "bytes": recording.bytes}

    def stats(self) -> dict[str, Any]:
        """Counters of all ports and runs."""
        return {
            "ports": [port.counters() for port in self.ports],
            "runs": [run.counters() for run in list(self.runs.values())[-KEPT_RUNS:]],
            "recording": self.recording.path if self.recording else None,
        }
