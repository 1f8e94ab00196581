"""Talk to a lab's wire from this machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from hpcapvf.lab.qmp import connect_unix
from hpcapvf.lab.wire_protocol import DEFAULT_RATE, batches
from hpcapvf.model.errors import LabFailed, WaitTimedOut

ANSWER_TIMEOUT_S = 30.0


class WireClient:
    """A connection to the control socket of a lab's wire; use it as a context manager."""

    def __init__(self, socket_path: Path) -> None:
        try:
            self.connection = connect_unix(socket_path, ANSWER_TIMEOUT_S)
        except OSError as error:
            raise LabFailed(
                f"the wire's process does not answer at {socket_path}: {error.strerror}", hint="Is the lab up?"
            ) from error
        self.stream = self.connection.makefile("rwb")

    def __enter__(self) -> WireClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; what was asked for goes on."""
        self.stream.close()
        self.connection.close()

    def request(self, operation: str, *, answer_timeout_s: float = ANSWER_TIMEOUT_S, **fields: Any) -> dict[str, Any]:
        """One request and its reply. LabFailed with the wire's own words when it refuses."""
        self.connection.settimeout(answer_timeout_s)
        try:
            self.stream.write(json.dumps({"op": operation, **fields}).encode() + b"\n")
            self.stream.flush()
            line = self.stream.readline()
        except TimeoutError as error:
            raise WaitTimedOut(f"the wire did not answer {operation} within {answer_timeout_s:.0f} s") from error
        except OSError as error:
            raise LabFailed(f"the wire's process went away: {error.strerror}") from error
        if not line:
            raise LabFailed("the wire's process ended")
        reply: dict[str, Any] = json.loads(line)
        if not reply.pop("ok"):
            raise LabFailed(f"the wire refused {operation}: {reply['error']}")
        return reply

    def send(self, frames: Sequence[bytes], *, rate: float = DEFAULT_RATE, port: int = 0) -> int:
        """Queue frames to be sent at rate frames per second. Returns the run's number for wait."""
        run = 0
        chunks = list(batches(frames))
        for number, chunk in enumerate(chunks, start=1):
            fields: dict[str, Any] = {"frames_b64": chunk, "rate": rate, "port": port, "more": number < len(chunks)}
            run = self.request("send", **fields, **({"run": run} if run else {}))["run"]
        return run

    def send_pcap(
        self, path: Path, *, rate: float = DEFAULT_RATE, as_recorded: bool = False, loop: int = 1, port: int = 0
    ) -> int:
        """Queue the frames of a pcap file. Returns the run's number for wait."""
        fields: dict[str, Any] = {"rate": rate, "as_recorded": as_recorded, "loop": loop, "port": port}
        return int(self.request("send", pcap=str(path.resolve()), **fields)["run"])

    def wait(self, run: int, *, timeout_s: float) -> dict[str, Any]:
        """Wait until a run is over and return its counters. WaitTimedOut after timeout_s, LabFailed when it failed."""
        counters = self.request("wait", answer_timeout_s=timeout_s + ANSWER_TIMEOUT_S, run=run, timeout_s=timeout_s)
        if counters["state"] in ("waiting", "sending"):
            raise WaitTimedOut(
                f"the wire sent {counters['frames_sent']} frames of run {run} in {timeout_s:.0f} s and is not done"
            )
        if counters["state"] != "done":
            raise LabFailed(f"the wire's run {run} {counters['state']}: {counters['error'] or 'on request'}")
        return counters

    def stats(self) -> dict[str, Any]:
        """Counters of all ports and of the last runs."""
        return self.request("stats")

    def record(self, path: Path) -> None:
        """Start writing every frame that the server sends to a pcap file."""
        self.request("record", pcap=str(path.resolve()))

    def stop_recording(self) -> dict[str, Any]:
        """End the recording. Returns frames and bytes written."""
        return self.request("record", stop=True)
