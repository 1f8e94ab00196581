"""One number of watched VMs: deployed, proved by number and content, measured, disturbed, and taken away."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import yaml

from hpcapvf.verify.snapshot import snapshot_difference
from orchestrator.suggest import suggest_monitor_spec
from tests.lab.conftest import IMAGE, Server, looked_at
from tests.lab.test_fetch import frames_of
from tests.validation.conftest import guest_command
from tests.watching import traffic
from tests.watching.card import read_card, wrong_with
from tests.watching.traffic import AGENT, Kind, Numbers
from tests.watching.vms import SmallVm

TTL = "3h"
EXACT_RATE = 200.0
PINGS = 10
# The card and four guests on two emulators: what is sent when shares are measured, in all, and how fast.
SHARE_FRAMES, SHARE_RATE = 24_000, 6_000.0
_DEPLOY_S = 1200.0
_QUIET_S = 4.0
# In the agent's guest, beside the capture: who gets what.
_BEGIN_COUNTING = (
    "rm -f /run/by-mac; systemd-run -q --unit=by-mac --property=StandardOutput=file:/run/by-mac "
    "sh -c 'exec /usr/local/bin/hpcapstat --by src,dst,vlan --json /dev/hpcap_*'; "
    "for n in $(seq 20); do test -s /run/by-mac && exit 0; sleep 1; done; systemctl status by-mac; exit 1"
)
_END_COUNTING = "systemctl stop by-mac; cat /run/by-mac"


class Stage:
    """The VMs, the agent and what was found so far. watched: the first so many VMs; wide: ``rest`` or ``link`` if that
    is watched, which is as none or all of them, and more. problems: check to what was wrong; empty lists are good."""

    def __init__(self, server: Server, vms: Sequence[SmallVm], watched: int | str) -> None:
        self.server = server
        self.vms = tuple(vms)
        self.wide = watched if isinstance(watched, str) else ""
        self.watched = {"rest": 0, "link": len(vms)}[watched] if isinstance(watched, str) else watched
        self.numbers = Numbers()
        self.agent_mac: str | None = None
        self.agent_pool: int | None = None
        self.problems: dict[str, list[str]] = {}
        self.counts: dict[str, Any] = {}
        self.before = self.snapshot()

    def check(self, name: str, ask: Callable[[], list[str]]) -> bool:
        """Ask and keep the answer; what breaks on the way is an answer, too."""
        began = time.monotonic()
        try:
            found = ask()
        except Exception as error:  # a lost VM must not cost the other checks
            found = [f"{type(error).__name__}: {error}"]
        self.problems[name] = found
        print(f"  {name}: {found or 'good'} ({time.monotonic() - began:.0f} s)", flush=True)
        return not found

    def snapshot(self) -> dict[str, Any]:
        """Everything that a deployment may change."""
        return self.server.snapshot()

    def deploy(self) -> list[str]:
        """The agent that watches the first so many VMs, with the project's own proof."""
        server = self.server
        spec = yaml.safe_load(suggest_monitor_spec(looked_at(server.lab).host, name=AGENT, image=IMAGE))
        spec["watch"] = self.names()
        server.write(f"/root/{AGENT}.yaml", json.dumps(spec))
        answer = server.command(
            "deploy-vnma", f"/root/{AGENT}.yaml", "--ttl", TTL, "--source", "wire", timeout_s=_DEPLOY_S
        )
        if not answer.ok:
            return [json.dumps(answer.error)]
        self.agent_mac = answer.result["plan"]["function_mac"]
        (mirror,) = server.command("hpcapvf", "mirrors").result["mirrors"]
        self.agent_pool = mirror["pool"]
        (proof,) = answer.result["proofs"]
        self.counts["proof"] = {key: proof[key] for key in proof if key.startswith("frames_")}
        return self.mirrors()

    def names(self) -> list[str]:
        """What the spec's ``watch`` says."""
        if self.wide:
            return [f"{self.server.interface}|{self.wide}"]
        return [vm.name for vm in self.vms[: self.watched]]

    def mirrors(self) -> list[str]:
        """Whether the command and the card's registers say who is watched."""
        found = self.server.command("hpcapvf", "mirrors").result["mirrors"]
        watches = sorted(w["domain"] for mirror in found for w in mirror["watches"])
        due = self.names() if self.agent_pool is not None else []
        wrong = [] if watches == due else [f"hpcapvf mirrors lists {watches}, not {due}"]
        way = "receive programme" if self.wide else "replication"
        wrong += [f"backend {m['backend']}" for m in found if m["backend"] != way]
        owners = {vm.mac: vm.number for vm in self.vms}
        macs = {vm.mac for vm in self.vms[: self.watched]}
        return wrong + wrong_with(read_card(self.server), owners, macs, self.agent_pool)

    def exact(self) -> list[str]:
        """Every kind of frame from the wire, and what the VMs say to each other: who got what."""
        of = self.kinds()
        sent = traffic.mixed(of, self.numbers)
        began = time.monotonic()
        marks = [vm.record() for vm in self.vms]
        for vm in self.vms:
            vm.begin_to_talk([other for other in self.vms if other is not vm], PINGS)
        self.send(sent.frames, EXACT_RATE)
        time.sleep(PINGS + _QUIET_S)
        got = {vm.name: vm.recorded(mark) for vm, mark in zip(self.vms, marks, strict=True)}
        if self.agent_mac:
            got[AGENT] = self.fetched(began)
        wrong = [line for name in got for line in differences(name, sent.due.get(name, []), got[name], of)]
        if self.wide:  # the VLAN filter is off and the hash tables are full, so VMs get more than without
            wrong = [line for line in wrong if line.startswith(AGENT) or "too many" not in line]
        self.counts.setdefault("exact", []).append(
            {"sent": len(sent.frames)} | {name: len(sent.due.get(name, [])) for name in got}
        )
        return wrong + self.talk(got)

    def told(self) -> list[str]:
        """What hpcapstat in the agent's guest tells of them, beside the capture."""
        sent = traffic.mixed(self.kinds(), self.numbers)
        self.in_agent(_BEGIN_COUNTING)
        self.send(sent.frames, EXACT_RATE)
        time.sleep(_QUIET_S)
        return told_otherwise(self.in_agent(_END_COUNTING), sent.due[AGENT])

    def talk(self, got: dict[str, list[bytes]]) -> list[str]:
        """Each VM has the requests and the answers of both others; the agent has those to the watched ones."""
        wrong = []
        heard = {name: Counter(frame for frame in frames if traffic.is_talk(frame)) for name, frames in got.items()}
        for vm in self.vms:
            due = 2 * PINGS * (len(self.vms) - 1)
            if heard[vm.name].total() != due:
                wrong.append(f"{vm.name} has {heard[vm.name].total()} frames of the other VMs, not {due}")
        if AGENT in got:
            watched = sum((heard[vm.name] for vm in self.vms[: self.watched]), Counter[bytes]())
            missing, more = (watched - heard[AGENT]).total(), (heard[AGENT] - watched).total()
            if missing or more:
                wrong.append(f"{AGENT}: of {watched.total()} between VMs {missing} are missing, {more} too many")
        return wrong

    def share(self) -> list[str]:
        """Frames of the least size as fast as this machine still tells the shares apart, in turn to each watched VM."""
        vms, began = self.vms[: self.watched], time.monotonic()
        frames = [self.numbers.frame(vms[n % len(vms)].mac) for n in range(SHARE_FRAMES)]
        before = [vm.received() for vm in vms]
        self.send(frames, SHARE_RATE)
        time.sleep(_QUIET_S)
        received = [vm.received() - old for vm, old in zip(vms, before, strict=True)]
        stored = len(set(frames) & set(self.fetched(began)))
        self.counts["share"] = {"sent": len(frames), "rate": SHARE_RATE, "monitor": stored, "watched": received}
        return [] if stored and all(received) else [f"nothing came: {self.counts['share']}"]

    def kinds(self) -> tuple[Kind, ...]:
        """What is sent from the wire, and who should get it."""
        return traffic.kinds(self.vms, self.watched, self.agent_mac, self.pf_mac(), wide=self.wide)

    def send(self, frames: Sequence[bytes], rate: float) -> None:
        """From the wire, until all are sent."""
        with self.server.lab.wire() as wire:
            wire.wait(wire.send(frames, rate=rate), timeout_s=60 + 2 * len(frames) / rate)

    def fetched(self, began: float) -> list[bytes]:
        """What the agent stored since then (monotonic time), and a little more."""
        since = math.ceil(time.monotonic() - began) + 20
        path = f"/root/fetched-{self.numbers.last}.pcapng"
        words = ("hpcapvf", "fetch", AGENT, "--from", f"-{since}s", "-o", path)
        answer = self.server.command(*words, timeout_s=300)
        assert answer.ok, answer.error
        copy = self.server.lab.run(["sh", "-c", f"cat {path}; rm {path}"], timeout_s=120)
        return frames_of(copy.stdout)

    def in_agent(self, script: str) -> str:
        """Run a shell script in the agent's guest as root."""
        state = json.loads(self.server.shell(f"cat /var/lib/hpcapvf/deployments/{AGENT}/state.json"))
        address = self.server.shell(f"virsh -q domifaddr {AGENT} | awk '{{ print $4; exit }}'").strip()
        return self.server.shell(guest_command(state, address.partition("/")[0], script), timeout_s=90)

    def pf_mac(self) -> str:
        """Of the card itself."""
        return self.server.shell(f"cat /sys/class/net/{self.server.interface}/address").strip()

    def is_deployed(self) -> bool:
        """Whether anything of the agent is left, also of one whose proof failed."""
        return bool(self.server.command("hpcapvf", "status").result["deployments"])

    def destroy(self) -> list[str]:
        """Take it away; everything as before, the watched VMs among it."""
        answer = self.server.command("hpcapvf", "destroy", AGENT, timeout_s=600)
        self.agent_mac = self.agent_pool = None
        wrong = [] if answer.ok else [json.dumps(answer.error)]
        return wrong + list(snapshot_difference(self.before, self.snapshot())) + self.mirrors()


