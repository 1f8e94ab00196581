"""Guests over ssh, for real: the lab's server plays the guest, reached at its own address."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpcapvf.host.clock import LocalClock
from hpcapvf.host.commands import LocalCommands
from hpcapvf.host.files import LocalFiles
from hpcapvf.host.guests import SshGuests
from hpcapvf.host.protocols import Guest, GuestAccess, Job, NewFile
from hpcapvf.model.address import Mac
from hpcapvf.model.errors import NotFound, StepFailed, WaitTimedOut
from tests.contract.conftest import HERE

if not HERE:
    pytest.skip("runs inside a lab's server only: it opens the machine's own ssh to a new key", allow_module_level=True)
pytestmark = pytest.mark.lab
MAC = Mac.parse("52:54:00:00:00:01")


class Here:
    """Leases this machine's own address to every guest."""

    def guest_address(self, name: str, mac: Mac) -> str | None:
        return "127.0.0.1"

    def cpu_counts(self, name: str) -> dict[int, dict[str, int]]:
        return {}


def guests() -> SshGuests:
    return SshGuests(LocalCommands(), Here(), LocalFiles(), LocalClock())  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuestAccess]:
    key = tmp_path_factory.mktemp("key") / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=60)
    allowed = Path.home() / ".ssh" / "authorized_keys"
    allowed.parent.mkdir(mode=0o700, exist_ok=True)
    before = allowed.read_text() if allowed.exists() else ""
    allowed.write_text(before + key.with_suffix(".pub").read_text())
    yield GuestAccess("contract", MAC, "root", str(key))
    allowed.write_text(before)


@pytest.fixture(scope="module")
def guest(access: GuestAccess) -> Guest:
    return guests().connect(access, timeout_s=120)


def test_programs_run_as_root_with_their_words_kept_apart(guest: Guest) -> None:
    result = guest.run(["printf", "%s|", "a b", "$HOME", "it's", ""], timeout_s=60)
    assert result.stdout == "a b|$HOME|it's||"
    assert guest.run(["id", "-u"], timeout_s=60).stdout == "0\n"
    assert guest.run(["sh", "-c", "cat; exit 7"], timeout_s=60, stdin=b"in").returncode == 7


def test_files_go_there_and_come_back(guest: Guest) -> None:
    path = "/run/hpcapvf-contract-ssh/a file's name"
    data = bytes(range(256)) * 4096
    guest.put(data, path, 0o640)
    assert guest.get(path, len(data)) == data
    assert guest.run(["stat", "-c", "%a", path], timeout_s=60).stdout == "640\n"
    guest.run(["rm", "-r", "/run/hpcapvf-contract-ssh"], timeout_s=60)
    with pytest.raises(NotFound):
        guest.get(path, 10)


def test_nul_bytes_in_what_a_program_prints_are_kept(guest: Guest) -> None:
    assert guest.run(["printf", r"a\0b"], timeout_s=60).stdout == "a\0b"


def test_a_program_that_takes_too_long_is_given_up(guest: Guest) -> None:
    with pytest.raises(WaitTimedOut):
        guest.run(["sleep", "60"], timeout_s=2)
    assert guest.run(["true"], timeout_s=60).returncode == 0


def test_a_shared_connection_that_has_died_does_not_make_the_guest_silent(guest: Guest, access: GuestAccess) -> None:
    assert guest.run(["true"], timeout_s=60).returncode == 0
    found = subprocess.check_output(["pgrep", "-f", r"ssh: /run/hpcapvf/ssh-.*\[mux\]"], text=True, timeout=60)
    pids = [int(word) for word in found.split()]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        assert guests().connect(access, timeout_s=60).run(["true"], timeout_s=60).returncode == 0
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_a_key_that_is_not_allowed_is_told(tmp_path: Path) -> None:
    key = tmp_path / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=60)
    with pytest.raises(WaitTimedOut, match="Permission denied"):
        guests().connect(GuestAccess("contract-other", MAC, "root", str(key)), timeout_s=3)


def test_much_is_streamed_in_pieces_with_its_complaints_and_status(guest: Guest) -> None:
    pieces: list[bytes] = []
    lines: list[str] = []
    script = "echo begun >&2; head -c 5000000 /dev/zero; cat; echo ended >&2; exit 5"
    status = guest.stream(["sh", "-c", script], take=pieces.append, tell=lines.append, silence_s=60, stdin=b"in")
    assert (status, sum(map(len, pieces)), lines) == (5, 5_000_002, ["begun", "ended"])
    assert max(map(len, pieces)) <= 1 << 16
    with pytest.raises(WaitTimedOut, match="nothing came"):
        guest.stream(["sleep", "60"], take=pieces.append, tell=lines.append, silence_s=2)


def test_files_and_several_programs_go_in_one_round_trip(guest: Guest) -> None:
    folder = "/run/hpcapvf-contract-round-trip"
    data = bytes(range(256)) * 4096
    files = [NewFile(f"{folder}/a/one file", data, 0o640), NewFile(f"{folder}/two", b"2")]
    jobs = [
        Job(("stat", "-c", "%a %s", f"{folder}/a/one file")),
        Job(("tee", f"{folder}/three"), stdin="it's\n"),
        Job(("sh", "-c", "echo no >&2; exit 3"), needed=True),
        Job(("touch", f"{folder}/four")),
    ]
    size, _, failed = guest.run_all(jobs, timeout_s=60, files=files)
    assert size.stdout == f"640 {len(data)}\n"
    assert (failed.returncode, failed.stderr) == (3, "no\n")
    assert guest.get(f"{folder}/a/one file", len(data)) == data
    assert guest.run(["ls", folder], timeout_s=60).stdout.split() == ["a", "three", "two"]
    with pytest.raises(StepFailed, match="cannot write"):
        guest.run_all([], timeout_s=60, files=[NewFile(f"{folder}/two/below", b"x")])
    guest.run(["rm", "-r", folder], timeout_s=60)
