"""Handlers for the guest's disk and its cloud-init seed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import PurePosixPath

from hpcapvf.apply.checked import command_failed, remove_whole, run_any, run_checked
from hpcapvf.apply.handler import Context, Handler, Json, Trace
from hpcapvf.host.protocols import Machine, Running
from hpcapvf.model.errors import Conflict, NotCapable, NotFound, StepFailed
from hpcapvf.model.paths import IMAGES
from hpcapvf.model.steps import MakeDisk, MakeSeed

_CHECKSUM_TIMEOUT_S = 900.0  # a large image on a slow disk
_DISK_FOLDER_MODE = 0o711  # libvirt's QEMU user walks through, nobody lists
_QEMU_USERS = ("libvirt-qemu", "qemu")  # Debian's name, then Fedora's
_CONSOLE_LOG = "console.log"  # and its rotated copies; libvirt writes them
_ISO_TOOLS = ("genisoimage", "xorrisofs", "mkisofs")  # all understand the same options


class MakeDiskHandler(Handler[MakeDisk]):
    """A qcow2 overlay; the image below it is verified and never written."""

    phase = "guest files"
    survives_reboot = True

    def satisfied(self, step: MakeDisk, context: Context) -> str | None:
        """There already, over that image."""
        if not context.machine.files.exists(step.path):
            return None
        return f"{step.path} is an overlay of {step.image}" if _backing_file(step, context) == step.image else None

    def ahead(self, step: MakeDisk, machine: Machine) -> Running | None:
        """The image's checksum: seconds of reading, for which nothing else has to wait."""
        if machine.files.exists(step.path) or not machine.files.exists(step.image):
            return None
        return machine.commands.begin(_checksum_of(step), timeout_s=_CHECKSUM_TIMEOUT_S)

    def observe(self, step: MakeDisk, context: Context) -> Json:
        """Whether its folder was there. A file that is something else is refused, never overwritten."""
        if context.machine.files.exists(step.path):
            raise Conflict(f"{step.path} exists and is not an overlay of {step.image}", hint="move it away")
        return {"folder": context.machine.files.exists(_folder(step.path))}

    def do(self, step: MakeDisk, before: Json, context: Context) -> Json:
        """Verify the image, make the overlay."""
        machine = context.machine
        if not machine.files.exists(step.image):
            raise NotFound(f"guest image {step.image} does not exist", hint="make one with `hpcapvf image build`")
        _verify_checksum(step, context)
        user = _qemu_user(context)
        _refuse_unreadable(step.image, user, context)
        machine.files.make_folder(_folder(step.path), mode=_DISK_FOLDER_MODE)
        over = ["-F", "qcow2", "-b", step.image]
        run_checked(
            machine,
            ["qemu-img", "create", "-q", "-f", "qcow2", *over, step.path, f"{step.size_gib}G"],
            hint="is the image qcow2, and is there space?",
        )
        run_checked(machine, ["chmod", "0600", step.path])
        run_checked(machine, ["chown", user, step.path])
        run_checked(machine, ["sync", step.path])  # "done" in the journal shall be true after a power cut as well
        return {}

    def undo(self, step: MakeDisk, trace: Trace, context: Context) -> tuple[str, ...]:
        """Remove it."""
        context.refuse_while_running(step.path)
        context.machine.files.remove(step.path)
        _remove_empty_folder(_folder(step.path), trace, context)
        return ()


