"""The comparison's first place: a small emulated machine with one SR-IOV card, whose VF it uses itself."""

from __future__ import annotations

import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

import hpcapvf
from hpcapvf.lab import modules
from hpcapvf.lab.cache import state_root
from hpcapvf.lab.process import end, start_detached, tail_of_file
from hpcapvf.lab.wire_client import WireClient
from hpcapvf.model.errors import HpcapvfError, LabFailed
from tests.comparison.place import SCRIPT
from tests.results import TOP
from tests.vm.machine import obtain_image
from tests.vm.shell_machine import START_S, ShellMachine

MAC = "02:48:50:56:46:20"
DISK_MIB = 512
COUNTER = "build/tests/count_numbered"
# The card's own driver, the VF with an address of ours, and a file system to store on.
BEGIN = """
modprobe igb
pf=$(ls -d /sys/bus/pci/drivers/igb/0000:*)
name=$(ls $pf/net)
echo 0 >$pf/sriov_drivers_autoprobe
echo 1 >$pf/sriov_numvfs
ip link set $name vf 0 mac {mac}
ip link set $name up
modprobe virtio_blk
modprobe ext4
busybox mke2fs -b 4096 -m 0 /dev/vda >/dev/null
mkdir -p /tmp/disk
mount -t ext4 /dev/vda /tmp/disk
mkdir -p /tmp/disk/capture
basename $(readlink $pf/virtfn0)
"""


class SmallPlace(ShellMachine):
    """A machine with one processor: whoever takes frames from the card shares it with whoever writes them away."""

    name = "small machine"
    mac = MAC

    def __init__(self) -> None:
        image = obtain_image()
        super().__init__(image.root, image.manifest["kernel_release"], state_root() / "comparison")
        driver = TOP / "driver"
        self.module = modules.build_module(driver, self.release, image)
        self.tools = modules.build_user(driver, image) / "bin"
        built = modules.build_once(driver, "count_numbered", [COUNTER], [COUNTER], image)
        self.counter = built / Path(COUNTER).name
        self.variables = {
            "VF": "",
            "DIRECTORY": "/tmp/disk/capture",
            "MODULE": "/tmp/share/hpcapvf.ko",
            "TOOLS": "/tmp/share/bin",
            "SCRIPT": "/tmp/share/engines.sh",
            "POLL_CPU": "0",
            "WRITE_CPU": "0",
        }

    def prepare(self) -> None:
        """Our files in the share, an empty disk, and the far end of the link."""
        shutil.copy(self.module, self.share)
        shutil.copytree(self.tools, self.share / "bin")
        shutil.copy(self.counter, self.share / "bin")
        shutil.copy(SCRIPT, self.share)
        disk = self.folder / "disk.raw"
        with disk.open("wb") as stream:
            stream.truncate(DISK_MIB << 20)
        self.start_link()

    def start_link(self) -> None:
        """The process at the far end, as a lab has it: it takes what the card sends."""
        argv = ["nice", "-n", "19", sys.executable, "-m", "hpcapvf.lab.wire", str(self.folder), "1"]
        log = self.folder / "wire.log"
        package = {"PYTHONPATH": str(Path(hpcapvf.__file__).parent.parent)}
        link = start_detached(argv, marker=str(self.folder), log=log, cwd=self.folder, env=package)
        self.parts.callback(end, link, timeout_s=5)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            with suppress(HpcapvfError), WireClient(self.folder / "control.sock") as client:
                client.stats()
                return
            time.sleep(0.1)
        raise LabFailed("the far end of the link did not start", details=tail_of_file(log))

    def devices(self) -> list[str]:
        """The card and the disk."""
        link = "local.type=unix,local.path=nic.sock,remote.type=unix,remote.path=wire.sock"
        return [
            *("-netdev", f"dgram,id=wire,{link}", "-device", "pcie-root-port,id=slot1,chassis=1,slot=1"),
            *("-device", "igb,netdev=wire,bus=slot1,mac=02:48:50:56:46:01,romfile="),
            *("-drive", f"if=none,id=disk,format=raw,cache=unsafe,file={self.folder / 'disk.raw'}"),
            *("-device", "virtio-blk-pci,drive=disk"),
        ]

    def start(self) -> None:
        """The machine, and everything in it that the engines take for granted."""
        super().start()
        self.variables["VF"] = self.shell(BEGIN.format(mac=MAC), timeout_s=300).split()[-1]

    def shell(self, script: str, *, timeout_s: float) -> str:
        """Run a script in the machine."""
        return self.run(f"set -e\n{script}", timeout_s=timeout_s)

    @property
    def card(self) -> Path:
        """Where QEMU takes frames."""
        return self.folder / "nic.sock"
