"""Three small VMs with a VF each and the stock driver: what an agent watches. Kernel, busybox and tcpdump in memory."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpcapvf.raw.pcap import read_pcap
from tests.lab.conftest import Server
from tests.vm.archive import File, archive, busybox, kernel_modules, programs
from tests.vm.machine import obtain_image

NAMES = ("web1", "web2", "web3")
VLAN = 5
FOLDER = "/var/lib/libvirt/images/watched"
_HERE = Path(__file__).parent
_MODULES = ("virtio_pci", "virtio_console", "igbvf", "af_packet", "8021q")
_BOOT_S = 240.0
_STILL_S = 2.0
# Asks a VM, whose port may still have the answer to somebody who went away: each question has a number of its own.
_ASK = """\
import socket, sys
path, name, script, seconds = sys.argv[1:]
port = socket.socket(socket.AF_UNIX)
port.settimeout(float(seconds))
port.connect(path)
port.sendall(f"{name} {script}\\n".encode())
said = b""
while True:
    while b"\\n" not in said:
        more = port.recv(4096)
        if not more:
            sys.exit("the VM is gone")
        said += more
    line, _, said = said.partition(b"\\n")
    words = line.decode(errors="replace").split(" ", 2)
    if words[0] == name:
        print(words[2] if len(words) > 2 else "")
        sys.exit(int(words[1]))
"""


@dataclass(frozen=True)
class SmallVm:
    """One of them on the lab's server. number: 1 to 3, and its VF's."""

    server: Server
    number: int

    @property
    def name(self) -> str:
        """Its name in libvirt."""
        return NAMES[self.number - 1]

    @property
    def mac(self) -> str:
        """Of its VF."""
        return f"02:48:50:56:46:2{self.number}"

    @property
    def address(self) -> str:
        """Its own, among the VMs only."""
        return f"10.9.9.{self.number}"

    def step(self, script: str, *, timeout_s: float = 30) -> str:
        """Run one line of shell in it; what it says, in one line. AssertionError if it fails."""
        question = f"q{time.monotonic_ns()}"
        argv = ["python3", "-", f"{FOLDER}/{self.name}.steps", question, script, str(timeout_s)]
        result = self.server.lab.run(argv, timeout_s=timeout_s + 30, stdin=_ASK.encode())
        assert result.returncode == 0, f"{self.name}: {script}: {result.text} {result.error_text}"
        return result.text.strip()

    def is_up(self) -> bool:
        """Whether its link is."""
        try:
            return self.step("cat /sys/class/net/lan0/carrier", timeout_s=10) == "1"
        except AssertionError:
            return False

    def wait_until_up(self, timeout_s: float = _BOOT_S) -> None:
        """AssertionError if its link does not come up in time."""
        deadline = time.monotonic() + timeout_s
        while not self.is_up():
            assert time.monotonic() < deadline, f"{self.name}: no link: {self.said()}"
            time.sleep(2)

    def said(self) -> str:
        """The end of its console."""
        return self.server.shell(f"tail -n 20 {FOLDER}/{self.name}.log")

    def record(self) -> int:
        """Begin to record what its driver receives. Returns where in its file that begins, for recorded."""
        at = int(self.server.shell(f"stat -c %s {FOLDER}/{self.name}.pcaps"))
        self.step(
            "tcpdump -i lan0 -Q in -U -B 8192 --immediate-mode -Z root -w - >/run/ports/capture 2>/run/said & "
            "for n in $(seq 15); do grep -q listening /run/said && exit 0; sleep 1; done; exit 1"
        )
        return at

    def recorded(self, at: int) -> list[bytes]:
        """End that. The frames, and AssertionError if the VM's own tcpdump was too slow for some."""
        wait = "until grep -q 'by kernel' /run/said; do sleep 0.2; done"  # the last that it says
        said = self.step(f"killall -INT tcpdump; {wait}; cat /run/said")
        assert " 0 packets dropped by kernel" in said, f"{self.name}: {said}"
        time.sleep(_STILL_S)
        copy = self.server.lab.run(["tail", "-c", f"+{at + 1}", f"{FOLDER}/{self.name}.pcaps"], timeout_s=60)
        assert copy.returncode == 0, copy.error_text
        return [frame.data for frame in read_pcap(copy.stdout)]

    def received(self) -> int:
        """Frames that its driver has received."""
        return int(self.step("cat /sys/class/net/lan0/statistics/rx_packets"))

    def begin_to_talk(self, others: Sequence[SmallVm], times: int) -> None:
        """Ping each of the others so many times, once a second, beside all else."""
        for other in others:
            self.step(f"ping -q -c {times} {other.address} >/run/ping{other.number} 2>&1 &")


