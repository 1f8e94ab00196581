"""The systemd service that runs ``hpcapvf recover`` at boot: there from the first deployment to the last."""

from __future__ import annotations

from hpcapvf.apply import state
from hpcapvf.apply.checked import remove_torn, remove_whole, run_any, run_checked
from hpcapvf.host.protocols import Machine
from hpcapvf.model.errors import NotCapable
from hpcapvf.model.paths import DEPLOYMENTS, RECOVER_UNIT, RECOVER_UNIT_PATH

# Waits for libvirt, whichever of its two forms runs, and for the VMs that it starts by itself: they may be watched.
_UNIT = f"""\
[Unit]
Description=HPCAPvf: put back deployments that were cut short, make anew those that persist
After=libvirtd.service libvirtd.socket virtqemud.socket virtnetworkd.socket libvirt-guests.service network.target
ConditionPathExistsGlob={DEPLOYMENTS}/*

[Service]
Type=oneshot
ExecStart=@COMMAND@ recover --wait 300
# Each wait of its own has a deadline; a guest may take long to boot.
TimeoutStartSec=infinity

[Install]
WantedBy=multi-user.target
"""


def install(machine: Machine) -> None:
    """Have the service enabled. NotCapable if root's PATH has no hpcapvf that it could run."""
    text = _UNIT.replace("@COMMAND@", hpcapvf_command(machine))
    remove_torn(machine.files, RECOVER_UNIT_PATH)
    if machine.files.read_text(RECOVER_UNIT_PATH) != text:
        machine.files.replace(RECOVER_UNIT_PATH, text.encode(), mode=0o644)
        run_checked(machine, ["systemctl", "daemon-reload"])
    if run_any(machine, ["systemctl", "is-enabled", "--quiet", RECOVER_UNIT]).returncode != 0:
        run_checked(machine, ["systemctl", "enable", "--quiet", RECOVER_UNIT])


def remove_after_last(machine: Machine) -> None:
    """Take the service away if no deployment is left."""
    if state.names(machine.files) or not _anything_there(machine):
        return
    run_any(machine, ["systemctl", "disable", "--quiet", RECOVER_UNIT])
    remove_whole(machine.files, RECOVER_UNIT_PATH)
    run_any(machine, ["systemctl", "daemon-reload"])


def _anything_there(machine: Machine) -> bool:
    """The service, or a part of it that was being written when the power went."""
    folder = RECOVER_UNIT_PATH.rpartition("/")[0]
    return any(name.startswith(RECOVER_UNIT) for name in machine.files.list(folder) or ())


def hpcapvf_command(machine: Machine) -> str:
    """The absolute path of the command; a service has a PATH of its own."""
    found = run_any(machine, ["sh", "-c", "command -v hpcapvf"]).stdout.strip()
    if not found.startswith("/"):
        raise NotCapable(
            "the command hpcapvf is not on root's PATH, and services of a deployment must run it",
            hint="link it to /usr/local/bin",
        )
    return found
