"""Commands about the card's switch: what its registers say, and who watches whom. They change nothing."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

from hpcapvf.apply.end import ends_at
from hpcapvf.apply.journal import done_at, opened_by, read_events
from hpcapvf.apply.state import journal_path, list_deployments, read_deployment
from hpcapvf.host.machine import local_machine
from hpcapvf.host.protocols import Machine
from hpcapvf.model.address import PciAddress
from hpcapvf.model.codec import to_json
from hpcapvf.model.errors import HpcapvfError, NotCapable
from hpcapvf.model.host import UNREADABLE, Host, PciDevice
from hpcapvf.model.plan import Advice
from hpcapvf.model.progress import Progress
from hpcapvf.model.steps import CopyStep, ReplicateTraffic, WatchLink
from hpcapvf.nic.decode import MirrorRule, SwitchState, decode_switch
from hpcapvf.nic.devices import pf_family
from hpcapvf.nic.tables import register_table
from hpcapvf.plan.guards import refusal
from hpcapvf.plan.link import find_card
from hpcapvf.probe import probe_host
from hpcapvf.verify.copies import missing_copies, name_of
from hpcapvf.verify.mirrors import moved_away, read_mirror, read_watch
from hpcapvf.verify.readings import open_registers, read_guard
from orchestrator.answer import Answer, Part
from orchestrator.options import Commands, add_command
from orchestrator.specs import refusal_error
from orchestrator.tables import pairs, table

NO_MIRRORS = "no deployment of this host watches a VM"


def add_commands(commands: Commands) -> None:
    """Define ``nic show`` and ``mirrors``."""
    nic = commands.add_parser("nic", help="a network card's receive switch")
    below = nic.add_subparsers(title="nic commands", metavar="COMMAND", required=True)
    show = add_command(
        below,
        "show",
        "show a card's registers decoded: which MAC and VLAN feeds which pool, and what each pool takes",
        "hpcapvf nic show enp5s0",
        "hpcapvf nic show 0000:05:00.0 --json",
    )
    show.add_argument("pf", metavar="PF", help="the card: interface name or PCI address of its physical function")
    show.set_defaults(handler=run_nic_show, command_name="nic show")
    mirrors = add_command(
        commands, "mirrors", "list who watches whom, and whether the card's registers say so now", "hpcapvf mirrors"
    )
    mirrors.set_defaults(handler=run_mirrors)


def run_nic_show(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf nic show``."""
    machine = local_machine()
    progress.phase("read the card", args.pf)
    return nic_answer(args.pf, machine)