def ready(server: Server) -> tuple[SmallVm, ...]:
    """All of them with a link: those that run, or started anew."""
    vms = tuple(SmallVm(server, number) for number in range(1, len(NAMES) + 1))
    return vms if all(vm.is_up() for vm in vms) else start(server, vms)


def start(server: Server, vms: tuple[SmallVm, ...]) -> tuple[SmallVm, ...]:
    """Four VFs, one of them free, and the VMs with the others; until all have a link."""
    stop(server)
    with tempfile.TemporaryDirectory(prefix="hpcapvf-watched-") as text:
        _put_files(server, Path(text))
    macs = "; ".join(f"ip link set {server.interface} vf {vm.number} mac {vm.mac}" for vm in vms)
    server.shell(
        f"echo 0 >/sys/bus/pci/devices/{server.pf}/sriov_drivers_autoprobe; "
        f"ip link set {server.interface} up; echo 4 >/sys/bus/pci/devices/{server.pf}/sriov_numvfs; {macs}",
        timeout_s=120,
    )
    for vm in vms:
        vf = server.shell(f"readlink -f /sys/bus/pci/devices/{server.pf}/virtfn{vm.number}").strip().rsplit("/", 1)[-1]
        domain, bus, rest = vf.split(":")
        slot, function = rest.split(".")
        server.write(f"{FOLDER}/{vm.name}.xml", (_HERE / "domain.xml").read_text().format(
            name=vm.name, folder=FOLDER, domain=domain, bus=bus, slot=slot, function=function))  # fmt: skip
        server.shell(f"virsh -q define {FOLDER}/{vm.name}.xml && virsh -q start {vm.name}", timeout_s=120)
    for vm in vms:
        _set_up(vm, [other for other in vms if other is not vm])
    return vms


def _put_files(server: Server, folder: Path) -> None:
    image = obtain_image()
    release = str(image.manifest["kernel_release"])
    files = {
        **busybox(image.root),
        **programs(image.root, ["tcpdump"]),
        **kernel_modules(image.root / f"usr/lib/modules/{release}", _MODULES),
        "init": File((_HERE / "init.sh").read_bytes(), executable=True),
    }
    (folder / "initrd").write_bytes(archive(files))
    (folder / "vmlinuz").write_bytes((image.root / f"boot/vmlinuz-{release}").read_bytes())
    server.shell(f"mkdir -p {FOLDER}")
    server.lab.put(folder, FOLDER)
    server.shell(f"chown -R libvirt-qemu: {FOLDER} && chmod 755 {FOLDER}")


def _set_up(vm: SmallVm, others: Sequence[SmallVm]) -> None:
    """Its address, its VLAN, and the others as neighbours, so that nobody has to ask who is where."""
    deadline = time.monotonic() + _BOOT_S
    while True:
        try:
            vm.step("ip link set lan0 up", timeout_s=10)
            break
        except AssertionError as error:
            assert time.monotonic() < deadline, f"{vm.name} does not answer: {error} {vm.said()}"
            time.sleep(2)
    vm.step(f"ip address add {vm.address}/24 dev lan0; vconfig add lan0 {VLAN}; ip link set lan0.{VLAN} up")
    for other in others:
        vm.step(f"arp -i lan0 -s {other.address} {other.mac}")
    vm.wait_until_up()


def stop(server: Server) -> None:
    """Switch them off, and leave the server without VFs."""
    each = "; ".join(f"virsh -q destroy {name}; virsh -q undefine {name}" for name in NAMES)
    server.shell(
        f"{{ {each}; }} 2>/dev/null || true; ip link set {server.interface} down; "
        f"echo 0 >/sys/bus/pci/devices/{server.pf}/sriov_numvfs; "
        f"echo 1 >/sys/bus/pci/devices/{server.pf}/sriov_drivers_autoprobe; rm -rf {FOLDER}",
        timeout_s=180,
    )
