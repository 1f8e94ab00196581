"""What may happen to an agent and its card: afterwards the mirror is right, and the watched VMs lost nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from tests.lab.conftest import looked_at
from tests.watching import traffic
from tests.watching.stage import Stage, differences
from tests.watching.traffic import AGENT

STILL_S, STILL_RATE = 60.0, 100.0
_REPAIR_S = 60.0
_END_S = 240.0
_QUIET_S = 4.0


def stands_still(stage: Stage) -> list[str]:
    """The agent's guest is paused for a minute, with frames all the time: the VMs get all of theirs."""
    server, vms = stage.server, stage.vms
    wrong = stage.mirrors()  # QDE, read back
    of = stage.kinds()
    sent = traffic.mixed(of, stage.numbers, each=int(STILL_S * STILL_RATE / len(of)))
    marks = [vm.record() for vm in vms]
    server.shell(f"virsh -q suspend {AGENT}")
    began = time.monotonic()
    try:
        stage.send(sent.frames, STILL_RATE)
        time.sleep(max(_QUIET_S, began + STILL_S - time.monotonic()))
        state = server.shell(f"virsh domstate {AGENT}").strip()
    finally:
        server.shell(f"virsh -q resume {AGENT}")
    got = {vm.name: vm.recorded(mark) for vm, mark in zip(vms, marks, strict=True)}
    wrong += [line for name in got for line in differences(name, sent.due[name], got[name], of)]
    wrong += [] if state == "paused" else [f"the agent was {state}, not paused"]
    stage.counts["stood still"] = {"seconds": round(time.monotonic() - began), "sent": len(sent.frames)}
    time.sleep(_QUIET_S)
    return wrong + stage.exact()


def promiscuous_toggled(stage: Stage) -> list[str]:
    """The PF's driver rewrites its receive registers twice."""
    interface = stage.server.interface
    stage.server.shell(f"ip link set {interface} promisc on; sleep 3; ip link set {interface} promisc off")
    return _repaired(stage) + stage.exact()


def pf_down_and_up(stage: Stage) -> list[str]:
    """The card is reset by its driver; every VF with it."""
    interface = stage.server.interface
    stage.server.shell(f"ip link set {interface} down; sleep 5; ip link set {interface} up")
    time.sleep(5)
    for vm in stage.vms:
        vm.wait_until_up(_REPAIR_S)
    return _repaired(stage) + stage.exact()


def everything_is_killed(stage: Stage) -> list[str]:
    """SIGKILL to the agent's QEMU and its guard at one moment: systemd starts the guard anew, which ends the agent."""
    server = stage.server
    server.shell(
        f"kill -9 $(systemctl show --property=MainPID --value hpcapvf-guard-{AGENT}) "
        f"$(cat /run/libvirt/qemu/{AGENT}.pid)"
    )
    stage.agent_mac = stage.agent_pool = None
    return _gone(stage) + _end_is_told(stage, "its guest died") + stage.exact()


def server_is_reset(stage: Stage) -> list[str]:
    """The reset button; the VMs are off then, and nobody is watched."""
    stage.server.shell("sync")
    stage.server.lab.reboot(hard=True)
    stage.server = looked_at(stage.server.lab)
    stage.agent_mac = stage.agent_pool = None
    answer = stage.server.command("hpcapvf", "recover", "--wait", "600", timeout_s=900)
    wrong = [] if answer.ok else [json.dumps(answer.error)]
    left = stage.server.command("hpcapvf", "status").result["deployments"]
    listed = stage.server.command("hpcapvf", "mirrors").result["mirrors"]
    wrong += [f"left: {json.dumps(left)} {json.dumps(listed)}"] if left or listed else []
    return wrong + _end_is_told(stage, "put back after a cut")


def _repaired(stage: Stage) -> list[str]:
    """What is wrong with the mirror once it had time to be repaired."""
    deadline = time.monotonic() + _REPAIR_S
    while (wrong := stage.mirrors()) and time.monotonic() < deadline:
        time.sleep(2)
    guard = stage.server.command("hpcapvf", "status", AGENT).result["guard"]
    stage.counts.setdefault("guard", []).append({key: guard[key] for key in ("drifts", "registers_reapplied")})
    return wrong


def _gone(stage: Stage) -> list[str]:
    """What is left of the agent once it had time to go."""
    deadline = time.monotonic() + _END_S
    while time.monotonic() < deadline:
        left = stage.server.command("hpcapvf", "status").result["deployments"]
        wrong = stage.mirrors() + ([f"left: {json.dumps(left)}"] if left else [])
        if not wrong:
            return []
        time.sleep(3)
    said = stage.server.shell(f"journalctl --no-pager -n 20 -u hpcapvf-guard-{AGENT} -u hpcapvf-end-{AGENT}")
    return [*wrong, said]


def _end_is_told(stage: Stage, why: str) -> list[str]:
    """The audit file's last line says why nobody watches any more."""
    last = json.loads(stage.server.shell("tail -n 1 /var/log/hpcapvf/audit.jsonl"))
    told = (last["event"], last["agent"], last.get("why"))
    return [] if told == ("end", AGENT, why) else [f"the audit file ends with {json.dumps(last)}"]


# What a stage with so many watched VMs goes through, in this order; the last one may be the agent's end.
OF_STAGE: dict[int | str, tuple[tuple[str, Callable[[Stage], list[str]]], ...]] = {
    1: (("promiscuous toggled", promiscuous_toggled), ("PF down and up", pf_down_and_up)),
    2: (("agent stood still", stands_still), ("everything killed", everything_is_killed)),
    3: (("agent stood still", stands_still), ("server reset", server_is_reset)),
    "link": (("promiscuous toggled", promiscuous_toggled),),
}
