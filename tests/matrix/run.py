"""One cell in the emulated server: planned, deployed and proved, measured, taken away without a trace."""

from __future__ import annotations

import json
from typing import Any

import yaml

from hpcapvf.verify.snapshot import snapshot_difference
from tests.lab.conftest import Server
from tests.matrix.cells import Cell, keys_of
from tests.matrix.traffic import RATE, TRAFFICS, pcap_of

NAME = "cell1"
SPEC = f"/root/{NAME}.yaml"
_NVME_CLASS = 0x010802
_DEPLOY_TIMEOUT_S = 1200.0
# Somebody's file system on one of the controller's disks, and nothing on the others.
_MAKE_EXISTING = """\
set -- /dev/disk/by-id/scsi-*HPCAPVF-RAID-?
for disk; do wipefs --all --quiet "$disk"; done
mkfs.xfs -q -f "$1"
udevadm settle
"""


def nvme(server: Server) -> str | None:
    """PCI address of the NVMe controller, if the lab was started with one."""
    found = (d.address for d in server.host.pci if d.class_code == _NVME_CLASS and d.physfn is None)
    return next(map(str, found), None)


def put_traffic(server: Server) -> tuple[str, ...]:
    """The paths of the traffic's files there, in the order of their names here."""
    paths = []
    for number, name in enumerate(TRAFFICS):
        paths.append(f"/root/matrix-{number}.pcap")
        put = server.lab.run(["sh", "-c", f"cat >{paths[-1]}"], timeout_s=120, stdin=pcap_of(name))
        assert put.returncode == 0, put.error_text
    return tuple(paths)


def run_cell(server: Server, cell: Cell, traffic: tuple[str, ...] = ()) -> dict[str, Any]:
    """What was found. traffic: paths of pcap files there, or nothing: then no share is measured.

    problems: empty if the deployment was proved with every frame, and nothing of it stayed behind.
    """
    server.shell(f"ip link set {server.interface} up; sleep 3; ip link set {server.interface} down; sleep 1")
    if cell.storage == "existing":
        server.shell(_MAKE_EXISTING)
    before = _facts(server, cell)
    server.write(SPEC, _spec(server, cell))
    found: dict[str, Any] = {"cell": cell.name, "problems": [], "shares": {}}
    problems: list[str] = found["problems"]
    answer = server.command("deploy-vnp", SPEC, "--source", "wire", timeout_s=_DEPLOY_TIMEOUT_S)
    deployed = bool(answer.result and answer.result.get("proofs"))
    if answer.result:
        found["phases_s"] = answer.result.get("phases_s")
    if not answer.ok:
        problems.append(f"deploy: {json.dumps(answer.error)}")
    elif deployed:
        (proof,) = answer.result["proofs"]
        found["proof"] = {key: proof[key] for key in proof if key.startswith("frames_")}
        problems += _unproved(cell, proof)
    if deployed and traffic:
        found["shares"] = _shares(server, cell, traffic)
    destroyed = server.command("hpcapvf", "destroy", NAME, timeout_s=600)
    if deployed and not destroyed.ok:
        problems.append(f"destroy: {json.dumps(destroyed.error)}")
    problems += [f"not as before: {line}" for line in snapshot_difference(before, _facts(server, cell))]
    return found


def _spec(server: Server, cell: Cell) -> str:
    spec: dict[str, Any] = yaml.safe_load(server.spec(NAME))
    keys = keys_of(cell, pf=server.interface, controller=server.controller, nvme=nvme(server) or "")
    return json.dumps(spec | keys, indent=1)  # YAML 1.2 holds JSON


def _facts(server: Server, cell: Cell) -> dict[str, Any]:
    """The engine's snapshot, and what it does not know of: shares of the NVMe's VFs, and arrays of the host."""
    controller = nvme(server) if cell.mode == "nvme-vf" else server.controller
    taken = server.command("hpcapvf", "snapshot", server.pf, str(controller)).result["snapshot"]
    facts: dict[str, Any] = dict(taken)
    if cell.mode == "nvme-vf":
        lists = "nvme list-secondary /dev/nvme0 --output-format=json; nvme primary-ctrl-caps /dev/nvme0 -o json"
        facts["nvme"] = {"VFs": server.shell(lists)}
    return facts | {"arrays": {"host": server.shell("grep ^md /proc/mdstat || true")}}


def _unproved(cell: Cell, proof: dict[str, Any]) -> list[str]:
    """What the proof of a green deployment does not say although it should."""
    sent = proof["frames_sent"]
    stored = proof["frames_counted"] if cell.mode == "none" else proof["frames_identical"]
    good = sent and sent > 0 and (stored >= sent if cell.mode == "none" else stored == sent)
    return [] if good else [f"{stored} of {sent} frames"]


def _shares(server: Server, cell: Cell, traffic: tuple[str, ...]) -> dict[str, Any]:
    """Share of the frames at one rate, for each traffic; where nothing is stored, of those that the engine counted."""
    words = [word for path in traffic for word in ("--pcap", path)]
    answer = server.command(
        "hpcapvf", "verify", NAME, "--source", "wire", "--rate", str(RATE), *words, timeout_s=_DEPLOY_TIMEOUT_S
    )
    shares = {}
    for name, proof in zip(TRAFFICS, (answer.result or {}).get("proofs", ()), strict=False):
        got = proof["frames_counted"] if cell.mode == "none" else proof["frames_identical"]
        sent = proof["frames_sent"]
        shares[name] = {"sent": sent, "got": got, "share": round(min(got, sent) / sent, 4) if sent else None}
    return shares
