"""What is pure about reaching guests, and the wait for one that never answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hpcapvf.host.files import LocalFiles
from hpcapvf.host.guests import SshGuests, ssh_argv, ssh_failure
from hpcapvf.host.protocols import GuestAccess
from hpcapvf.model.address import Mac
from hpcapvf.model.errors import HpcapvfError, WaitTimedOut
from hpcapvf.model.paths import console_path
from tests.fakes.machine import FakeClock

ACCESS = GuestAccess("probe", Mac.parse("52:54:00:00:00:01"), "probe", "/var/lib/x/id_ed25519")


class Ssh:
    """ssh that always fails with one complaint."""

    def __init__(self, complaint: str) -> None:
        self.complaint = complaint.encode()
        self.calls: list[Sequence[str]] = []

    def run_bytes(self, argv: Sequence[str], **_: Any) -> tuple[int, bytes, bytes]:
        self.calls.append(argv)
        return 255, b"", self.complaint


class Leases:
    """A hypervisor that knows one address, or none."""

    def __init__(self, address: str | None) -> None:
        self.address = address

    def guest_address(self, name: str, mac: Mac) -> str | None:
        return self.address

    def cpu_counts(self, name: str) -> dict[int, dict[str, int]]:
        return {}


class Spins(Leases):
    """One whose guest's virtual CPU 1 faults at one address for ever."""

    def __init__(self) -> None:
        super().__init__(None)
        self.looks = 0

    def cpu_counts(self, name: str) -> dict[int, dict[str, int]]:
        self.looks += 1
        alive = {"exits": 5000 * self.looks, "pf_taken": 4000 * self.looks, "pf_fixed": 4000 * self.looks}
        stuck = {"exits": 28000 * self.looks, "pf_taken": 28000 * self.looks, "pf_fixed": 90}
        return {0: alive, 1: stuck}


@pytest.fixture(autouse=True)
def sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpcapvf.host.guests._SOCKETS", str(tmp_path / "run"))


def connect(tmp_path: Path, ssh: Ssh, address: str | None) -> None:
    clock = FakeClock()
    guests = SshGuests(ssh, Leases(address), LocalFiles(str(tmp_path)), clock)  # type: ignore[arg-type]
    guests.connect(ACCESS, timeout_s=30)


def test_no_lease_is_told_with_the_console(tmp_path: Path) -> None:
    LocalFiles(str(tmp_path)).replace(console_path("probe"), b"booting\n\nKernel panic - not syncing\n")
    with pytest.raises(WaitTimedOut, match="no DHCP lease") as timed_out:
        connect(tmp_path, Ssh(""), None)
    assert timed_out.value.details[-1] == "Kernel panic - not syncing"


def test_what_the_boot_complained_of_is_told_before_the_last_lines(tmp_path: Path) -> None:
    boot = ["[FAILED] Failed to start ssh.service", "a line", "cloud-init[454]: WARNING: useradd failed"]
    console = "\n".join([*boot, *(f"line {number}" for number in range(12))])
    LocalFiles(str(tmp_path)).replace(console_path("probe"), console.encode())
    with pytest.raises(WaitTimedOut) as timed_out:
        connect(tmp_path, Ssh(""), None)
    assert timed_out.value.details[1:4] == (boot[0], boot[2], f"last lines of {console_path('probe')}:")
    assert len(timed_out.value.details) == 16


class DiesAfterTheFirst(Ssh):
    """ssh that gets through once; then the connection is lost, or nothing comes within the time."""

    def run_bytes(self, argv: Sequence[str], **_: Any) -> tuple[int, bytes, bytes]:
        self.calls.append(argv)
        if len(self.calls) == 1:
            return 0, b"", b""
        if self.complaint:
            raise WaitTimedOut(self.complaint.decode())
        return 255, b"", b""


@pytest.mark.parametrize("silence", ["", "ssh did not end within 60 s"])
def test_a_cpu_that_spins_is_told_of_a_guest_that_is_lost_later(tmp_path: Path, silence: str) -> None:
    files, clock = LocalFiles(str(tmp_path)), FakeClock()
    spins = Spins()
    spins.address = "192.0.2.1"
    guest = SshGuests(DiesAfterTheFirst(silence), spins, files, clock).connect(ACCESS, timeout_s=30)  # type: ignore[arg-type]
    with pytest.raises(HpcapvfError, match="virtual CPU 1 spins: 14000 exits/s"):
        guest.run(["true"], timeout_s=60)


def test_a_cpu_that_spins_is_told_of_a_guest_that_is_silent(tmp_path: Path) -> None:
    guests = SshGuests(Ssh(""), Spins(), LocalFiles(str(tmp_path)), FakeClock())  # type: ignore[arg-type]
    with pytest.raises(WaitTimedOut, match="virtual CPU 1 spins: 14000 exits/s, 14000 page faults/s") as timed_out:
        guests.connect(ACCESS, timeout_s=30)
    assert "virtual CPU 0" not in timed_out.value.message


@pytest.mark.parametrize(
    "complaint",
    [
        "ssh: connect to host 10.0.0.9 port 22: Connection refused",
        "probe@10.0.0.9: Permission denied (publickey).",
        "Host key verification failed.",
    ],
)
def test_the_last_obstacle_is_told(tmp_path: Path, complaint: str) -> None:
    with pytest.raises(WaitTimedOut) as timed_out:
        connect(tmp_path, Ssh(f"{complaint}\n"), "10.0.0.9")
    assert complaint in timed_out.value.message


def test_only_sshs_own_complaints_count_as_a_broken_connection() -> None:
    assert ssh_failure("ssh: connect to host x port 22: No route to host\n")
    assert ssh_failure("client_loop: send disconnect: Broken pipe\nConnection to x closed.\n")
    assert ssh_failure("mdadm: cannot open /dev/md0\n") == ""


def test_ssh_uses_this_deployments_key_and_known_hosts_alone() -> None:
    argv = ssh_argv(ACCESS, "10.0.0.9")
    assert argv[:6] == ["ssh", "-F", "none", "-T", "-i", "/var/lib/x/id_ed25519"]
    assert "UserKnownHostsFile=/var/lib/x/known_hosts" in argv
    assert "BatchMode=yes" in argv
    assert argv[-4:] == ["-l", "probe", "--", "10.0.0.9"]
