"""What the emulated server and its guests say when the first test fails, and whether the emulator itself was at fault.

QEMU 10.0.13's emulated SVM now and then mixes the server's CPU state with the guest's (docs/lab.md). Signs of that are
told apart from a fault of the project, since no program in the guest and no tool on the server can cause them: a server
that starts anew without having been told to, a virtual CPU that takes one page fault for ever, a QEMU inside the server
that the kernel ended for a fault of its own, a disk of the server that answers nothing, and a server that is silent.
With such a sign ``build/lab-failures/emulator-fault`` is written, and ``make test-lab`` runs in a new lab what failed,
once.
"""

from __future__ import annotations

import time
from pathlib import Path

from hpcapvf.host.spinning import CpuCounts, counts_of, spinning
from hpcapvf.lab.server import Lab
from hpcapvf.model.errors import HpcapvfError
from tests.results import TOP

FAILURES = TOP / "build" / "lab-failures"
FAULT = FAILURES / "emulator-fault"
_LOOK_S = 5.0
_LAST_LINES = 12
# What a server and its guests say of themselves, one file each. The guest's CPUs tell where it hangs.
_FILES = {
    "dmesg": "dmesg",
    "journal": "journalctl --no-pager -b -n 2000",
    "guests": "virsh list --all; tail -n 300 /var/lib/libvirt/images/hpcapvf/*/console.log",
    "guests-qemu": "tail -n 40 /var/log/libvirt/qemu/*.log",
    "guest-cpus": "for name in $(virsh list --name); do virsh qemu-monitor-command --hmp $name info registers -a; done",
}
_KILLED = "journalctl -k -b --no-pager --grep 'qemu-system-x86.*(segfault|trap|general protection)' -o cat || true"
_COUNTS = "virsh domstats --vcpu"
# The server's own disks, as the kernel's Documentation/admin-guide/iostats.rst tells: the ninth number is in flight.
_DISKS = "grep -H . /sys/block/vd*/stat"
_IN_FLIGHT = 8


class Evidence:
    """Of one lab. boot_id: of the server once it is ready; from then on no test restarts it. told: for people."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.boot_id = ""
        self.told = ""
        self.faulty = False

    def keep(self) -> None:
        """At the first failure consoles and logs as they are, in ``build/lab-failures/``; at each one, until it is
        found, the emulator's fault if there is one."""
        folder = FAILURES / self.lab.name
        folder.mkdir(parents=True, exist_ok=True)
        if not self.told:
            self._keep_files(folder)
        if not self.faulty and (signs := self._signs()):
            self.faulty = True
            FAULT.write_text("\n".join(signs) + "\n")
            self.told += "".join(f"\nthe emulator failed: {sign}" for sign in signs)

    def _keep_files(self, folder: Path) -> None:
        console = self.lab.folder / "console.log"
        if console.exists():
            (folder / "console.log").write_bytes(console.read_bytes())
        for name, script in _FILES.items():
            (folder / name).write_text(self._said(script))
        lines = [f"what the lab said at the first failure is in {folder}"]
        for name in ("guests-qemu", "guests", "dmesg"):
            lines += [f"last of {name}:", *(folder / name).read_text().splitlines()[-_LAST_LINES:]]
        self.told = "\n".join(lines)

    def _signs(self) -> list[str]:
        signs = []
        try:
            now = self.lab.boot_id()
        except HpcapvfError as error:  # where no QEMU runs, it is not to blame
            return [f"the server runs and does not answer: {error}"] if self._runs() else []
        if self.boot_id and now != self.boot_id:
            signs.append(f"the server started anew by itself: its boot was {self.boot_id}, now {now}")
        if killed := self._said(_KILLED).strip():
            signs.append(f"a QEMU in the server was ended by the kernel: {killed.splitlines()[-1]}")
        disks = self._said(_DISKS).splitlines()
        before, at = self._counts(), time.monotonic()
        time.sleep(_LOOK_S)
        after, seconds = self._counts(), time.monotonic() - at
        for domain in sorted(before.keys() & after.keys()):
            if told := spinning(before[domain], after[domain], seconds):
                signs.append(f"guest {domain}: {told}")
        still = set(disks) & set(self._said(_DISKS).splitlines())
        signs += [f"a disk answers nothing: {disk}" for disk in sorted(still) if _waits(disk)]
        return signs

    def _runs(self) -> bool:
        try:
            return bool(self.lab.status()["running"])
        except HpcapvfError:
            return False

    def _counts(self) -> dict[str, CpuCounts]:
        """What KVM counted, of every guest that runs."""
        found: dict[str, CpuCounts] = {}
        for part in self._said(_COUNTS).split("Domain: ")[1:]:
            name, _, rest = part.partition("\n")
            pairs = (line.strip().partition("=") for line in rest.splitlines())
            found[name.strip("'")] = counts_of({key: int(value) for key, _, value in pairs if value.isdigit()})
        return found

    def _said(self, script: str) -> str:
        try:
            return self.lab.run(["sh", "-c", f"{script} 2>&1"], timeout_s=60).text
        except HpcapvfError as error:
            return str(error)


def _waits(disk: str) -> bool:
    """Whether a line of ``_DISKS`` tells of requests in flight."""
    numbers = disk.partition(":")[2].split()
    return len(numbers) > _IN_FLIGHT and numbers[_IN_FLIGHT] != "0"
