"""The three drivers under test, as the guest's operator uses them."""

from __future__ import annotations

import time
from dataclasses import dataclass

from hpcapvf.model.errors import WaitTimedOut
from hpcapvf.raw.pcap import read_pcap
from tests.vf_model.frames import as_pcap
from tests.vf_model.machine import Machine, Model

PARAMETERS = "rx_descriptors=512 ring_mib=16 idle_max_us=20000"
SYSFS = "/sys/bus/pci/devices"
CAPTURE_S = 90.0


@dataclass
class Bench:
    """One card of the machine. card: key of machine.CARDS."""

    machine: Machine
    card: str

    @property
    def model(self) -> Model:
        """The process behind the card."""
        return self.machine.models[self.card]

    def release(self) -> None:
        """No driver, and the model as at its start."""
        address = self.model.address
        self.machine.run(
            f"[ ! -e {SYSFS}/{address}/driver ] || echo {address} >{SYSFS}/{address}/driver/unbind\n"
            f"echo >{SYSFS}/{address}/driver_override"
        )
        self.model.say("defaults")

    def bind(self, driver: str) -> str:
        """Give the card to a driver, whether it then works or not. Returns what the kernel said about it."""
        address = self.model.address
        return self.machine.run(
            f"dmesg --clear\necho {driver} >{SYSFS}/{address}/driver_override\n"
            f"echo {address} >/sys/bus/pci/drivers_probe\ndmesg --notime",
            may_fail=True,
        )

    def own(self) -> dict[str, str]:
        """hpcapvf's files in sysfs."""
        folder = f"{SYSFS}/{self.model.address}/hpcapvf"
        lines = self.machine.run(f"cd {folder} && grep . *").splitlines()
        return dict(line.split(":", 1) for line in lines)

    def wait_own(self, name: str, value: str, *, timeout_s: float = 30) -> None:
        """Until a file of hpcapvf holds a value."""
        path = f"{SYSFS}/{self.model.address}/hpcapvf/{name}"
        self.machine.wait_for(f'[ "$(cat {path})" = "{value}" ]', timeout_s=timeout_s, what=f"{name} is {value}")

    def send(self, frames: list[bytes], *, rate: int, wait: bool = True) -> None:
        """Put frames on the wire; comes back at once. wait: each is held until there is a descriptor for it."""
        path = self.machine.kit.folder / "wire.pcap"
        path.write_bytes(as_pcap(frames))
        self.model.say(f"send {path} {rate}{' wait' if wait else ''}")

    def captured(self, name: str) -> list[bytes]:
        """The frames of a file in the share."""
        return [frame.data for frame in read_pcap((self.machine.share / name).read_bytes())]


def load_own(machine: Machine) -> None:
    """Insert hpcapvf.ko unless it is there."""
    machine.run(f"[ -d /sys/module/hpcapvf ] || insmod hpcapvf.ko {PARAMETERS}")


def start_own_capture(bench: Bench, count: int) -> None:
    """hpcapdump in the background: ends after count frames."""
    node = f"/dev/{bench.own()['node']}"
    bench.machine.run(
        "rm -f capture.pcap capture.status\n"
        f"(bin/hpcapdump -c {count} {node} >capture.pcap 2>capture.log; echo $? >capture.status) &\n"
        "echo $! >capture.pid"
    )
    bench.wait_own("listeners", "1")


def end_own_capture(bench: Bench, timeout_s: float = CAPTURE_S) -> list[bytes]:
    """What hpcapdump wrote; it is ended if the frames that it waits for do not come."""
    try:
        bench.machine.wait_for("[ -e capture.status ]", timeout_s=timeout_s, what="all frames in the capture")
    except WaitTimedOut:
        bench.machine.run("killall hpcapdump 2>/dev/null || kill $(pidof hpcapdump); sleep 1", may_fail=True)
    return bench.captured("capture.pcap")


def capture_with_own(bench: Bench, frames: list[bytes], *, rate: int) -> list[bytes]:
    """hpcapvf and hpcapdump; the card is bound already."""
    start_own_capture(bench, len(frames))
    bench.send(frames, rate=rate)
    bench.model.wait_sent(CAPTURE_S)
    return end_own_capture(bench)


def start_stock(bench: Bench) -> str:
    """ixgbevf, up and promiscuous with a link. Returns the interface's name."""
    bench.machine.run("modprobe ixgbevf")
    bench.bind("ixgbevf")
    address = bench.model.address
    name = bench.machine.run(f"ls {SYSFS}/{address}/net").strip()
    bench.machine.run(f"ip link set {name} up promisc on")
    wait_stock_link(bench, name)
    return name


def wait_stock_link(bench: Bench, name: str) -> None:
    """Until ixgbevf says that there is a link."""
    bench.machine.wait_for(f'[ "$(cat /sys/class/net/{name}/carrier)" = 1 ]', timeout_s=60, what=f"link of {name}")


def capture_with_stock(bench: Bench, name: str, frames: list[bytes], *, rate: int) -> list[bytes]:
    """tcpdump on ixgbevf's interface."""
    bench.machine.run(
        "rm -f capture.pcap capture.log\n"
        f"tcpdump -i {name} -Q in -c {len(frames)} -B 16384 -s 0 -U -w capture.pcap 2>capture.log &\n"
        "echo $! >capture.pid"
    )
    bench.machine.wait_for("grep -q listening capture.log", timeout_s=60, what="tcpdump is listening")
    bench.send(frames, rate=rate)
    bench.model.wait_sent(CAPTURE_S)
    try:
        bench.machine.wait_for("! kill -0 $(cat capture.pid)", timeout_s=CAPTURE_S, what="tcpdump has all frames")
    except WaitTimedOut:
        bench.machine.run("kill -INT $(cat capture.pid); sleep 1", may_fail=True)
    return bench.captured("capture.pcap")


def capture_with_dpdk(bench: Bench, frames: list[bytes], *, rate: int) -> list[bytes]:
    """testpmd moves frames from DPDK's ixgbe VF driver to its pcap driver.

    Through uio_pci_generic, since the distribution's kernel has no VFIO without an IOMMU. Two threads of testpmd share
    the only CPU.
    """
    machine, address = bench.machine, bench.model.address
    machine.run("modprobe uio_pci_generic")
    bench.bind("uio_pci_generic")
    machine.run(
        "rm -f capture.pcap\n"
        "dpdk-testpmd --lcores 0@0,1@0 --main-lcore 0 -m 96 --iova-mode=pa --no-telemetry "
        f"-a {address} --vdev net_pcap0,tx_pcap=/tmp/share/capture.pcap "
        "-- --forward-mode=io --auto-start --total-num-mbufs=2048 --rxd=512 --txd=128 --stats-period=2 --no-mlockall "
        ">testpmd.log 2>&1 &\necho $! >capture.pid"
    )
    machine.wait_for("grep -q 'NIC statistics' testpmd.log", timeout_s=120, what="testpmd is forwarding")
    bench.send(frames, rate=rate)
    bench.model.wait_sent(CAPTURE_S)
    time.sleep(1)
    machine.run("kill -INT $(cat capture.pid)")
    machine.wait_for("! kill -0 $(cat capture.pid)", timeout_s=60, what="testpmd has ended")
    return bench.captured("capture.pcap")
