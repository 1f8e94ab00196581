"""``hpcapvf lab …``: the emulated server, from building its images to sending frames through its card."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from hpcapvf.lab.clean import clean_cache
from hpcapvf.lab.images import Images, build_images
from hpcapvf.lab.inventory import inventory, together
from hpcapvf.lab.machine import LabConfig
from hpcapvf.lab.push import push
from hpcapvf.lab.server import BOOT_TIMEOUT_S, POWER_OFF_TIMEOUT_S, Lab
from hpcapvf.lab.several import configs, members
from hpcapvf.lab.state import lab_names
from hpcapvf.lab.wire_protocol import DEFAULT_RATE
from hpcapvf.model.errors import HpcapvfError, LabFailed, NotFound
from hpcapvf.model.progress import Progress
from orchestrator.answer import Answer, Handler
from orchestrator.files import write_text
from orchestrator.options import Commands, add_command
from orchestrator.tables import pairs, table

YAML_WIDTH = 72


def add_commands(commands: Commands) -> None:
    """Define ``lab`` and everything below it."""
    lab = commands.add_parser("lab", help="the emulated two-node server")
    below = lab.add_subparsers(title="lab commands", metavar="COMMAND", required=True)
    build = add_command(below, "build", "build the images that a lab boots from", "hpcapvf lab build")
    build.add_argument("--refresh", action="store_true", help="ask the archive for newer packages now")
    build.set_defaults(handler=run_build, command_name="lab build")
    add_up(below)
    simple = (
        ("status", "say what a lab is and whether it runs", run_status),
        ("push", "bring the toolkit and the driver into the server", run_push),
        ("reboot", "reboot the server and wait for it", run_reboot),
        ("reset", "press the server's reset button and wait for it", run_reset),
    )
    for name, help_text, handler in simple:
        named(below, name, help_text, handler, f"hpcapvf lab {name} --name mine")
    listed = named(
        below,
        "inventory",
        "print an Ansible inventory of the lab",
        run_inventory,
        "hpcapvf lab inventory --output inventory/lab.yaml",
    )
    listed.add_argument("--output", type=Path, metavar="FILE", help="write it there, whatever the terminal's width")
    ssh = named(below, "ssh", "open a shell on the server, or run a command", run_ssh, "hpcapvf lab ssh -- lspci -nn")
    ssh.add_argument("words", nargs="*", metavar="CMD", help="the command, after --")
    down = named(below, "down", "power the server off", run_down, "hpcapvf lab down --name mine")
    down.add_argument("--clean", action="store_true", help="remove the lab's disks as well")
    down.add_argument(
        "--timeout",
        type=float,
        default=POWER_OFF_TIMEOUT_S,
        metavar="S",
        help="then by force (default %(default).0f s)",
    )
    clean = add_command(
        below, "clean", "remove a lab's disks and state", "hpcapvf lab clean --name mine", "hpcapvf lab clean --cache"
    )
    group = clean.add_mutually_exclusive_group()
    group.add_argument("--name", default=LabConfig().name, help="the lab (default %(default)s)")
    group.add_argument("--cache", action="store_true", help="remove the images that no lab uses")
    clean.set_defaults(handler=run_clean, command_name="lab clean")
    add_wire(below)


def named(below: Commands, name: str, help_text: str, handler: Handler, *examples: str) -> argparse.ArgumentParser:
    """Define a command that takes a lab's name."""
    parser = add_command(below, name, help_text, *examples)
    parser.add_argument("--name", default=LabConfig().name, help="the lab (default %(default)s)")
    parser.set_defaults(handler=handler, command_name=f"lab {name}")
    return parser


