"""The process at the far end of a lab's NIC ports: an event loop around the traffic and those who ask for it.

``python -m hpcapvf.lab.wire FOLDER PORTS`` runs it in a lab's state folder; wire_protocol says what it understands.
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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hpcapvf.lab.wire_protocol import (
    BadRequest,
    LineBuffer,
    Run,
    SendRequest,
    check_frame,
    encode_error,
    encode_reply,
    parse_line,
    parse_send,
    seconds_of,
    whole,
)
from hpcapvf.lab.wire_traffic import Port, Traffic
from hpcapvf.model.errors import HpcapvfError
from hpcapvf.raw.pcap import read_pcap

CONTROL_SOCKET = "control.sock"
GUEST_SOCKET = "wire-port.sock"
IDLE_WAIT_S = 0.5
LONGEST_WAIT_S = 3600.0
LONGEST_BACKLOG_BYTES = 8 * 1024 * 1024


@dataclass(eq=False)
class Client:
    """One connection. is_local: from this machine, so that it may name files and end the process."""

    connection: socket.socket
    is_local: bool
    lines: LineBuffer = field(default_factory=LineBuffer)
    requests: deque[bytes] = field(default_factory=deque)
    outgoing: bytearray = field(default_factory=bytearray)
    waiting: tuple[dict[str, Any], Run, float] | None = None


class Wire:
    """The event loop, its listeners and its clients."""

    def __init__(self, ports: int) -> None:
        self.selector = selectors.DefaultSelector()
        self.started_s = time.monotonic()
        self.traffic = Traffic(ports)
        for port in self.traffic.ports:
            self.selector.register(port.own, selectors.EVENT_READ, port)
        self.listeners = {self.listen(CONTROL_SOCKET): True, self.listen(GUEST_SOCKET): False}
        self.clients: set[Client] = set()
        self.quitting = False

    def listen(self, path: str) -> socket.socket:
        """A listening socket that only this user can connect to."""
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
                    self.traffic.receive(key.data)
                elif isinstance(key.data, Client):
                    self.talk(key.data, events)
                else:
                    self.accept(key.fileobj)  # type: ignore[arg-type]
            self.traffic.send_due()
            self.answer_waiting()
        self.traffic.stop_recording()

    def wait_s(self) -> float:
        """How long nothing will have to be done."""
        now = time.monotonic()
        deadlines = [client.waiting[2] for client in self.clients if client.waiting]
        return max(0.0, min(IDLE_WAIT_S, self.traffic.next_due_s() - now, *(one - now for one in deadlines)))

    def accept(self, listener: socket.socket) -> None:
        """Take a new connection."""
        connection, _ = listener.accept()
        connection.setblocking(False)
        client = Client(connection, self.listeners[listener])
        self.clients.add(client)
        self.selector.register(connection, selectors.EVENT_READ, client)

    def talk(self, client: Client, events: int) -> None:
        """Write what is pending and read what came."""
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
        """Cut received bytes into requests and follow them."""
        try:
            client.requests.extend(client.lines.feed(data))
        except BadRequest as error:
            self.reply(client, encode_error(None, str(error)))
        self.handle_requests(client)

    def handle_requests(self, client: Client) -> None:
        """Follow requests in their order; one that waits holds up those behind it."""
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
        """Queue a reply and write what the connection takes."""
        client.outgoing += line
        self.flush(client)

    def flush(self, client: Client) -> None:
        """Write what the connection takes; a client that never reads is dropped."""
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
        """Forget a connection; what it asked for goes on."""
        if client in self.clients:
            self.clients.discard(client)
            self.selector.unregister(client.connection)
            client.connection.close()

    def answer_waiting(self) -> None:
        """Answer the waits whose run is over or whose time has passed."""
        for client in list(self.clients):
            if not client.waiting:
                continue
            request, run, deadline_s = client.waiting
            if run.state in ("waiting", "sending") and time.monotonic() < deadline_s:
                continue
            client.waiting = None
            self.reply(client, encode_reply(request, run.counters()))
            self.handle_requests(client)

    def follow(self, client: Client, request: dict[str, Any]) -> dict[str, Any] | None:
        """Do what a request asks. None when its answer comes later."""
        operation = request["op"]
        if operation == "send":
            return self.traffic.enqueue(with_file(parse_send(request), may_read=client.is_local))
        if operation == "wait":
            run = self.traffic.run_numbered(whole(request, "run", default=0, lowest=1))
            timeout_s = seconds_of(request, "timeout_s", default=60, highest=LONGEST_WAIT_S)
            client.waiting = (request, run, time.monotonic() + timeout_s)
            return None
        if operation == "cancel":
            self.traffic.cancel()
            return {}
        if operation == "stats":
            return self.traffic.stats() | {"uptime_s": round(time.monotonic() - self.started_s, 3)}
        if operation == "record" and client.is_local:
            stop = request.get("stop") is True
            return self.traffic.stop_recording() if stop else self.traffic.record(str(request.get("pcap", "")))
        if operation == "quit" and client.is_local:
            self.quitting = True
            return {}
        raise BadRequest(f"{operation!r} is not known here")


def with_file(request: SendRequest, *, may_read: bool) -> SendRequest:
    """A send request with the frames of the file that it names."""
    if not request.pcap:
        return request
    if not may_read:
        raise BadRequest("pcap names a file of the machine outside; send frames_b64")
    recorded = read_pcap(Path(request.pcap).read_bytes())
    frames = tuple(check_frame(frame.data, number) for number, frame in enumerate(recorded, start=1))
    return replace(request, frames=frames, times_ns=tuple(frame.ts_ns for frame in recorded))


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
