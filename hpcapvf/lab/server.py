"""One emulated server: start, use, stop. The Python interface for tests and for the demo.

lab = Lab("demo")
lab.up(LabConfig(name="demo", cpus=12), progress)
lab.run(["lspci"], timeout_s=30).text
"""

from __future__ import annotations

import base64
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import hpcapvf
from hpcapvf.lab import boot_disk, ssh, stall
from hpcapvf.lab.accel import choose_accel
from hpcapvf.lab.cache import locked, write_json
from hpcapvf.lab.emulator import choose_emulator, emulator_at
from hpcapvf.lab.images import GUEST_FILE, MEDIA_PATH, Image, Images, build_images, load
from hpcapvf.lab.machine import DISK_GIB, LabConfig, LabFiles, lab_files, qemu_arguments
from hpcapvf.lab.process import (
    ProcessId,
    Result,
    end,
    is_alive,
    run_ok,
    start_detached,
    tail_of_file,
    wait_gone,
)
from hpcapvf.lab.qmp import qmp_command
from hpcapvf.lab.rootfs import tool
from hpcapvf.lab.state import LabState, lab_folder, load_state, save_state
from hpcapvf.lab.wire_client import WireClient
from hpcapvf.model.errors import BadSpec, Conflict, HpcapvfError, LabFailed, NotFound, WaitTimedOut
from hpcapvf.model.progress import Progress, Silent

BOOT_TIMEOUT_S = 300.0
POWER_OFF_TIMEOUT_S = 120.0
WIRE_START_TIMEOUT_S = 30.0
LOOK_INSIDE = """\
modprobe kvm_amd 2>/dev/null || modprobe kvm_intel
echo 0 >/sys/module/kvm/parameters/halt_poll_ns
test -c /dev/kvm && echo kvm
ls /sys/kernel/iommu_groups | wc -l
ls -d /sys/bus/pci/drivers/igb/0* /sys/bus/pci/drivers/megaraid_sas/0*
"""


