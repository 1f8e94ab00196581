"""What the tests of this folder show: the factory's host, and what the planner makes of it."""

from __future__ import annotations

from dataclasses import replace

from hpcapvf.model.host import Host
from hpcapvf.model.plan import Plan
from hpcapvf.plan import plan_deployment
from tests.factories import PF, make_host, make_request, replace_device


def sample_host(cores_per_node: int = 6, nodes: int = 2, nic_node: int = 0) -> Host:
    """A host whose network card may be on another node than its controller."""
    host = make_host(cores_per_node=cores_per_node, nodes=nodes, free_pages=640)
    return replace_device(host, PF, numa_node=nic_node)


def sample_plan(vfs: int = 2, vf_index: int = 0) -> Plan:
    """A probe on the host with six cores a node."""
    plan = plan_deployment(make_request(vfs=vfs), sample_host(), "0" * 64)
    assert isinstance(plan, Plan), plan
    return replace(plan, vf_index=vf_index)
