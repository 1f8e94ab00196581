"""The few words of the QEMU Machine Protocol that a lab needs (QEMU manual, "QMP")."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from hpcapvf.model.errors import LabFailed, WaitTimedOut

LONGEST_SOCKET_PATH = 100


def connect_unix(path: Path, timeout_s: float) -> socket.socket:
    """Connect to a unix stream socket. A path beyond the kernel's limit is reached through its opened folder."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    try:
        if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
            connection.connect(str(path))
            return connection
        folder = os.open(path.parent, os.O_PATH)
        try:
            connection.connect(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)
    except OSError:
        connection.close()
        raise
    return connection


def qmp_command(path: Path, command: str, *, timeout_s: float = 10, **arguments: Any) -> Any:
    """Connect, run one command and return its result. Raises LabFailed when QEMU says no or is not there."""
    try:
        with connect_unix(path, timeout_s) as connection, connection.makefile("rwb") as stream:
            read_reply(stream, wanted="QMP")
            for execute, parameters in (("qmp_capabilities", {}), (command, arguments)):
                stream.write(json.dumps({"execute": execute, "arguments": parameters}).encode() + b"\n")
                stream.flush()
                result = read_reply(stream, wanted="return")
            return result
    except TimeoutError as error:
        raise WaitTimedOut(f"QEMU did not answer {command} within {timeout_s:.0f} s") from error
    except OSError as error:
        raise LabFailed(f"QEMU cannot be reached at {path}: {error.strerror}") from error


def read_reply(stream: Any, *, wanted: str) -> Any:
    """Read lines until one holds the wanted key; events in between are skipped."""
    while line := stream.readline():
        reply = json.loads(line)
        if "error" in reply:
            raise LabFailed(f"QEMU refused: {reply['error'].get('desc', reply['error'])}")
        if wanted in reply:
            return reply[wanted]
    raise LabFailed("QEMU closed its control connection")
