"""Guests over ssh: a key per deployment, a known_hosts file per deployment, one shared connection per guest."""

from __future__ import annotations

import contextlib
import hashlib
import posixpath
import re
import secrets
import shlex
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from hpcapvf.host.commands import LocalCommands
from hpcapvf.host.files import LocalFiles
from hpcapvf.host.protocols import Clock, CommandResult, GuestAccess, Hypervisor, Job, NewFile
from hpcapvf.host.round_trip import UNPACK, results_of, script_of, tar_of
from hpcapvf.host.spinning import spinning
from hpcapvf.host.streaming import stream_command
from hpcapvf.model.errors import GuestSilent, HpcapvfError, NotFound, StepFailed, WaitTimedOut
from hpcapvf.model.paths import console_path, known_hosts_path

_SOCKETS = "/run/hpcapvf"
_CONNECT_S = 10
_POLL_S = 1.0
_WATCHED_S = 2.0
_CONSOLE_BYTES = 1 << 20
_CONSOLE_LINES = 12
_TROUBLE = re.compile(r"\[FAILED\]|\bFailed to |WARNING|ERROR|Traceback|Kernel panic|Oops|BUG:|Call Trace")
_COMPLAINTS_KEPT = 20
_LOST = "the connection was lost"
_SSH_FAILED = 255  # ssh's own failures; a remote program may use it too, then stderr tells


class SshGuests:
    """Reaches guests by the address that libvirt's network leased them."""

    def __init__(self, commands: LocalCommands, hypervisor: Hypervisor, files: LocalFiles, clock: Clock) -> None:
        self._commands = commands
        self._hypervisor = hypervisor
        self._files = files
        self._clock = clock

    def connect(self, access: GuestAccess, *, timeout_s: float) -> SshGuest:
        """Wait until the guest has an address and lets root in. GuestSilent tells the last obstacle."""
        deadline = self._clock.monotonic() + timeout_s
        seen = "it has no DHCP lease"
        while True:
            address = self._hypervisor.guest_address(access.domain, access.management_mac)
            if address is not None:
                guest = SshGuest(self._commands, access, address, lambda: self._spins(access.domain))
                left = max(_CONNECT_S, deadline - self._clock.monotonic())
                seen = guest.obstacle(min(left, 3 * _CONNECT_S))
                if not seen:
                    return guest
                guest.hang_up()
            if self._clock.monotonic() >= deadline:
                raise GuestSilent(
                    f"guest {access.domain} did not answer within {timeout_s:g} s: {seen}{self._spins(access.domain)}",
                    hint=f"look at its console: virsh console {access.domain}, or {console_path(access.domain)}",
                    details=self._console(access.domain),
                )
            self._clock.sleep(_POLL_S)

    def _spins(self, domain: str) -> str:
        """That a virtual CPU is caught in one instruction, if it is: no program in the guest can be to blame."""
        try:
            before = self._hypervisor.cpu_counts(domain)
            self._clock.sleep(_WATCHED_S)
            told = spinning(before, self._hypervisor.cpu_counts(domain), _WATCHED_S)
        except HpcapvfError:
            return ""
        return f"; {told}: its hypervisor, or an emulator below that, is at fault" if told else ""

    def _console(self, domain: str) -> tuple[str, ...]:
        """The last lines that the guest printed, else those of its QEMU."""
        for path in (console_path(domain), f"/var/log/libvirt/qemu/{domain}.log"):
            with contextlib.suppress(StepFailed):
                data = tail_of(self._files, path, _CONSOLE_BYTES)
                lines = [line.rstrip() for line in data.decode(errors="replace").splitlines() if line.strip()]
                if lines:
                    return (
                        *troubles(lines[:-_CONSOLE_LINES], path),
                        f"last lines of {path}:",
                        *lines[-_CONSOLE_LINES:],
                    )
        return ()