class Lab:
    """A lab by name; every method finds it in its state folder, so any process may use it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.folder = lab_folder(name)

    # --- life ---------------------------------------------------------------------------------------------

    def up(
        self,
        config: LabConfig | None = None,
        progress: Progress | None = None,
        *,
        refresh: bool = False,
        timeout_s: float = BOOT_TIMEOUT_S,
    ) -> dict[str, Any]:
        """Start the server unless it runs, wait for ssh and look at it. Returns what status returns, with boot_s.

        config: what the lab shall be; None for what it was, or the default. A lab keeps its disk, so config can only
        change after clean. Raises Conflict for that, LabFailed with the console's last lines when it does not come up.
        """
        progress = progress or Silent()
        with locked(f"lab-{self.name}", wait_s=timeout_s):
            state = self.prepared(config, progress, refresh=refresh)
            started = time.monotonic()
            if not (state.qemu and is_alive(state.qemu)):
                state = self.start(state, progress)
            progress.phase("boot", f"waiting for ssh on port {state.ssh_port}")
            self.wait_ready(progress, timeout_s=timeout_s)
            boot_s = round(time.monotonic() - started, 1)
            progress.phase("check", "virtualisation, IOMMU and devices inside the server")
            self.check_inside(state.config)
        return self.status() | {"boot_s": boot_s}

    def prepared(self, config: LabConfig | None, progress: Progress, *, refresh: bool) -> LabState:
        """The lab's state with all its files made."""
        try:
            state = load_state(self.name)
        except NotFound:
            state = self.create(config or LabConfig(name=self.name), progress, refresh=refresh)
        if config is not None and config != state.config:
            raise Conflict(
                f"the lab {self.name} exists with other settings",
                hint=f"Remove it with `hpcapvf lab clean --name {self.name}`, or use another name.",
                details=tuple(differences(state.config, config)),
            )
        return state

    def create(self, config: LabConfig, progress: Progress, *, refresh: bool) -> LabState:
        """Choose emulator and acceleration and make the lab's disks; nothing is started."""
        check_config(config)
        images = build_images(progress, refresh=refresh)
        if images.note:
            progress.phase("images", images.note)
        choice = choose_emulator(images.server.root)
        progress.phase("emulator", choice.reason)
        accel = choose_accel(config.accel, choice.emulator, images.server.root / "vmlinuz")
        progress.phase("acceleration", accel.reason)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        files = lab_files(self.folder, images.media)
        make_disks(config, files, images)
        ssh.make_key(self.folder / "key")
        state = LabState(
            config=config,
            server_hash=images.server.manifest["hash"],
            guest_hash=images.guest.manifest["hash"],
            builder_hash=images.builder.manifest["hash"],
            accel=accel.name,
            accel_reason=accel.reason,
            emulator=choice.version,
            emulator_program=choice.emulator.program,
            emulator_reason=choice.reason,
            ssh_port=0,
            qemu=None,
            wire=None,
        )
        save_state(state)
        return state

    def start(self, state: LabState, progress: Progress) -> LabState:
        """Start the wire and QEMU."""
        server, guest = load(state.server_hash), load(state.guest_hash)
        files = lab_files(self.folder, guest.folder / "media.raw")
        emulator = emulator_at(state.emulator_program, server.root)
        progress.phase("start", f"QEMU {state.emulator} with {state.accel}, {state.config.cpus} CPUs")
        state = replace(state, wire=self.start_wire(state))
        save_state(state)
        files.console_log.write_bytes(b"")
        public_key = (self.folder / "key.pub").read_bytes()
        credentials = {"ssh.authorized_keys.root": base64.b64encode(public_key).decode()}
        state = replace(state, ssh_port=free_port())
        arguments = qemu_arguments(
            state.config, files, accel=state.accel, ssh_port=state.ssh_port, credentials=credentials
        )
        argv = [*emulator.argv, *arguments]
        write_json(self.folder / "qemu-command.json", argv)
        log = self.folder / "qemu.log"
        log.write_bytes(b"")
        qemu = start_detached(argv, marker=f"hpcapvf-lab-{self.name}", log=log, cwd=self.folder, env=emulator.env)
        state = replace(state, qemu=qemu)
        save_state(state)
        return state

    def start_wire(self, state: LabState) -> Any:
        """Start the process at the far end of the NIC ports and wait until it answers."""
        if state.wire and is_alive(state.wire):
            return state.wire
        ports = 2 if state.config.second_nic else 1
        argv = [sys.executable, "-m", "hpcapvf.lab.wire", str(self.folder), str(ports)]
        log = self.folder / "wire.log"
        log.write_bytes(b"")
        package = Path(hpcapvf.__file__).parent.parent
        wire = start_detached(argv, marker=str(self.folder), log=log, cwd=self.folder, env={"PYTHONPATH": str(package)})
        deadline = time.monotonic() + WIRE_START_TIMEOUT_S
        while time.monotonic() < deadline and is_alive(wire):
            with suppress(HpcapvfError), self.wire() as client:
                client.stats()
                return wire
            time.sleep(0.1)
        end(wire)
        raise LabFailed("the wire's process did not start", details=tail_of_file(log))

    def wait_ready(self, progress: Progress | None = None, *, timeout_s: float = BOOT_TIMEOUT_S) -> float:
        """Wait until ssh answers. Returns seconds; the error carries the last lines of the console's log.

        A start that stalled (hpcapvf.lab.stall) is reset, at most MAX_RESETS times; each start has timeout_s.
        """
        console, began = self.folder / "console.log", time.monotonic()
        for resets in range(stall.MAX_RESETS + 1):
            try:
                self.wait_for_start(console, timeout_s=timeout_s, last=resets == stall.MAX_RESETS)
                return time.monotonic() - began
            except stall.Stalled as why:
                kept = stall.set_aside(console, resets + 1)
                qmp_command(self.folder / "qmp.sock", "system_reset")
                (progress or Silent()).phase("boot", f"{why} (see {kept}): reset, waiting again")
        raise AssertionError("the last start is not looked at for a stall")

    def wait_for_start(self, console: Path, *, timeout_s: float, last: bool) -> None:
        """Wait for one start. Raises Stalled unless it is the last one, and WaitTimedOut with the console's end."""
        state, watch = load_state(self.name), stall.StallWatch(console)

        def check() -> None:
            if state.qemu is None or not is_alive(state.qemu):
                raise LabFailed("QEMU ended", details=tail_of_file(self.folder / "qemu.log"))
            if not last:
                watch.look()

        try:
            ssh.wait_for_ssh(self.target(), timeout_s=timeout_s, check=check)
        except WaitTimedOut as error:
            raise WaitTimedOut(
                error.message, hint=f"The whole console is in {console}.", details=tail_of_file(console)
            ) from error

    def down(self, *, timeout_s: float = POWER_OFF_TIMEOUT_S, clean: bool = False) -> dict[str, Any]:
        """Power the server off, by force when timeout_s passed, and end the wire. Returns how it ended.

        clean: remove its disks and state as well; nothing is left to be written then, so it ends at once.
        """
        with locked(f"lab-{self.name}", wait_s=timeout_s):
            state = load_state(self.name)
            how = "was not running"
            if state.qemu and is_alive(state.qemu):
                how = "ended at once" if clean else self.power_off(state.qemu, timeout_s)
                end(state.qemu)
            if state.wire:
                end(state.wire)
            save_state(replace(state, qemu=None, wire=None))
            if clean:
                remove_lab_files(self.folder)
        return {"name": self.name, "server": how, "removed": clean}

    def power_off(self, qemu: ProcessId, timeout_s: float) -> str:
        """Press the power button and wait. Returns how it ended; after timeout_s the process still runs."""
        with suppress(HpcapvfError):
            qmp_command(self.folder / "qmp.sock", "system_powerdown")
        gone = wait_gone(qemu, timeout_s=timeout_s)
        return "powered off" if gone else f"ended by force after {timeout_s:.0f} s"

    def reboot(self, *, timeout_s: float = BOOT_TIMEOUT_S, hard: bool = False) -> dict[str, Any]:
        """Reboot and wait for ssh of the new start. hard: the reset button instead of a clean shutdown."""
        before = self.boot_id()
        started = time.monotonic()
        if hard:
            qmp_command(self.folder / "qmp.sock", "system_reset")
        else:
            self.run(["systemctl", "reboot"], timeout_s=60)
        while True:
            self.wait_ready(timeout_s=max(1.0, started + timeout_s - time.monotonic()))
            with suppress(HpcapvfError):
                if self.boot_id() != before:
                    return {"name": self.name, "reboot_s": round(time.monotonic() - started, 1)}
            time.sleep(0.5)

    # --- use ----------------------------------------------------------------------------------------------

    def target(self) -> ssh.SshTarget:
        """How to reach the server by ssh."""
        return ssh.SshTarget(load_state(self.name).ssh_port, self.folder / "key", self.folder / "known_hosts")

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None) -> Result:
        """Run a command on the server; LabFailed only when ssh itself fails (status 255)."""
        result = ssh.remote_run(self.target(), argv, timeout_s=timeout_s, stdin=stdin)
        if result.returncode == 255 and b"255" not in result.stdout:
            raise LabFailed(f"ssh to the lab {self.name} failed: {result.error_text.strip()}")
        return result

    def put(self, local: Path, remote: str, *, timeout_s: float = 300) -> None:
        """Copy a file or a folder's content to the server."""
        ssh.put(self.target(), local, remote, timeout_s=timeout_s)

    def get(self, remote: str, local: Path, *, timeout_s: float = 300) -> None:
        """Copy one file from the server."""
        ssh.get(self.target(), remote, local, timeout_s=timeout_s)

    def unpack(self, local: Path, script: str, *, timeout_s: float = 300) -> None:
        """Give a folder's content as a tar archive to a shell script on the server."""
        ssh.unpack(self.target(), local, script, timeout_s=timeout_s)

    def wire(self) -> WireClient:
        """A connection to the far end of the NIC ports."""
        return WireClient(self.folder / "control.sock")

    def boot_id(self) -> str:
        """The kernel's identity of this start."""
        return self.run(["cat", "/proc/sys/kernel/random/boot_id"], timeout_s=30).text.strip()

    def status(self) -> dict[str, Any]:
        """What the lab is and whether it runs, as plain data."""
        state = load_state(self.name)
        return {
            "name": self.name,
            "running": bool(state.qemu and is_alive(state.qemu)),
            "wire_running": bool(state.wire and is_alive(state.wire)),
            "ssh_port": state.ssh_port,
            "folder": str(self.folder),
            "accel": state.accel,
            "accel_reason": state.accel_reason,
            "emulator": state.emulator,
            "emulator_reason": state.emulator_reason,
            "config": state.config.__dict__,
            "images": {"server": state.server_hash, "guest": state.guest_hash, "builder": state.builder_hash},
        }

    def facts(self) -> dict[str, Any]:
        """What an inventory says about the server besides how to reach it."""
        state = load_state(self.name)
        return {
            "hpcapvf_lab": self.name,
            "hpcapvf_guest_image": f"{MEDIA_PATH}/{GUEST_FILE}",
            "hpcapvf_cpus": state.config.cpus,
        }

    def check_inside(self, config: LabConfig) -> None:
        """Raises LabFailed when the started server lacks what its configuration promises."""
        lines = self.run(["sh", "-c", LOOK_INSIDE], timeout_s=60).text.split()
        problems = []
        if not lines or lines[0] != "kvm":
            problems.append("no /dev/kvm: the emulated CPU offers no nested virtualisation")
        groups = next((int(word) for word in lines if word.isdigit()), 0)
        if not config.bare and config.iommu != (groups > 0):  # a bare one may have been made ready since
            problems.append(f"{groups} IOMMU groups")
        for driver in ("igb", "megaraid_sas"):
            if not any(f"/{driver}/" in line for line in lines):
                problems.append(f"no device is bound to {driver}")
        if problems:
            raise LabFailed("the server started but is not what it should be: " + "; ".join(problems))