def add_up(below: Commands) -> None:
    """Define ``lab up`` with the boot variants."""
    default = LabConfig()
    up = named(
        below,
        "up",
        "start the server, building what is missing",
        run_up,
        "hpcapvf lab up --cpus 12 --memory 12G",
        "hpcapvf lab up --servers 2 --name pair",
    )
    up.add_argument("--cpus", type=int, default=default.cpus, help="CPUs over both nodes (default %(default)s)")
    up.add_argument(
        "--servers",
        type=int,
        default=1,
        metavar="N",
        help="start N servers, named NAME-1 to NAME-N; status, push, inventory, down and clean take NAME for all",
    )
    up.add_argument(
        "--memory", type=mib, default=default.memory_mib, metavar="SIZE", help="memory over both nodes (default 8G)"
    )
    up.add_argument(
        "--accel", choices=("auto", "tcg", "kvm"), default=default.accel, help="how QEMU runs it (default auto)"
    )
    up.add_argument("--no-iommu", action="store_true", help="a server without IOMMU")
    up.add_argument("--no-iomem-relaxed", action="store_true", help="a kernel that keeps card registers to its drivers")
    up.add_argument("--bare", action="store_true", help="a kernel without any of the arguments a probe needs")
    up.add_argument("--hugepages-1g", type=int, default=0, metavar="N", help="set aside N pages of 1 GiB at boot")
    up.add_argument("--second-nic", action="store_true", help="a second card")
    up.add_argument("--nvme", action="store_true", help="an NVMe controller with VFs")
    up.add_argument("--refresh", action="store_true", help="ask the archive for newer packages now")
    up.add_argument(
        "--timeout", type=float, default=BOOT_TIMEOUT_S, metavar="S", help="wait for ssh (default %(default).0f s)"
    )


def add_wire(below: Commands) -> None:
    """Define ``lab wire`` and its three commands."""
    wire = below.add_parser("wire", help="the far end of the card's port")
    commands = wire.add_subparsers(title="wire commands", metavar="COMMAND", required=True)
    send = named(
        commands,
        "send",
        "send the frames of a pcap file to the card",
        run_send,
        "hpcapvf lab wire send a.pcap --rate 1000",
    )
    send.add_argument("file", type=Path, metavar="FILE.pcap")
    pace = send.add_mutually_exclusive_group()
    pace.add_argument(
        "--rate", type=float, default=DEFAULT_RATE, metavar="N", help="frames per second (default %(default).0f)"
    )
    pace.add_argument("--as-recorded", action="store_true", help="at the times in the file")
    send.add_argument("--loop", type=int, default=1, metavar="K", help="how often (default once)")
    send.add_argument("--port", type=int, default=0, help="0: first card, 1: second card")
    send.add_argument(
        "--timeout", type=float, default=600, metavar="S", help="give up waiting after S seconds (default 600)"
    )
    send.set_defaults(command_name="lab wire send")
    record = named(
        commands,
        "record",
        "write what the server sends to a pcap file",
        run_record,
        "hpcapvf lab wire record out.pcap",
        "hpcapvf lab wire record --stop",
    )
    target = record.add_mutually_exclusive_group(required=True)
    target.add_argument("file", nargs="?", type=Path, metavar="FILE.pcap")
    target.add_argument("--stop", action="store_true", help="end the recording")
    record.set_defaults(command_name="lab wire record")
    named(commands, "stats", "count frames sent and received", run_stats, "hpcapvf lab wire stats").set_defaults(
        command_name="lab wire stats"
    )


def mib(text: str) -> int:
    """Memory size such as 8G or 8192M as MiB."""
    number, unit = text[:-1], text[-1:].upper()
    if unit not in ("G", "M") or not number.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 8G or 6144M")
    return int(number) * (1024 if unit == "G" else 1)