def run_mirrors(_args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf mirrors``."""
    machine = local_machine()
    progress.phase("read deployments")
    return mirrors_answer(machine)


def nic_answer(name: str, machine: Machine) -> Answer:
    """A card's switch. NotFound, NotCapable (no SR-IOV card of a known family) or RegisterRefused."""
    host = probe_host(machine.files, commands=machine.commands, hypervisor=machine.hypervisor)
    card = find_card(name, host)
    if card.value is None:
        raise refusal_error(refusal(card.objections))
    pf = card.value
    family = pf_family(pf.vendor, pf.device)
    if family is None:
        raise NotCapable(
            f"{pf.address} ({pf.vendor:04x}:{pf.device:04x}) is of no card family in the tables",
            hint="name a physical function of a supported card; its registers are not guessed at",
        )
    with open_registers(pf.address, family.name, machine) as read:
        state = decode_switch(register_table(family.name), read)
    owners = pool_owners(host, pf)
    result = {
        "pf": str(pf.address),
        "family": family.name,
        "owners": {str(pool): owner for pool, owner in owners.items()},
        "switch": to_json(state),
    }
    return Answer(result, shown=show_switch(f"{name}, {family.name}", state, owners))


def pool_owners(host: Host, pf: PciDevice) -> dict[int, str]:
    """Pool to ``VF n`` with the domain that holds it if known; the pool after the last VF is the PF's own."""
    vfs: tuple[PciAddress, ...] = pf.sriov.vfs if pf.sriov is not None else ()
    owners: dict[int, str] = {}
    for index, vf in enumerate(vfs):
        held = [d.name + ("" if d.running else ", off") for d in host.domains or () if vf in d.hostdevs]
        owners[index] = f"VF {index}" + (f" ({'; '.join(held)})" if held else "")
    if vfs:
        owners[len(vfs)] = "PF"
    return owners


def show_switch(title: str, state: SwitchState, owners: dict[int, str]) -> tuple[Part, ...]:
    """A card's switch as tables; pools that nobody owns and that take nothing are left out."""

    def who(pools: tuple[int, ...]) -> str:
        return ", ".join(f"{pool}: {owners[pool]}" if pool in owners else str(pool) for pool in pools) or "none"

    default = "dropped" if state.default_pool is None else f"pool {who((state.default_pool,))}"
    promiscuous = [
        kind for kind, on in (("unicast", state.promiscuous_unicast), ("multicast", state.promiscuous_multicast)) if on
    ]
    facts: list[tuple[str, object]] = [
        ("unicast that no filter names", default),
        ("frames for several pools", "copied" if state.replication else "given to one"),
        ("frames between pools", "stay on the card" if state.loopback else "leave by the wire"),
        ("VLAN filter", "on" if state.vlan_filtering else "off: every VLAN passes"),
        ("promiscuous (the whole port)", ", ".join(promiscuous) or "no"),
        ("multicast hash table", f"{state.hash_bits} of 4096 bits set"),
        ("mirror rules", len(state.rules) or "none is on"),
    ]
    pools = [
        (
            pool.pool,
            owners.get(pool.pool, ""),
            "yes" if pool.receives else "no",
            "yes" if pool.sends else "no",
            ", ".join(pool.takes) or "nothing",
        )
        for pool in state.pools
        if pool.pool in owners or pool.receives or pool.takes
    ]
    vlans = {v.index: str(v.vlan) for v in state.vlans}
    rules = [(r.index, ", ".join(r.types), who(r.pools), _vlans_of(r, vlans), who((r.to_pool,))) for r in state.rules]
    parts: list[Part] = [
        pairs(title, facts),
        table("MAC filters", ("filter", "MAC", "feeds pools"), [(m.index, m.mac, who(m.pools)) for m in state.macs]),
        table("VLAN filters", ("filter", "VLAN", "members"), [(v.index, v.vlan, who(v.pools)) for v in state.vlans]),
        table("pools", ("pool", "owner", "receives", "sends", "takes beside its MACs and VLANs"), pools),
    ]
    return (
        (*parts, table("mirror rules", ("rule", "of", "pools", "VLANs", "to pool"), rules)) if rules else tuple(parts)
    )


def _vlans_of(rule: MirrorRule, vlans: dict[int, str]) -> str:
    """The VLANs of the filters that a rule looks at; a filter that is not in use is named by its number."""
    return ", ".join(vlans.get(index, f"filter {index}, not in use") for index in rule.vlan_filters) or "none"


MIRROR_COLUMNS = (
    "watched by", "condition", "VF", "watched VM", "since", "until", "by", "drifts", "registers now", "remark",
)  # fmt: skip


def mirrors_answer(machine: Machine) -> Answer:
    """All replications of this host's deployments. What cannot be read stands in the entry, it is no error."""
    host = probe_host(machine.files, commands=machine.commands, hypervisor=machine.hypervisor)
    found = []
    warnings = []
    for deployed in list_deployments(machine.files):
        if deployed.condition == UNREADABLE:
            warnings.append(Advice(f"{deployed.name}: its state file cannot be used: see `hpcapvf status`", ""))
            continue
        plan = read_deployment(deployed.name, machine.files).plan
        for index, step in enumerate(plan.steps):
            if isinstance(step, CopyStep):
                mirror = _mirror(deployed.name, deployed.condition, step, machine, host)
                found.append(mirror | _history(deployed.name, index, machine))
    rows = [
        (
            m["monitor"],
            m["condition"],
            m["pf"] if w["pool"] is None else f"VF {w['pool']} of {m['pf']}",
            w["domain"],
            _said_time(m["since"]),
            _said_time(m["until"]),
            m["by"] or None,
            m["drifts"],
            m["registers"],
            w["moved_away"],
        )
        for m in found
        for w in m["watches"]
    ]
    shown = (table("mirrors", MIRROR_COLUMNS, rows) if rows else NO_MIRRORS,)
    return Answer({"mirrors": found}, shown=shown, warnings=tuple(warnings))


def _mirror(name: str, condition: str, step: CopyStep, machine: Machine, host: Host) -> dict[str, Any]:
    backend, registers = None, ""
    try:
        if isinstance(step, ReplicateTraffic | WatchLink):
            state = read_watch(step, machine) if isinstance(step, WatchLink) else read_mirror(step, machine)
            backend, differ = state.backend, f"{len(state.drifted)} registers differ"
        else:
            places = missing_copies(step, machine)
            missing = sum(not place.ok for place in places)
            backend = None if missing else name_of(step)
            differ = f"{missing} of {len(places)} places differ"
        registers = f"copied by {backend}" if backend else f"not copied ({differ})"
    except HpcapvfError as error:
        registers = f"unknown: {error.message}"
    watches = [to_json(watched) | {"moved_away": moved_away(watched, host)} for watched in step.watched]
    if isinstance(step, WatchLink):
        watches = [{"domain": step.name, "vf": None, "pool": None, "moved_away": ""}]
    return {
        "monitor": name,
        "condition": condition,
        "pf": str(step.pf),
        "pool": step.pool,
        "watches": watches,
        "backend": backend,
        "registers": registers,
    }


def _history(name: str, index: int, machine: Machine) -> dict[str, Any]:
    """since: seconds since the epoch, None if the step at index is not done; until: of its time limit, None: no limit.

    by: empty if not known. drifts: of the guard's checks, those that found registers rewritten; None: it has not said.
    """
    try:
        events = read_events(machine.files, journal_path(name))
    except HpcapvfError:  # a damaged journal: `status` and `destroy` say so, here it is unknown
        events = ()
    counts = read_guard(name, machine.files) or {}
    return {
        "since": done_at(events, index),
        "until": ends_at(name, machine.files),
        "by": opened_by(events),
        "drifts": counts.get("drifts"),
    }


def _said_time(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
