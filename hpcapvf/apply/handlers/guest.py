"""Handlers for the guest once it runs: wait for it, and put the capture driver or the function's own to work.

The guest's disk goes away with the deployment, so nothing is undone inside the guest that only lives there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from hpcapvf.apply.at_once import answered, ask, do_all, needed
from hpcapvf.apply.checked import command_failed, run_any, run_checked, wait_until
from hpcapvf.apply.guest_binding import DRIVERS_PROBE, driver_link, free_for
from hpcapvf.apply.handler import Context, Handler, Json, Trace
from hpcapvf.apply.in_guest import (
    DRIVER,
    PCI_DEVICES,
    READ_IDS,
    bound_driver,
    driver_folder,
    find_function,
    find_interface,
    read_attribute,
    same_file,
)
from hpcapvf.host.protocols import Files, Guest, Job, NewFile
from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import NotFound, StepFailed, WaitTimedOut
from hpcapvf.model.paths import DRIVER_STORE, INTERFACE_FILE, known_hosts_path
from hpcapvf.model.steps import InstallDriver, UseInterface, WaitGuest

MODPROBE_CONF = "/etc/modprobe.d/hpcapvf.conf"
_TOOLS = ("hpcapdd", "raw2pcap", "pcap2raw", "checkraw", "hpcapdump", "hpcapstat")
# Who may read the device nodes: a udev rule, and the group that it names.
_UDEV_RULE = "etc/udev/rules.d/60-hpcapvf.rules"
_GROUP = "etc/sysusers.d/hpcapvf.conf"
_FILE_LIMIT = 64 << 20
_MODULE_TIMEOUT_S = 120.0
_READY_TIMEOUT_S = 60.0
_MOST_DESCRIPTORS = 4096
_RELEASE = ("uname", "-r")
_MODULE_LOADED = ("cat", f"/sys/module/{DRIVER}/refcnt")
# udevd may have read the rule, at another device's event, before its group was there; then it knows no group, and reads
# the folder again only if that has changed (seen once: a node of the group root).
_READERS = (
    needed("systemd-sysusers", f"/{_GROUP}"),
    needed("touch", "/etc/udev/rules.d"),
    needed("udevadm", "control", "--reload"),
)
_RECOVERABLE = 2  # cloud-init's status: done, with complaints


class WaitGuestHandler(Handler[WaitGuest]):
    """Wait for ssh and for the end of cloud-init; the host key that the guest showed is what it leaves behind."""

    phase = "guest boot"
    survives_reboot = True

    def satisfied(self, step: WaitGuest, context: Context) -> str | None:
        """Never: looking is the step."""
        return None

    def observe(self, step: WaitGuest, context: Context) -> Json:
        """Nothing."""
        return {}

    def do(self, step: WaitGuest, before: Json, context: Context) -> Json:
        """Wait; the whole has one deadline."""
        clock = context.machine.clock
        end = clock.monotonic() + step.timeout_s
        guest, restarts = _first_answer(step, context)
        context.progress.phase(f"wait for cloud-init in {step.domain}")
        left_s = max(end - clock.monotonic(), 1.0)
        wait, release = guest.run_all([Job(("cloud-init", "status", "--wait")), Job(_RELEASE)], timeout_s=left_s)
        if wait.returncode not in (0, _RECOVERABLE):
            error = command_failed(wait)
            details = run_any(guest, ["cloud-init", "status", "--long"]).stdout.splitlines()
            raise StepFailed(
                f"cloud-init failed in {step.domain}: {error.message}",
                hint="see /var/log/cloud-init.log in the guest",
                details=tuple(details),
            )
        return {"kernel": release.stdout.strip(), "restarts": restarts}

    def undo(self, step: WaitGuest, trace: Trace, context: Context) -> tuple[str, ...]:
        """Forget the guest's host key."""
        context.machine.files.remove(known_hosts_path(step.key_path))
        return ()


def _first_answer(step: WaitGuest, context: Context) -> tuple[Guest, int]:
    """The guest, and how often it was started anew: once, if half of the time passed and it never asked for an address.

    There is nothing in it yet that could be lost. Seen once in some twenty starts under emulated nested paging: the
    guest's first CPU faulted for ever on one page of a module before the network was up.
    """
    machine = context.machine
    try:
        return context.guest(step.timeout_s / 2), 0
    except WaitTimedOut:
        if machine.hypervisor.guest_address(step.domain, step.management_mac) is not None:
            return context.guest(step.timeout_s / 2), 0
    context.progress.phase(f"{step.domain} never asked for an address: start it anew")
    machine.hypervisor.stop(step.domain, 0)
    machine.hypervisor.start(step.domain)
    return context.guest(step.timeout_s / 2), 1