def run_build(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf lab build``."""
    images = build_images(progress, refresh=args.refresh)
    return answer("images", describe_images(images))


def describe_images(images: Images) -> dict[str, object]:
    """Where the images are and what they hold."""
    parts = {"server": images.server, "guest": images.guest, "builder": images.builder}
    folders = {name: str(image.folder) for name, image in parts.items()}
    kernels = {f"{name}_kernel": image.manifest["kernel_release"] for name, image in parts.items()}
    return {**folders, **kernels, "note": images.note}


def run_up(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf lab up``."""
    config = LabConfig(
        name=args.name,
        cpus=args.cpus,
        memory_mib=args.memory,
        accel=args.accel,
        iommu=not args.no_iommu,
        iomem_relaxed=not args.no_iomem_relaxed,
        bare=args.bare,
        hugepages_1g=args.hugepages_1g,
        second_nic=args.second_nic,
        nvme=args.nvme,
    )
    each = {one.name: one for one in configs(config, args.servers, lab_names())}
    return on_each(
        args.name,
        tuple(each),
        lambda lab: lab.up(each[lab.name], progress, refresh=args.refresh, timeout_s=args.timeout),
    )


def on_each(name: str, labs: Sequence[str], act: Callable[[Lab], dict[str, Any]]) -> Answer:
    """What was done with each lab that a name means. One that fails does not keep it from the others."""
    if len(labs) == 1:
        return answer(labs[0], act(Lab(labs[0])))
    done: dict[str, dict[str, Any]] = {}
    failed: dict[str, HpcapvfError] = {}
    for lab in labs:
        try:
            done[lab] = act(Lab(lab))
        except HpcapvfError as error:
            failed[lab] = error
    shown = tuple(pairs(lab, result.items()) for lab, result in done.items())
    errors = {lab: error.message for lab, error in failed.items()}
    return Answer({"name": name, "servers": done, "failed": errors}, shown=shown, error=worst_of(failed, len(labs)))


def worst_of(failed: Mapping[str, HpcapvfError], servers: int) -> HpcapvfError | None:
    """One error for all servers that failed: the first one's kind and hint, everybody's reason."""
    if not failed:
        return None
    details = [line for lab, error in failed.items() for line in (f"{lab}: {error.message}", *error.details)]
    first = next(iter(failed.values()))
    error = LabFailed(f"{len(failed)} of {servers} servers failed", hint=first.hint, details=tuple(details))
    error.exit_code = first.exit_code
    return error


def answer(title: str, result: dict[str, Any]) -> Answer:
    """An answer whose fields are printed one a line."""
    return Answer(result, shown=(pairs(title, result.items()),))


def run_status(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf lab status``."""
    labs = lab_names()
    return on_each(args.name, members(args.name, labs), lambda lab: lab.status() | {"labs": labs})


def run_push(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf lab push``."""
    return on_each(args.name, members(args.name, lab_names()), lambda lab: push(lab, progress))


def run_inventory(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf lab inventory``."""
    labs = map(Lab, members(args.name, lab_names()))
    content = together(inventory(lab.name, lab.target(), lab.facts()) for lab in labs)
    if args.output:
        write_text(args.output, yaml.safe_dump(content, sort_keys=False))
        return answer(args.name, {"written": str(args.output)})
    return Answer(content, shown=(yaml.safe_dump(content, sort_keys=False, width=YAML_WIDTH),))


def run_reboot(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf lab reboot``."""
    progress.phase("reboot", args.name)
    return answer(args.name, Lab(args.name).reboot())


def run_reset(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf lab reset``."""
    progress.phase("reset", args.name)
    return answer(args.name, Lab(args.name).reboot(hard=True))


def run_ssh(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf lab ssh``: this process becomes ssh, so its exit status is the command's."""
    # One word is a line for the server's shell, as with ssh itself; several are one command with its arguments.
    remote = args.words[0] if len(args.words) == 1 else shlex.join(args.words) or None
    command = Lab(args.name).target().command(remote)
    os.execvp(command[0], command)  # noqa: S606 - the words are ours, and no shell is involved


def run_down(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf lab down``."""
    progress.phase("power off", args.name)
    labs = members(args.name, lab_names())
    return on_each(args.name, labs, lambda lab: lab.down(timeout_s=args.timeout, clean=args.clean))


def run_clean(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf lab clean``."""
    if args.cache:
        progress.phase("clean", "images that no lab uses")
        return answer("cache", clean_cache())
    progress.phase("clean", args.name)
    return on_each(args.name, members(args.name, lab_names()), lambda lab: lab.down(clean=True))


def run_send(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf lab wire send``."""
    if not args.file.is_file():
        raise NotFound(f"there is no file {args.file}")
    with Lab(args.name).wire() as wire:
        progress.phase("send", str(args.file))
        run = wire.send_pcap(args.file, rate=args.rate, as_recorded=args.as_recorded, loop=args.loop, port=args.port)
        return answer(args.name, wire.wait(run, timeout_s=args.timeout))


def run_record(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf lab wire record``."""
    with Lab(args.name).wire() as wire:
        if args.stop:
            return answer(args.name, wire.stop_recording())
        wire.record(args.file)
        return answer(args.name, {"recording": str(args.file.resolve())})


def run_stats(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf lab wire stats``."""
    with Lab(args.name).wire() as wire:
        stats = wire.stats()
    names = list(stats["ports"][0])
    rows = [[number, *(port[name] for name in names)] for number, port in enumerate(stats["ports"])]
    return Answer(stats, shown=(table("wire", ["port", *(name.replace("_", " ") for name in names)], rows),))
