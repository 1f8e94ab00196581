"""The domain XML of every configuration that a spec can ask for, against libvirt's own schema."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from hpcapvf.domain import complete_plan
from hpcapvf.model.host import Host
from hpcapvf.model.plan import Plan
from hpcapvf.model.request import EngineRequest, PlacementRequest, RaidRequest, Request, StorageRequest
from hpcapvf.model.steps import DefineDomain
from hpcapvf.plan import plan_deployment
from hpcapvf.spec import KEYS
from tests.factories import GUEST_DISK, RAID, WEB1, make_host, make_request
from tests.unit.domain.test_render import SCHEMAS
from tests.unit.plan.test_storage_modes import NVME, with_nvme

CHOICES: dict[str, tuple[Any, ...]] = {key.path: key.choices for key in KEYS}
CONTROLLERS = {"passthrough": str(RAID), "virtio": str(RAID), "nvme-vf": str(NVME)}


@cache
def schema() -> etree.RelaxNG:
    """libvirt's schema of a domain; skips if it is not installed."""
    found = next((path for path in SCHEMAS if Path(path).exists()), None)
    if found is None:
        pytest.skip("libvirt's schema is not installed (Debian: apt-get install libvirt0)")
    return etree.RelaxNG(etree.parse(found))


def host(*, kvm: bool, page_kib: int) -> Host:
    """One that has what every configuration needs, an NVMe with VFs and pages of each size among it."""
    base = with_nvme()
    nodes = tuple(
        dataclasses.replace(n, hugepages=tuple(dataclasses.replace(p, total=8, free=8) for p in n.hugepages))
        if page_kib != 2048
        else n
        for n in base.nodes
    )
    return dataclasses.replace(base, nodes=nodes, kvm_available=kvm, dpdk_available=True)


def probes() -> Iterator[Request]:
    """Every combination of what the table of keys offers and the spec's check lets through."""
    ways = product(
        CHOICES["network.mode"],
        CHOICES["network.generator"],
        CHOICES["network.receive"],
        CHOICES["storage.mode"],
        CHOICES["engine.kind"],
        CHOICES["placement.hugepage_kib"],
    )
    for mode, generator, receive, storage_mode, engine, page_kib in ways:
        if mode == "passthrough" and generator != "kernel":
            continue  # it makes no VFs
        for kind in CHOICES["storage.raid.kind"]:
            if kind != "md" and (storage_mode not in CONTROLLERS or (kind, storage_mode) == ("hardware", "nvme-vf")):
                continue
            storage = StorageRequest(storage_mode, CONTROLLERS.get(storage_mode, ""), raid=RaidRequest(kind))
            request = make_request(storage=storage, engine=EngineRequest(engine), mode=mode, receive=receive)
            network = dataclasses.replace(request.network, generator=generator)
            place = PlacementRequest(hugepage_kib=page_kib)
            yield dataclasses.replace(request, network=network, placement=place)


def check(request: Request, on: Host) -> bool:
    """Whether it is planned; what is planned must fit."""
    plan = plan_deployment(request, on, "ab" * 32)
    if not isinstance(plan, Plan):
        return False
    xml = next(step for step in complete_plan(plan).steps if isinstance(step, DefineDomain)).xml
    schema().assertValid(etree.fromstring(xml.encode()))
    return True


def test_every_configuration_of_a_probe_fits() -> None:
    seen: dict[tuple[str, str], int] = {}
    for request in probes():
        for kvm in (True, False):
            cell = (f"{request.network.mode}/{request.network.generator}", request.storage.mode)
            fits = check(request, host(kvm=kvm, page_kib=request.placement.hugepage_kib))
            seen[cell] = seen.get(cell, 0) + fits
    networks = ("vf/kernel", "vf/dpdk", "passthrough/kernel")
    assert set(seen) == set(product(networks, CHOICES["storage.mode"]))
    assert all(seen.values()), f"never planned, so never checked: {[cell for cell, n in seen.items() if not n]}"


@pytest.mark.parametrize("storage", [GUEST_DISK, *(StorageRequest(m, c) for m, c in CONTROLLERS.items())])
def test_an_agent_fits(storage: StorageRequest) -> None:
    request = make_request(storage=storage, receive="own", watch=("web1",))
    watched = dataclasses.replace(host(kvm=True, page_kib=2048), domains=(WEB1,))
    vfs = make_host(vfs=2)
    others = tuple(d for d in watched.pci if d.address not in {v.address for v in vfs.pci})
    assert check(request, dataclasses.replace(watched, pci=(*vfs.pci, *others)))
