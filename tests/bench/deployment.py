"""How long a deployment takes in the emulated server, beside the same VM started by hand, in turns.

python -m tests.bench.deployment RESULT.json. HPCAPVF_TEST_LAB names a lab that runs; otherwise one is started.
Times of an emulated server compare the two ways, and nothing else.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import Any

from hpcapvf.model.codec import from_json
from hpcapvf.model.paths import disk_path, key_path
from hpcapvf.model.plan import Plan
from hpcapvf.model.steps import MakeDisk
from orchestrator.remote import must
from tests.lab.conftest import PROBE, SPEC, Server, in_a_lab
from tests.results import provenance, write_result

ROUNDS = 3
_BOOT_PHASES = ("guest start", "guest boot")
# Everything that a person would type: a fresh disk over the image, start, wait for ssh and for cloud-init.
_BY_HAND = """
virsh -q destroy {name}
rm -f {disk} /root/by-hand-hosts
qemu-img create -q -f qcow2 -F qcow2 -b {image} {disk}
begin=$(date +%s.%N)
virsh -q start {name}
while :; do
    address=$(virsh -q net-dhcp-leases {network} --mac {mac} | awk '{{print $5}}' | cut -d/ -f1 | tail -n 1)
    test -n "$address" && ssh -q -i {key} -o BatchMode=yes -o ConnectTimeout=2 -o StrictHostKeyChecking=accept-new \
        -o UserKnownHostsFile=/root/by-hand-hosts {user}@$address sudo cloud-init status --wait >/dev/null && break
    sleep 1
done
end=$(date +%s.%N)
echo "$begin $end"
"""


def by_hand_s(server: Server, plan: Plan) -> float:
    """Seconds from the start of the deployed VM, with a fresh disk, until ssh answers and cloud-init has ended."""
    disk = next(step for step in plan.steps if isinstance(step, MakeDisk))
    script = _BY_HAND.format(
        name=PROBE,
        disk=disk_path(PROBE),
        image=disk.image,
        network=plan.request.guest.network,
        mac=plan.management_mac,
        key=key_path(PROBE),
        user=plan.request.guest.user,
    )
    begin, end = map(float, server.shell(script, timeout_s=900).split()[-2:])
    return end - begin


def one_round(server: Server) -> dict[str, float]:
    """A deployment, a second run that changes nothing, the VM by hand, and the destruction, in seconds."""
    server.write(SPEC, server.spec())
    answer = must(server.command("deploy-vnp", SPEC, "--source", "wire", timeout_s=1200))
    phases: dict[str, float] = answer.result["phases_s"]
    again = server.shell(
        f"begin=$(date +%s.%N); deploy-vnp {SPEC} --json >/dev/null 2>&1; echo $begin $(date +%s.%N)", timeout_s=120
    )
    begin, end = map(float, again.split())
    plan: Plan = from_json(Plan, answer.result["plan"])
    by_hand = by_hand_s(server, plan)
    must(server.command("hpcapvf", "destroy", PROBE, timeout_s=600))
    boot = sum(phases.get(name, 0.0) for name in _BOOT_PHASES)
    times = {
        "boot_s": boot,
        "by_hand_s": by_hand,
        "other_phases_s": sum(phases.values()) - boot,
        "again_s": end - begin,
    }
    return {name: round(value, 2) for name, value in times.items()} | {"ratio": round(boot / by_hand, 3)}


def main() -> int:
    """Measure, write, print."""
    about = provenance()
    with in_a_lab("bench") as server:
        rounds = [one_round(server) for _ in range(ROUNDS)]
    medians = {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}
    goals = {"ratio": 1.25, "other_phases_s": 60, "again_s": 5}
    result: dict[str, Any] = {"median": medians, "goals": goals, "rounds": rounds}
    write_result(Path(sys.argv[1]), about, result)
    for name, value in medians.items():
        print(f"{name:16} {value:8.2f}" + (f"   goal: at most {goals[name]}" if name in goals else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