class MakeSeedHandler(Handler[MakeSeed]):
    """An ed25519 key pair that never leaves the host, and a NoCloud seed with its public half."""

    phase = "guest files"
    survives_reboot = True

    def satisfied(self, step: MakeSeed, context: Context) -> str | None:
        """Both there already."""
        files = context.machine.files
        return f"{step.path} exists" if files.exists(step.path) and files.exists(step.key_path) else None

    def observe(self, step: MakeSeed, context: Context) -> Json:
        """Whether its folder was there."""
        return {"folder": context.machine.files.exists(_folder(step.path))}

    def do(self, step: MakeSeed, before: Json, context: Context) -> Json:
        """Make the key, then the seed."""
        machine = context.machine
        _remove_key(step, context)  # of a run that was cut short: ssh-keygen would ask before overwriting
        machine.files.make_folder(_folder(step.key_path), mode=0o700)
        comment = f"hpcapvf-{context.plan.request.name}"
        run_checked(machine, ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", step.key_path])
        public = machine.files.read_text(f"{step.key_path}.pub")
        if public is None:
            raise StepFailed(f"ssh-keygen left no {step.key_path}.pub", hint="is the disk full?")
        machine.files.make_folder(_folder(step.path), mode=_DISK_FOLDER_MODE)
        self._write_iso(step, public.strip(), context)
        run_checked(machine, ["chmod", "0600", step.path])
        run_checked(machine, ["chown", _qemu_user(context), step.path])
        run_checked(machine, ["sync", step.path, step.key_path, f"{step.key_path}.pub"])
        return {}

    def undo(self, step: MakeSeed, trace: Trace, context: Context) -> tuple[str, ...]:
        """Remove seed and keys."""
        context.refuse_while_running(step.path)
        _remove_staging(step, context)
        context.machine.files.remove(step.path)
        _remove_key(step, context)
        _remove_empty_folder(_folder(step.path), trace, context)
        return ()

    def for_journal(self, step: MakeSeed) -> MakeSeed:
        """Without the seed's texts."""
        return dataclasses.replace(step, user_data="", meta_data="", network_config="")

    def _write_iso(self, step: MakeSeed, public_key: str, context: Context) -> None:
        files = context.machine.files
        tool = next((t for t in _ISO_TOOLS if files.exists(f"/usr/bin/{t}")), None)
        if tool is None:
            raise NotCapable("no program that writes an ISO image is installed", hint="apt-get install genisoimage")
        paths = []
        for name, text in _seed_files(step):
            path = f"{_staging(step)}/{name}"
            files.replace(path, text.replace("@PUBLIC_KEY@", public_key).encode(), mode=0o600)
            paths.append(path)
        run_checked(
            context.machine,
            [tool, "-quiet", "-output", step.path, "-volid", "cidata", "-joliet", "-rock", *paths],
        )
        _remove_staging(step, context)


def _seed_files(step: MakeSeed) -> tuple[tuple[str, str], ...]:
    texts = (("user-data", step.user_data), ("meta-data", step.meta_data), ("network-config", step.network_config))
    return tuple((name, text) for name, text in texts if text or name != "network-config")


def _staging(step: MakeSeed) -> str:
    return f"{_folder(step.key_path)}/seed"


def _remove_staging(step: MakeSeed, context: Context) -> None:
    for name, _ in _seed_files(dataclasses.replace(step, network_config="any")):
        remove_whole(context.machine.files, f"{_staging(step)}/{name}")
    context.machine.files.remove_folder(_staging(step))


def _remove_key(step: MakeSeed, context: Context) -> None:
    context.machine.files.remove(step.key_path)
    context.machine.files.remove(f"{step.key_path}.pub")


def _folder(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _remove_empty_folder(folder: str, trace: Trace, context: Context) -> None:
    """Remove the folder if only the guest's console log lies in it, and it is the deployment's own or this step's.

    Its own may have been made by a step that is undone already, while a file of this one kept it from going.
    """
    files = context.machine.files
    left = files.list(folder)
    foreign = trace.before["folder"] and folder != f"{IMAGES}/{context.plan.request.name}"
    if foreign or left is None or not all(name.startswith(_CONSOLE_LOG) for name in left):
        return
    for name in left:
        files.remove(f"{folder}/{name}")
    files.remove_folder(folder)


def _backing_file(step: MakeDisk, context: Context) -> str | None:
    text = run_checked(context.machine, ["qemu-img", "info", "-U", "--output=json", step.path])
    try:
        found = json.loads(text).get("backing-filename")
    except (ValueError, AttributeError) as error:
        raise StepFailed(f"qemu-img says nothing usable about {step.path}: {error}") from error
    return str(found) if found is not None else None


def _verify_checksum(step: MakeDisk, context: Context) -> None:
    context.progress.phase(f"verify checksum of {step.image}")
    begun = context.early or context.machine.commands.begin(_checksum_of(step), timeout_s=_CHECKSUM_TIMEOUT_S)
    result = begun.wait()
    if result.returncode != 0:
        raise command_failed(result)
    found = result.stdout.split(" ", 1)[0].lstrip("\\")
    if found != step.sha256.lower():
        raise Conflict(
            f"guest image {step.image} has SHA-256 {found}, expected {step.sha256}",
            hint="the image is damaged or another one: fetch or build it again, or correct guest.sha256 in the spec",
        )


def _checksum_of(step: MakeDisk) -> tuple[str, ...]:
    return ("sha256sum", "--", step.image)


def _qemu_user(context: Context) -> str:
    for user in _QEMU_USERS:
        if run_any(context.machine, ["id", "-u", user]).returncode == 0:
            return user
    raise NotCapable("no user runs libvirt's QEMU here", hint="apt-get install libvirt-daemon-system")


def _refuse_unreadable(image: str, user: str, context: Context) -> None:
    if run_any(context.machine, ["runuser", "-u", user, "--", "test", "-r", image]).returncode != 0:
        raise NotCapable(
            f"libvirt's QEMU user {user} cannot read {image}",
            hint="put the image below /var/lib/libvirt/images, or give it and its folders read permission",
        )
