"""Handlers for the guest once it runs: wait for it, and put the capture driver or the function's own to work.

The guest's disk goes away with the deployment, so nothing is undone inside the guest that only lives there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from hpcapvf.apply.checked import command_failed, run_any, run_checked, wait_until
from hpcapvf.apply.handler import Context, Handler, Json, Trace
from hpcapvf.apply.in_guest import (
    DRIVER,
    PCI_DEVICES,
    bound_driver,
    driver_folder,
    find_function,
    find_interface,
    read_attribute,
    same_file,
    write_attribute,
)
from hpcapvf.host.protocols import Files, Guest
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
_RECOVERABLE = 2  # cloud-init's status: done, with complaints


class WaitGuestHandler(Handler[WaitGuest]):
    """Wait for ssh and for the end of cloud-init; the host key that the guest showed is what it leaves behind."""

    phase = "guest boot"

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
        result = run_any(guest, ["cloud-init", "status", "--wait"], timeout_s=left_s)
        if result.returncode not in (0, _RECOVERABLE):
            error = command_failed(result)
            details = run_any(guest, ["cloud-init", "status", "--long"]).stdout.splitlines()
            raise StepFailed(
                f"cloud-init failed in {step.domain}: {error.message}",
                hint="see /var/log/cloud-init.log in the guest",
                details=tuple(details),
            )
        return {"kernel": run_checked(guest, ["uname", "-r"]).strip(), "restarts": restarts}

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

    def satisfied(self, step: UseInterface, context: Context) -> str | None:
        """The interface is there and written down."""
        guest = context.guest()
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
        _settle_interface(guest, interface)
        run_checked(guest, ["mkdir", "-p", INTERFACE_FILE.rpartition("/")[0]])
        guest.put(_interface_line(interface).encode(), INTERFACE_FILE, 0o644)
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
    files: tuple[tuple[str, bytes, int], ...]


class InstallDriverHandler(Handler[InstallDriver]):
    """Copy module, tools and udev rule, then bind the VF by ``driver_override`` (igbvf claims the same IDs), or name
    the function's network interface to the module (its parameter ``interfaces``)."""

    phase = "driver"

    def satisfied(self, step: InstallDriver, context: Context) -> str | None:
        """The same files are there and the function is captured."""
        guest = context.guest()
        function = find_function(guest, step.vendor, step.device)
        if read_attribute(guest, f"{driver_folder(guest, step)}/link") is None:
            return None
        payload = _payload(step, guest, context.machine.files)
        same = all(same_file(guest, path, hashlib.sha256(data).hexdigest()) for path, data, _ in payload.files)
        return f"{function} in the guest is captured by the same {DRIVER}" if same else None

    def observe(self, step: InstallDriver, context: Context) -> Json:
        """Nothing."""
        return {}

    def do(self, step: InstallDriver, before: Json, context: Context) -> Json:
        """Install, bind, and wait for the device node and a link answer."""
        guest = context.guest()
        payload = _payload(step, guest, context.machine.files)
        for path, data, mode in payload.files:
            guest.put(data, path, mode)
        run_checked(guest, ["systemd-sysusers", f"/{_GROUP}"])
        run_checked(guest, ["udevadm", "control", "--reload"])
        function = find_function(guest, step.vendor, step.device)
        if step.by_interface:
            _capture_interface(guest, function, context)
        else:
            _bind(guest, function)
        node = wait_until(
            context.machine.clock,
            "the capture device node in the guest",
            _READY_TIMEOUT_S,
            lambda: _device_node(guest),
            poll_s=1.0,
        )
        folder = driver_folder(guest, step)
        link = read_attribute(guest, f"{folder}/link")
        if link is None:
            raise StepFailed(f"{folder} in the guest has no link", details=_kernel_lines(guest))
        return {"function": str(function), "node": node, "link": link}

    def undo(self, step: InstallDriver, trace: Trace, context: Context) -> tuple[str, ...]:
        """Nothing: the guest's disk goes."""
        return ()