def troubles(lines: Sequence[str], path: str) -> tuple[str, ...]:
    """What a boot complained of, before its last lines: services that failed, cloud-init, the kernel."""
    found = [line for line in lines if _TROUBLE.search(line)]
    return (f"of {path}, what sounds like trouble:", *found[-_CONSOLE_LINES:]) if found else ()


class SshGuest:
    """One guest that answers over ssh. why_silent: what the host knows of a guest that stops answering, or nothing."""

    def __init__(
        self, commands: LocalCommands, access: GuestAccess, address: str, why_silent: Callable[[], str] = str
    ) -> None:
        self._commands = commands
        self._access = access
        self._why_silent = why_silent
        self.address = address
        self._ssh = ssh_argv(access, address)

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None) -> CommandResult:
        """Run a program in the guest as root. StepFailed if the connection breaks; other statuses are returned."""
        status, out, err = self._raw(shlex.join(argv), timeout_s, stdin)
        return CommandResult(tuple(argv), status, out.decode(errors="replace"), err.decode(errors="replace"))

    def run_all(
        self, jobs: Sequence[Job], *, timeout_s: float, files: Sequence[NewFile] = ()
    ) -> tuple[CommandResult, ...]:
        """One shell script for all. Files come as a tar stream, which replaces those that are there by new ones."""
        stream = tar_of(files) if files else b""
        todo = (UNPACK, *jobs) if files else tuple(jobs)
        mark = f"hpcapvf-{secrets.token_hex(16)}"
        script = script_of(todo, mark, unpacks=bool(files))
        deadline = timeout_s + (_transfer_s(len(stream)) if files else 0)
        _, out, err = self._raw(shlex.join(["sh", "-c", script]), deadline, stream or None)
        results = results_of(todo, mark, out, err)
        if not files:
            return results
        if results[0].returncode != 0:
            paths = ", ".join(file.path for file in files)
            raise StepFailed(
                f"cannot write {paths} in guest {self._access.domain}: {_last_line(results[0].stderr.encode())}"
            )
        return results[1:]

    def put(self, data: bytes, path: str, mode: int = 0o644) -> None:
        """Write a file in the guest: beside its place first, then moved there; folders are made."""
        quoted, beside = shlex.quote(path), shlex.quote(f"{path}.hpcapvf-new")
        script = (
            f"mkdir -p -- {shlex.quote(posixpath.dirname(path) or '/')} && umask 077 && cat > {beside} && "
            f"chmod {mode:o} {beside} && mv -f -- {beside} {quoted}"
        )
        status, _, err = self._raw(f"sh -c {shlex.quote(script)}", _transfer_s(len(data)), data)
        if status != 0:
            raise StepFailed(f"cannot write {path} in guest {self._access.domain}: {_last_line(err)}")

    def get(self, path: str, limit: int) -> bytes:
        """Read a file of at most ``limit`` bytes from the guest. NotFound if absent, StepFailed if it is larger."""
        quoted = shlex.quote(path)
        script = f"test -e {quoted} || exit 44; head -c {limit + 1} -- {quoted}"
        status, out, err = self._raw(f"sh -c {shlex.quote(script)}", _transfer_s(limit), None)
        if status == 44:
            raise NotFound(f"guest {self._access.domain} has no file {path}")
        if status != 0:
            raise StepFailed(f"cannot read {path} in guest {self._access.domain}: {_last_line(err)}")
        if len(out) > limit:
            raise StepFailed(f"{path} in guest {self._access.domain} is larger than {limit} bytes")
        return out

    def stream(
        self,
        argv: Sequence[str],
        *,
        take: Callable[[bytes], None],
        tell: Callable[[str], None],
        silence_s: float,
        stdin: bytes = b"",
    ) -> int:
        """Run a program as root and hand its output on as it comes. StepFailed if the connection breaks."""
        last: deque[str] = deque(maxlen=_COMPLAINTS_KEPT)

        def hear(line: str) -> None:
            last.append(line)
            tell(line)

        status = stream_command(self._argv(shlex.join(argv)), take=take, tell=hear, silence_s=silence_s, stdin=stdin)
        self._refuse_broken(status, "\n".join(last))
        return status

    def obstacle(self, timeout_s: float) -> str:
        """Why root cannot get in just now, in a few words; empty if nothing hinders."""
        try:
            result = self.run(["true"], timeout_s=timeout_s)
        except WaitTimedOut:
            return f"{self.address} does not answer"
        except StepFailed as error:
            return f"{self.address}: {error.message}"
        return "" if result.returncode == 0 else f"{self.address}: {_last_line(result.stderr.encode())}"

    def hang_up(self) -> None:
        """Leave the shared connection, which ends by itself: if it has died, the next try has one of its own."""
        Path(_socket(self._access, self.address)).unlink(missing_ok=True)

    def _raw(self, command: str, timeout_s: float, stdin: bytes | None) -> tuple[int, bytes, bytes]:
        try:
            status, out, err = self._commands.run_bytes(self._argv(command), timeout_s=timeout_s, stdin=stdin)
        except WaitTimedOut as error:
            raise WaitTimedOut(error.message + self._why_silent(), hint=error.hint, details=error.details) from error
        self._refuse_broken(status, err.decode(errors="replace"))
        return status, out, err

    def _argv(self, command: str) -> list[str]:
        Path(_SOCKETS).mkdir(mode=0o700, parents=True, exist_ok=True)
        return [*self._ssh, command if self._access.user == "root" else f"sudo -n -- {command}"]

    def _refuse_broken(self, status: int, complaints: str) -> None:
        if status == _SSH_FAILED and (broken := ssh_failure(complaints)):
            if broken == _LOST:
                broken += self._why_silent()
            raise StepFailed(f"ssh to guest {self._access.domain} failed: {broken}", hint="is the guest running?")


