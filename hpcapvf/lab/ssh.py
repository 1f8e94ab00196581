"""Commands and files into the emulated server over ssh, with a key and a known-hosts file of the lab's own."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hpcapvf.lab.process import Result, run, run_ok
from hpcapvf.model.errors import WaitTimedOut

CONNECT_TIMEOUT_S = 10


@dataclass(frozen=True)
class SshTarget:
    """How to reach a server: port on 127.0.0.1, private key and known-hosts file."""

    port: int
    key: Path
    known_hosts: Path

    def options(self) -> list[str]:
        """The -o words for ssh, scp and rsync; nothing of the user's own ssh configuration takes part."""
        settings = {
            "IdentityFile": f'"{self.key}"',
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": f'"{self.known_hosts}"',
            "StrictHostKeyChecking": "accept-new",
            "BatchMode": "yes",
            "ConnectTimeout": str(CONNECT_TIMEOUT_S),
            "ServerAliveInterval": "15",
            "ServerAliveCountMax": "8",
            "LogLevel": "ERROR",
        }
        return ["-F", "/dev/null", *(word for name, value in settings.items() for word in ("-o", f"{name}={value}"))]

    def command(self, remote: str | None = None, *, terminal: bool = False) -> list[str]:
        """The ssh command line for one remote command line, or for a login shell."""
        tty = ["-t"] if terminal else []
        return ["ssh", *self.options(), *tty, "-p", str(self.port), "root@127.0.0.1", *([remote] if remote else [])]


def make_key(path: Path) -> str:
    """Make an ssh key pair without passphrase unless it exists. Returns the public half's line."""
    if not path.exists():
        run_ok(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "hpcapvf-lab", "-f", str(path)],
            doing="making the lab's ssh key",
            timeout_s=30,
        )
    return path.with_suffix(".pub").read_text(encoding="utf-8")


def remote_run(target: SshTarget, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None) -> Result:
    """Run one command (words, quoted here) on the server; its exit status is in the result, 255 is ssh's own."""
    return run(target.command(shlex.join(argv)), timeout_s=timeout_s, stdin=stdin)


def put(target: SshTarget, local: Path, remote: str, *, timeout_s: float = 300) -> None:
    """Copy a file or folder to the server; a folder's content replaces what remote held under the same names."""
    if local.is_dir():
        quoted = shlex.quote(remote)
        unpack(
            target,
            local,
            f"mkdir -p {quoted} && tar --extract --no-same-owner --directory {quoted}",
            timeout_s=timeout_s,
        )
        return
    mode = local.stat().st_mode & 0o777
    quoted = shlex.quote(remote)
    part = shlex.quote(remote + ".part")
    write = f"mkdir -p $(dirname {quoted}) && cat >{part} && chmod {mode:o} {part} && mv {part} {quoted}"
    content = local.read_bytes()
    run_ok(target.command(write), doing=f"copying {local} to the server", timeout_s=timeout_s, stdin=content)


def unpack(target: SshTarget, local: Path, script: str, *, timeout_s: float = 300) -> None:
    """Give a folder's content as a tar archive to a shell script on the server."""
    pack = ["tar", "--create", "--owner=0", "--group=0", "--numeric-owner", "--directory", str(local), "."]
    archive = run_ok(pack, doing=f"reading {local}", timeout_s=timeout_s).stdout
    run_ok(target.command(script), doing=f"copying {local} to the server", timeout_s=timeout_s, stdin=archive)


def get(target: SshTarget, remote: str, local: Path, *, timeout_s: float = 300) -> None:
    """Copy one file from the server."""
    result = run_ok(
        target.command(f"cat -- {shlex.quote(remote)}"), doing=f"fetching {remote} from the server", timeout_s=timeout_s
    )
    local.write_bytes(result.stdout)


def wait_for_ssh(target: SshTarget, *, timeout_s: float, check: Callable[[], None] = lambda: None) -> float:
    """Wait until a command runs on the server. Returns the seconds it took.

    check is called between attempts and raises when waiting is pointless. Raises WaitTimedOut after timeout_s.
    """
    started = time.monotonic()
    while True:
        check()
        left_s = started + timeout_s - time.monotonic()
        if left_s <= 0:
            raise WaitTimedOut(f"the server does not answer on ssh after {timeout_s:.0f} s")
        # Each attempt has a short deadline: user networking accepts a connection long before the server does.
        with suppress(WaitTimedOut):
            if run(target.command("true"), timeout_s=min(15.0, left_s)).returncode == 0:
                return time.monotonic() - started
        time.sleep(0.3)