class UseInterfaceHandler(Handler[UseInterface]):
    """Wait for the interface of the function's own driver and write down its name for the capture service."""

    phase = "driver"
    survives_reboot = True

    def satisfied(self, step: UseInterface, context: Context) -> str | None:
        """The interface is there and written down."""
        guest = ask(context.guest(), ("cat", INTERFACE_FILE), READ_IDS)
        interface = find_interface(guest, find_function(guest, step.vendor, step.device))
        known = read_attribute(guest, INTERFACE_FILE)
        same = interface is not None and known == _interface_line(interface).strip()
        return f"{interface} is there" if same else None

    def observe(self, step: UseInterface, context: Context) -> Json:
        """Nothing."""
        return {}

    def do(self, step: UseInterface, before: Json, context: Context) -> Json:
        """Wait, and write its name."""
        guest = context.guest()
        function = find_function(guest, step.vendor, step.device)
        interface = _wait_for_interface(guest, function, context)
        do_all(guest, _settling(interface), files=[NewFile(INTERFACE_FILE, _interface_line(interface).encode())])
        return {"function": str(function), "interface": interface, "driver": bound_driver(guest, function)}

    def undo(self, step: UseInterface, trace: Trace, context: Context) -> tuple[str, ...]:
        """Nothing: the guest's disk goes."""
        return ()


def _interface_line(interface: str) -> str:
    return f"INTERFACE={interface}\n"


@dataclass(frozen=True)
class _Payload:
    """What is installed: contents by path in the guest, with modes."""

    module_path: str
    files: tuple[NewFile, ...]


class InstallDriverHandler(Handler[InstallDriver]):
    """Copy module, tools and udev rule, then bind the VF by ``driver_override`` (igbvf claims the same IDs), or name
    the function's network interface to the module (its parameter ``interfaces``)."""

    phase = "driver"
    survives_reboot = True

    def satisfied(self, step: InstallDriver, context: Context) -> str | None:
        """The same files are there and the function is captured."""
        guest = ask(context.guest(), READ_IDS, _RELEASE, _MODULE_LOADED)
        function = find_function(guest, step.vendor, step.device)
        if read_attribute(guest, _MODULE_LOADED[-1]) is None:
            return None
        if read_attribute(guest, f"{driver_folder(guest, step)}/link") is None:
            return None
        payload = _payload(step, guest, context.machine.files)
        same = _same_files(guest, payload.files)
        return f"{function} in the guest is captured by the same {DRIVER}" if same else None

    def observe(self, step: InstallDriver, context: Context) -> Json:
        """Nothing."""
        return {}

    def do(self, step: InstallDriver, before: Json, context: Context) -> Json:
        """Install, bind, and wait for the device node and a link answer."""
        guest = context.guest()
        known = ask(guest, READ_IDS, _RELEASE, _MODULE_LOADED)
        files = _payload(step, known, context.machine.files).files
        function = find_function(known, step.vendor, step.device)
        interface = _wait_for_interface(guest, function, context) if step.by_interface else ""
        folder = f"/sys/class/net/{interface}/{DRIVER}" if step.by_interface else f"{PCI_DEVICES}/{function}/{DRIVER}"
        give = _settling(interface) if step.by_interface else free_for(function, DRIVER)
        value = interface or str(function)
        attribute = f"/sys/module/{DRIVER}/parameters/interfaces" if step.by_interface else DRIVERS_PROBE
        loaded = read_attribute(known, _MODULE_LOADED[-1]) is not None
        questions = [driver_link(function), ("ls", "/dev"), ("cat", f"{folder}/link")]
        jobs = (*_READERS, *give, *_loading(attribute, value, loaded=loaded))
        known = _load(guest, jobs, files, value, questions)
        if not step.by_interface:
            _refuse_unbound(known, function)
        node = _device_node(known) or wait_until(
            context.machine.clock,
            "the capture device node in the guest",
            _READY_TIMEOUT_S,
            lambda: _device_node(guest),
            poll_s=0.5,
        )
        link = read_attribute(known, f"{folder}/link") or read_attribute(guest, f"{folder}/link")
        if link is None:
            raise StepFailed(f"{folder} in the guest has no link", details=_kernel_lines(guest))
        return {"function": str(function), "node": node, "link": link}

    def undo(self, step: InstallDriver, trace: Trace, context: Context) -> tuple[str, ...]:
        """Nothing: the guest's disk goes."""
        return ()


def _payload(step: InstallDriver, guest: Guest, files: Files) -> _Payload:
    release = run_checked(guest, _RELEASE).strip()
    if not release or "/" in release:
        raise StepFailed(f"the guest gives no usable kernel release: {release!r}")
    module_path = f"/lib/modules/{release}/updates/{DRIVER}.ko"
    module = NewFile(module_path, _module(files, release))
    tools = tuple(
        NewFile(f"/usr/local/bin/{tool}", _stored(files, f"bin/{tool}", "build the tools (make -C driver user)"), 0o755)
        for tool in _TOOLS
    )
    readers = tuple(
        NewFile(f"/{name}", _stored(files, name, "build the tools (make -C driver user)"))
        for name in (_UDEV_RULE, _GROUP)
    )
    return _Payload(module_path, (module, NewFile(MODPROBE_CONF, step.modprobe_conf.encode()), *readers, *tools))


