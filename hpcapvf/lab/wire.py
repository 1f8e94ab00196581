"""The process at the far end of a lab's NIC ports: sends at a pace, receives, counts, records.

One datagram on a unix socket is one Ethernet frame. A full socket is backpressure, never loss: QEMU stops reading when
the card has no buffer, and the frame is offered again. ``python -m hpcapvf.lab.wire FOLDER PORTS`` runs it in a lab's
state folder; wire_protocol says what it understands.
"""

from __future__ import annotations

import argparse
import os
import selectors
import signal
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from hpcapvf.lab.wire_protocol import (
    BadRequest,
    LineBuffer,
    Run,
    SendRequest,
    check_frame,
    due_s,
    encode_error,
    encode_reply,
    forgiven_s,
    parse_line,
    parse_send,
    seconds_of,
    whole,
)
from hpcapvf.model.errors import HpcapvfError
from hpcapvf.raw.pcap import Frame, pcap_file_header, pcap_record, read_pcap

CONTROL_SOCKET = "control.sock"
GUEST_SOCKET = "wire-port.sock"
PORT_SOCKETS = (("wire.sock", "nic.sock"), ("wire2.sock", "nic2.sock"))
KEPT_RUNS = 32
BURST_FRAMES = 64
IDLE_WAIT_S = 0.5
RETRY_WAIT_S = 0.0005
STALL_S = 30.0
LONGEST_WAIT_S = 3600.0
LONGEST_BACKLOG_BYTES = 8 * 1024 * 1024
RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024


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


@dataclass(eq=False)
class Client:
    """One connection. is_local: from this machine, so that it may name files and end the process."""

    connection: socket.socket
    is_local: bool
    lines: LineBuffer = field(default_factory=LineBuffer)
    requests: deque[bytes] = field(default_factory=deque)
    outgoing: bytearray = field(default_factory=bytearray)
    waiting: tuple[dict[str, Any], Run, float] | None = None


@dataclass
class Recording:
    """A pcap file that is being written."""

    path: str
    stream: BinaryIO
    frames: int = 0
    bytes: int = 0