def check_config(config: LabConfig) -> None:
    """Raises BadSpec for sizes that cannot be."""
    if config.cpus < 2 or config.cpus % 2:
        raise BadSpec(f"{config.cpus} CPUs cannot be split over two nodes", hint="Use an even number.")
    if config.memory_mib < 2048 or config.memory_mib % 2:
        raise BadSpec(f"{config.memory_mib} MiB are too little for the server", hint="Use at least 2 GiB.")
    if config.hugepages_1g * 1024 > config.memory_mib - 2048:
        raise BadSpec(f"{config.hugepages_1g} pages of 1 GiB do not leave 2 GiB for the server itself")


def differences(before: LabConfig, after: LabConfig) -> list[str]:
    """One line for each setting that differs."""
    names = LabConfig.__dataclass_fields__
    pairs = ((name, getattr(before, name), getattr(after, name)) for name in names)
    return [f"{name}: {old} now, {new} asked" for name, old, new in pairs if old != new]


def make_disks(config: LabConfig, files: LabFiles, images: Images) -> None:
    """The lab's own overlay of the server's disk, with this variant's kernel arguments, and sparse data disks."""
    img = tool(images.server.root, "usr/bin/qemu-img")
    create = [*img, "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(images.server.disk), str(files.disk)]
    run_ok(create, doing="making the lab's disk", timeout_s=60)
    arguments = boot_disk.kernel_arguments(
        iommu=config.iommu and not config.bare,
        iomem_relaxed=config.iomem_relaxed and not config.bare,
        hugepages_1g=config.hugepages_1g,
    )
    if config.bare:
        arguments += " intel_iommu=off"  # Debian's kernel would switch it on by itself
    write_kernel_arguments(images.server, files.disk, arguments, files.folder)
    for path in (*files.raid_disks, *((files.nvme_disk,) if config.nvme else ())):
        with path.open("wb") as stream:
            stream.truncate(DISK_GIB * 1024**3)


def write_kernel_arguments(server: Image, overlay: Path, arguments: str, folder: Path) -> None:
    """Write the two boot files with these kernel arguments over their blocks of an overlay that never started."""
    blocks = server.manifest["boot_blocks"]
    contents = {
        "grub_cfg": boot_disk.grub_cfg(blocks["filesystem"]["uuid"], arguments),
        "default_grub": boot_disk.default_grub(arguments),
    }
    for name, content in contents.items():
        source = folder / f".{name}"
        source.write_bytes(content)
        # qemu-io splits at spaces whatever is quoted: the name is relative to the folder.
        write = f"write -q -s {source.name} {blocks[name]['offset']} {len(content)}"
        argv = [*tool(server.root, "usr/bin/qemu-io"), "-f", "qcow2", "-c", write, str(overlay)]
        run_ok(argv, doing="writing the kernel arguments", timeout_s=60, cwd=folder)
        source.unlink()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def remove_lab_files(folder: Path) -> None:
    """Delete a lab's state folder; only files that a lab makes, so that a mistake cannot delete more."""
    for path in sorted(folder.iterdir()):
        if not path.is_dir():
            path.unlink()
    folder.rmdir()