def _same_files(guest: Guest, files: tuple[NewFile, ...]) -> bool:
    """Whether the guest has all of them as they are."""
    answers = ask(guest, *(("sha256sum", file.path) for file in files))
    return all(same_file(answers, file.path, hashlib.sha256(file.data).hexdigest()) for file in files)


def _module(files: Files, release: str) -> bytes:
    """The module for the guest's kernel; NotFound names the kernels for which there is one."""
    data = files.read_bytes(f"{DRIVER_STORE}/{release}/{DRIVER}.ko", _FILE_LIMIT)
    if data is not None:
        return data
    there = [n for n in files.list(DRIVER_STORE) or () if files.exists(f"{DRIVER_STORE}/{n}/{DRIVER}.ko")]
    raise NotFound(
        f"the guest runs kernel {release}, and {DRIVER_STORE} has no module for it "
        f"(it has those for: {', '.join(there) or 'none'})",
        hint=f"build it with that kernel's headers (Debian: linux-headers-{release}): make -C driver module "
        f"KDIR=/usr/src/linux-headers-{release}; then put it to {DRIVER_STORE}/{release}/{DRIVER}.ko, or take an image "
        "whose kernel has one",
    )


def _stored(files: Files, name: str, remedy: str) -> bytes:
    data = files.read_bytes(f"{DRIVER_STORE}/{name}", _FILE_LIMIT)
    if data is None:
        raise NotFound(f"{DRIVER_STORE}/{name} does not exist", hint=f"{remedy} and put it there")
    return data


def _loading(attribute: str, value: str, *, loaded: bool) -> tuple[Job, ...]:
    """Load the module afresh and give it its device, by writing to an attribute."""
    unload = (needed("modprobe", "-r", DRIVER),) if loaded else ()
    return (*unload, needed("modprobe", DRIVER), needed("tee", attribute, stdin=value))


def _load(
    guest: Guest, jobs: Sequence[Job], files: Sequence[NewFile], value: str, questions: Sequence[Sequence[str]]
) -> Guest:
    """Do all that in one round trip; the guest with the answers to what was asked afterwards."""
    asked = [Job(tuple(argv)) for argv in questions]
    try:
        return answered(guest, do_all(guest, (*jobs, *asked), files=files, timeout_s=_MODULE_TIMEOUT_S))
    except (StepFailed, WaitTimedOut) as error:
        raise StepFailed(
            f"the driver does not load in the guest, or does not take {value}: {error.message}",
            hint="the details are the guest's last kernel messages",
            details=_kernel_lines(guest),
        ) from error


def _refuse_unbound(guest: Guest, function: PciAddress) -> None:
    found = bound_driver(guest, function)
    if found != DRIVER:
        raise StepFailed(
            f"{function} in the guest is bound to {found or 'no driver'}, not to {DRIVER}",
            hint="the details are the guest's last kernel messages",
            details=_kernel_lines(guest),
        )


def _wait_for_interface(guest: Guest, function: PciAddress, context: Context) -> str:
    """The interface that the function's own driver makes; it may be loading still."""
    try:
        return wait_until(
            context.machine.clock,
            f"the network interface of {function} in the guest",
            _READY_TIMEOUT_S,
            lambda: find_interface(guest, function),
            poll_s=1.0,
        )
    except WaitTimedOut as error:
        driver = bound_driver(guest, function)
        has = f"its driver there is {driver}" if driver else "no driver there has taken it"
        raise WaitTimedOut(
            f"{error.message}; {has}", hint="is the card's driver in the guest's image?", details=_kernel_lines(guest)
        ) from error


def _settling(interface: str) -> tuple[Job, ...]:
    """No pause frames from a card that the guest has (thesis appendix A.2.1); one receive queue: frames of several
    do not come in the order of the link (seen: 1402 of 5000); as many descriptors as the card takes, for bursts. A card
    without such a setting keeps its own."""
    return (
        Job(("ethtool", "-A", interface, "autoneg", "off", "rx", "off", "tx", "off")),
        Job(("ethtool", "-L", interface, "combined", "1")),
        Job(("ethtool", "-G", interface, "rx", str(_MOST_DESCRIPTORS))),
    )


def _device_node(guest: Guest) -> str | None:
    names = run_checked(guest, ["ls", "/dev"]).split()
    return next((f"/dev/{name}" for name in names if name.startswith("hpcap_")), None)


def _kernel_lines(guest: Guest) -> tuple[str, ...]:
    return tuple(run_any(guest, ["dmesg"]).stdout.splitlines()[-15:])
