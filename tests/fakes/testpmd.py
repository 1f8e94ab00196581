"""testpmd behind its pipe, in the words that DPDK 24.11 was seen to print; modes as its ixgbe driver has them."""

from __future__ import annotations

import re

from hpcapvf.model import paths
from tests.fakes.commands import FakeCommands

Answer = tuple[int, str, str]
_RXMODE = re.compile(r"^set port 0 vf (\d+) rxmode (AUPE|ROPE|BAM|MPE) (on|off)$")
_UTA = re.compile(r"^set port 0 uta all (on|off)$")


class FakeTestpmd:
    """modes: what was set on, such as ``vf 0 MPE`` and ``uta``. refuses: modes that the card's driver has not.

    vfs: how many there are. mute: it hangs. It runs as long as its unit does.
    """

    def __init__(self, commands: FakeCommands, deployment: str) -> None:
        self.modes: set[str] = set()
        self.refuses: set[str] = set()
        self.vfs = 1
        self.mute = False
        self.lines: list[str] = []
        self._commands = commands
        self._unit = paths.port_unit(deployment)
        self._start_unit = commands._handlers["systemd-run"]
        commands.on("systemd-run", self._start)
        commands.on("timeout", self._write)
        commands.on("journalctl", self._journal)

    def _write(self, argv: tuple[str, ...], stdin: bytes) -> Answer:
        if self._unit not in self._commands.units:
            return 124, "", ""
        for command in [] if self.mute else stdin.decode().splitlines():
            self.lines += [f"testpmd> {command}\r", *self._answer(command)]
        return 0, "", ""

    def _start(self, argv: tuple[str, ...], stdin: bytes) -> Answer:
        """The journal keeps what earlier runs said."""
        answer = self._start_unit(argv, stdin)
        if f"--unit={self._unit}" in argv and answer[0] == 0:
            self.modes = set()
            self.lines += ["Checking link statuses...", "Done"]
        return answer

    def _journal(self, argv: tuple[str, ...], _stdin: bytes) -> Answer:
        return 0, "\n".join(self.lines[-int(argv[argv.index("-n") + 1]) :]) + "\n", ""

    def _answer(self, command: str) -> list[str]:
        if match := _RXMODE.match(command):
            if match[2] in self.refuses or int(match[1]) >= self.vfs:
                return ["bad VF receive mode parameter, return code = -95 "]
            self._switch(f"vf {match[1]} {match[2]}", match[3])
            return []
        if match := _UTA.match(command):
            if "uta" in self.refuses:
                return ["bad unicast hash table parameter, return code = -95 "]
            self._switch("uta", match[1])
            return []
        return ["Command not found"]

    def _switch(self, mode: str, value: str) -> None:
        (self.modes.add if value == "on" else self.modes.discard)(mode)