def _payload(step: InstallDriver, guest: Guest, files: Files) -> _Payload:
    release = run_checked(guest, ["uname", "-r"]).strip()
    if not release or "/" in release:
        raise StepFailed(f"the guest gives no usable kernel release: {release!r}")
    module_path = f"/lib/modules/{release}/updates/{DRIVER}.ko"
    module = _stored(files, f"{release}/{DRIVER}.ko", f"build the module for {release} (make -C driver)")
    tools = tuple(
        (f"/usr/local/bin/{tool}", _stored(files, f"bin/{tool}", "build the tools (make -C driver user)"), 0o755)
        for tool in _TOOLS
    )
    readers = tuple(
        (f"/{name}", _stored(files, name, "build the tools (make -C driver user)"), 0o644)
        for name in (_UDEV_RULE, _GROUP)
    )
    conf = (MODPROBE_CONF, step.modprobe_conf.encode(), 0o644)
    return _Payload(module_path, ((module_path, module, 0o644), conf, *readers, *tools))


def _stored(files: Files, name: str, remedy: str) -> bytes:
    data = files.read_bytes(f"{DRIVER_STORE}/{name}", _FILE_LIMIT)
    if data is None:
        raise NotFound(f"{DRIVER_STORE}/{name} does not exist", hint=f"{remedy} and put it there")
    return data


def _bind(guest: Guest, function: PciAddress) -> None:
    folder = f"{PCI_DEVICES}/{function}"
    write_attribute(guest, f"{folder}/driver_override", DRIVER)
    if bound_driver(guest, function) is not None:
        write_attribute(guest, f"{folder}/driver/unbind", str(function))
    _load(guest, "/sys/bus/pci/drivers_probe", str(function))
    found = bound_driver(guest, function)
    if found != DRIVER:
        raise StepFailed(
            f"{function} in the guest is bound to {found or 'no driver'}, not to {DRIVER}",
            hint="the details are the guest's last kernel messages",
            details=_kernel_lines(guest),
        )


def _load(guest: Guest, attribute: str, value: str) -> None:
    """Load the module afresh and give it its device, by writing to an attribute."""
    try:
        if read_attribute(guest, f"/sys/module/{DRIVER}/refcnt") is not None:
            run_checked(guest, ["modprobe", "-r", DRIVER], timeout_s=_MODULE_TIMEOUT_S)
        run_checked(guest, ["modprobe", DRIVER], timeout_s=_MODULE_TIMEOUT_S)
        write_attribute(guest, attribute, value)
    except (StepFailed, WaitTimedOut) as error:
        raise StepFailed(
            f"the driver does not load in the guest, or does not take {value}: {error.message}",
            hint="the details are the guest's last kernel messages",
            details=_kernel_lines(guest),
        ) from error


def _capture_interface(guest: Guest, function: PciAddress, context: Context) -> None:
    interface = _wait_for_interface(guest, function, context)
    _settle_interface(guest, interface)
    _load(guest, f"/sys/module/{DRIVER}/parameters/interfaces", interface)


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


def _settle_interface(guest: Guest, interface: str) -> None:
    """No pause frames from a card that the guest has (thesis appendix A.2.1), and one receive queue: frames of several
    do not come in the order of the link (seen: 1402 of 5000). What has no such setting, as a VF, needs none."""
    run_any(guest, ["ethtool", "-A", interface, "autoneg", "off", "rx", "off", "tx", "off"])
    run_any(guest, ["ethtool", "-L", interface, "combined", "1"])


def _device_node(guest: Guest) -> str | None:
    names = run_checked(guest, ["ls", "/dev"]).split()
    return next((f"/dev/{name}" for name in names if name.startswith("hpcap_")), None)


def _kernel_lines(guest: Guest) -> tuple[str, ...]:
    return tuple(run_any(guest, ["dmesg"]).stdout.splitlines()[-15:])