def told_otherwise(said: str, due: Sequence[bytes]) -> list[str]:
    """Where hpcapstat in the agent's guest tells of frames from the wire what is not so. said: its lines of JSON."""
    frames: Counter[tuple[str, int | None]] = Counter()
    octets: Counter[tuple[str, int | None]] = Counter()
    lost = 0
    for line in map(json.loads, said.splitlines()):
        lost += line["lost"]["frames"] + line["other"]["frames"]
        for group in line["groups"]:
            if group["src"] == traffic.SENDER.hex(":"):
                frames[group["dst"], group["vlan"]] += group["frames"]
                octets[group["dst"], group["vlan"]] += group["bytes"]
    wanted = Counter((frame[:6].hex(":"), traffic.vlan_of(frame)) for frame in due)
    wrong = [f"hpcapstat: {lost} frames lost or in no group"] if lost else []
    for key in wanted.keys() | frames.keys():
        if (frames[key], octets[key]) != (wanted[key], wanted[key] * traffic.SIZE):
            wrong.append(f"hpcapstat: {key}: {frames[key]} frames and {octets[key]} bytes, not {wanted[key]}")
    return wrong


def differences(name: str, due: Sequence[bytes], got: Sequence[bytes], of: Sequence[Kind]) -> list[str]:
    """What one is missing of the frames from the wire, and has too many, each by its kind."""
    wanted, seen = Counter(due), Counter(frame for frame in got if traffic.is_ours(frame))
    wrong = []
    for what, frames in (("missing", wanted - seen), ("too many", seen - wanted)):
        by_kind = Counter(_kind_of(frame, of) for frame in frames.elements())
        wrong += [f"{name}: {count} {what}: {kind}" for kind, count in by_kind.items()]
    return wrong


def _kind_of(frame: bytes, of: Sequence[Kind]) -> str:
    at = frame[:6].hex(":"), traffic.vlan_of(frame)
    return next((kind.name for kind in of if (kind.destination, kind.vlan) == at), f"unknown frame {frame[:18].hex()}")
