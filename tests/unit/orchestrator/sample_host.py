"""What the tests of this folder show: the factory's host, and what the planner makes of it."""

from __future__ import annotations

from dataclasses import replace

from hpcapvf.model.host import DomainInfo, Host
from hpcapvf.model.plan import Plan
from hpcapvf.plan import plan_deployment
from hpcapvf.spec import parse_spec
from orchestrator.suggest import suggest_monitor_spec
from tests.factories import IMAGE, PF, make_host, make_request, replace_device


def sample_host(cores_per_node: int = 6, nodes: int = 2, nic_node: int = 0) -> Host:
    """A host whose network card may be on another node than its controller."""
    host = make_host(cores_per_node=cores_per_node, nodes=nodes, free_pages=640)
    return replace_device(host, PF, numa_node=nic_node)


def sample_plan(vfs: int = 2, vf_index: int = 0) -> Plan:
    """A probe on the host with six cores a node."""
    plan = plan_deployment(make_request(vfs=vfs), sample_host(), "0" * 64)
    assert isinstance(plan, Plan), plan
    return replace(plan, vf_index=vf_index)


def watched_host(cores_per_node: int = 6) -> Host:
    """The host with a running probe on it, that made two VFs."""
    probe = sample_plan()
    host = make_host(cores_per_node=cores_per_node, nodes=2, free_pages=1200, vfs=2)
    pinned = probe.placement.emulator_pins
    for pins in probe.placement.vcpu_pins:
        pinned = pinned | pins
    running = DomainInfo(probe.request.name, probe.domain_uuid, running=True, hostdevs=(probe.function,), pinned=pinned)
    return replace(host, domains=(running,))


def agent_plan(cores_per_node: int = 6) -> Plan:
    """An agent beside that probe, which it watches."""
    host = watched_host(cores_per_node)
    request = parse_spec(suggest_monitor_spec(host, name="agent1", image=IMAGE, watch="probe1"))
    plan = plan_deployment(request, host, "1" * 64)
    assert isinstance(plan, Plan), plan
    return plan