class Wire:
    """The event loop and everything it owns."""

    def __init__(self, ports: int) -> None:
        self.selector = selectors.DefaultSelector()
        self.started_s = time.monotonic()
        self.ports = [self.open_port(*PORT_SOCKETS[number]) for number in range(ports)]
        self.listeners = {self.listen(CONTROL_SOCKET): True, self.listen(GUEST_SOCKET): False}
        self.clients: set[Client] = set()
        self.queue: deque[Run] = deque()
        self.runs: dict[int, Run] = {}
        self.next_run = 1
        self.recording: Recording | None = None
        self.progress_s = 0.0
        self.retry_at_s = 0.0
        self.quitting = False

    def open_port(self, own_path: str, far_path: str) -> Port:
        Path(own_path).unlink(missing_ok=True)
        own = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, RECEIVE_BUFFER_BYTES)
        own.bind(own_path)
        own.setblocking(False)
        port = Port(own, far_path)
        self.selector.register(own, selectors.EVENT_READ, port)
        return port

    def listen(self, path: str) -> socket.socket:
        Path(path).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        listener.listen(8)
        listener.setblocking(False)
        self.selector.register(listener, selectors.EVENT_READ, None)
        return listener

    def serve(self) -> None:
        """Run until somebody says quit."""
        while not self.quitting:
            for key, events in self.selector.select(self.wait_s()):
                if isinstance(key.data, Port):
                    self.receive(key.data)
                elif isinstance(key.data, Client):
                    self.talk(key.data, events)
                else:
                    self.accept(key.fileobj)  # type: ignore[arg-type]
            self.send_due()
            self.answer_waiting()
        self.stop_recording()

    def wait_s(self) -> float:
        """How long nothing will have to be done."""
        now = time.monotonic()
        wait = IDLE_WAIT_S
        if self.queue:
            run = self.queue[0]
            if run.next_frame < len(run.frames):
                wait = min(wait, run.started_s + due_s(run) - now if run.state == "sending" else 0)
                wait = max(wait, self.retry_at_s - now)
        for client in self.clients:
            if client.waiting:
                wait = min(wait, client.waiting[2] - now)
        return max(0.0, wait)

    # --- frames -------------------------------------------------------------------------------------------

    def receive(self, port: Port) -> None:
        for _ in range(BURST_FRAMES):
            try:
                data = port.own.recv(65536)
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
            run.state, run.started_s, self.progress_s = "sending", now, now
        if run.state == "sending":
            run.started_s += forgiven_s(run, now - run.started_s)
        for _ in range(BURST_FRAMES):
            if run.next_frame == len(run.frames) and not self.rewind(run):
                break
            if run.started_s + due_s(run) > now or not self.send_one(run, now):
                break
        run.seconds = time.monotonic() - run.started_s if run.started_s else 0.0

    def rewind(self, run: Run) -> bool:
        """At the end of a run's frames: begin its next loop, or take it from the queue. Whether there is more to send."""
        if run.is_open:
            return False
        run.loops_done += 1
        if run.loops_done < run.loop and run.frames:
            run.next_frame = 0
            if run.rate is None:
                run.started_s = time.monotonic()
            return True
        self.finish(run, "done")
        return False

    def finish(self, run: Run, state: str, error: str = "") -> None:
        run.state, run.error = state, error
        run.frames, run.times_ns = [], []
        run.is_open = False
        run.next_frame = 0
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
            if now - self.progress_s > STALL_S:
                self.finish(run, "failed", f"the card has taken no frame for {STALL_S:.0f} s: is its port up?")
            return False
        except OSError as error:
            self.finish(run, "failed", f"the emulated card is not there: {error.strerror}")
            return False
        self.progress_s = now
        run.next_frame += 1
        run.frames_sent += 1
        run.bytes_sent += len(frame)
        port.frames_sent += 1
        port.bytes_sent += len(frame)
        return True

    # --- clients ------------------------------------------------------------------------------------------

    def accept(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.setblocking(False)
        client = Client(connection, self.listeners[listener])
        self.clients.add(client)
        self.selector.register(connection, selectors.EVENT_READ, client)

    def talk(self, client: Client, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                self.flush(client)
            if events & selectors.EVENT_READ:
                data = client.connection.recv(1 << 20)
                if not data:
                    self.drop(client)
                    return
                self.take_lines(client, data)
        except BlockingIOError:
            return
        except OSError:
            self.drop(client)

    def take_lines(self, client: Client, data: bytes) -> None:
        try:
            client.requests.extend(client.lines.feed(data))
        except BadRequest as error:
            self.reply(client, encode_error(None, str(error)))
        self.handle_requests(client)

    def handle_requests(self, client: Client) -> None:
        while client.requests and not client.waiting:
            request = None
            try:
                request = parse_line(client.requests.popleft())
                answer = self.follow(client, request)
                if answer is not None:
                    self.reply(client, encode_reply(request, answer))
            except (BadRequest, OSError, HpcapvfError) as error:
                self.reply(client, encode_error(request, str(error)))

    def reply(self, client: Client, line: bytes) -> None:
        client.outgoing += line
        self.flush(client)

    def flush(self, client: Client) -> None:
        try:
            sent = client.connection.send(client.outgoing) if client.outgoing else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self.drop(client)
            return
        del client.outgoing[:sent]
        if len(client.outgoing) > LONGEST_BACKLOG_BYTES:
            self.drop(client)
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.outgoing else 0)
        if client in self.clients:
            self.selector.modify(client.connection, events, client)

    def drop(self, client: Client) -> None:
        if client in self.clients:
            self.clients.discard(client)
            self.selector.unregister(client.connection)
            client.connection.close()

    def answer_waiting(self) -> None:
        for client in list(self.clients):
            if not client.waiting:
                continue
            request, run, deadline_s = client.waiting
            if run.state in ("waiting", "sending") and time.monotonic() < deadline_s:
                continue
            client.waiting = None
            self.reply(client, encode_reply(request, run.counters()))
            self.handle_requests(client)

    # --- requests -----------------------------------------------------------------------------------------

    def follow(self, client: Client, request: dict[str, Any]) -> dict[str, Any] | None:
        """Do what a request asks. None when its answer comes later."""
        operation = request["op"]
        if operation == "send":
            return self.enqueue(client, parse_send(request))
        if operation == "wait":
            run = self.run_numbered(whole(request, "run", default=0, lowest=1))
            timeout_s = seconds_of(request, "timeout_s", default=60, highest=LONGEST_WAIT_S)
            client.waiting = (request, run, time.monotonic() + timeout_s)
            return None
        if operation == "cancel":
            for run in list(self.queue):
                self.finish(run, "cancelled")
            return {}
        if operation == "stats":
            return self.stats()
        if operation == "record" and client.is_local:
            return self.stop_recording() if request.get("stop") else self.record(str(request.get("pcap", "")))
        if operation == "quit" and client.is_local:
            self.quitting = True
            return {}
        raise BadRequest(f"{operation!r} is not known here")

    def run_numbered(self, number: int) -> Run:
        if number not in self.runs:
            raise BadRequest(f"there is no run {number}")
        return self.runs[number]

    def enqueue(self, client: Client, request: SendRequest) -> dict[str, Any]:
        frames, times_ns = list(request.frames), list(request.times_ns)
        if request.pcap:
            if not client.is_local:
                raise BadRequest("pcap names a file of the machine outside; send frames_b64")
            recorded = read_pcap(Path(request.pcap).read_bytes())
            frames = [check_frame(frame.data, number) for number, frame in enumerate(recorded, start=1)]
            times_ns = [frame.ts_ns for frame in recorded]
        if request.port >= len(self.ports):
            raise BadRequest(f"this lab has {len(self.ports)} port(s); there is no port {request.port}")
        if request.run:
            run = self.run_numbered(request.run)
            if not run.is_open:
                raise BadRequest(f"run {run.number} is {run.state} and takes no more frames")
        else:
            run = Run(self.next_run, request.port, request.rate, request.loop)
            self.next_run += 1
            self.runs[run.number] = run
            self.queue.append(run)
            while len(self.runs) > KEPT_RUNS + len(self.queue):
                del self.runs[next(number for number in self.runs if self.runs[number] not in self.queue)]
        run.frames += frames
        run.times_ns += times_ns
        run.is_open = request.more
        return {"run": run.number, "queued": len(run.frames) - run.next_frame}

    def record(self, path: str) -> dict[str, Any]:
        if self.recording:
            raise BadRequest(f"already recording to {self.recording.path}")
        if not path:
            raise BadRequest('record needs "pcap" or "stop"')
        stream = Path(path).open("wb")  # noqa: SIM115 - lives until the recording is stopped
        stream.write(pcap_file_header())
        self.recording = Recording(path, stream)
        return {"recording": path}

    def stop_recording(self) -> dict[str, Any]:
        if not self.recording:
            return {"recording": None, "frames": 0, "bytes": 0}
        recording, self.recording = self.recording, None
        recording.stream.close()
        return {"recording": recording.path, "frames": recording.frames, "bytes": recording.bytes}

    def stats(self) -> dict[str, Any]:
        return {
            "ports": [port.counters() for port in self.ports],
            "runs": [run.counters() for run in list(self.runs.values())[-KEPT_RUNS:]],
            "recording": self.recording.path if self.recording else None,
            "uptime_s": round(time.monotonic() - self.started_s, 3),
        }


def main() -> int:
    """Own the sockets in a lab's state folder until told to quit."""
    parser = argparse.ArgumentParser(description="The far end of a lab's NIC ports.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("ports", type=int, choices=(1, 2))
    arguments = parser.parse_args()
    os.chdir(arguments.folder)  # socket paths have a short limit
    os.umask(0o077)
    wire = Wire(arguments.ports)

    def stop(_number: int, _frame: object) -> None:
        wire.quitting = True

    signal.signal(signal.SIGTERM, stop)
    wire.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