def ssh_argv(access: GuestAccess, address: str) -> list[str]:
    """ssh with this deployment's key alone; the first connection shares its TCP connection with the next ones."""
    options = {
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "StrictHostKeyChecking": "accept-new",
        "UserKnownHostsFile": known_hosts_path(access.key_path),
        "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlias": access.domain,  # the lease may change; the guest's key may not
        "ConnectTimeout": str(_CONNECT_S),
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "8",
        "ControlMaster": "auto",
        "ControlPath": _socket(access, address),
        "ControlPersist": "60",
        "LogLevel": "ERROR",
    }
    argv = ["ssh", "-F", "none", "-T", "-i", access.key_path]
    for name, value in options.items():
        argv += ["-o", f"{name}={value}"]
    return [*argv, "-l", access.user, "--", address]


def _socket(access: GuestAccess, address: str) -> str:
    label = hashlib.sha256(f"{access.key_path}\0{access.user}\0{address}".encode()).hexdigest()[:16]
    return f"{_SOCKETS}/ssh-{label}"


def ssh_failure(stderr: str) -> str:
    """What ssh itself complains about, or an empty text if the complaint is the remote program's."""
    for line in reversed(stderr.splitlines()):
        marks = (
            "ssh: ",
            "Permission denied",
            "kex_exchange",
            "Connection ",
            "Host key verification",
            "banner exchange",
        )
        if line.startswith(marks) or "port 22" in line:
            return line.strip()
    return "" if stderr.strip() else _LOST


def tail_of(files: LocalFiles, path: str, limit: int) -> bytes:
    """At most ``limit`` bytes from the end of a file; empty if absent."""
    size = files.size(path) or 0
    data = files.read_bytes(path, size) if size <= 16 * limit else files.read_bytes(path, limit)
    return (data or b"")[-limit:]


def _transfer_s(size: int) -> float:
    return 60.0 + size / (1 << 20)  # an emulated guest takes more than 1 MiB/s


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no reason given"
