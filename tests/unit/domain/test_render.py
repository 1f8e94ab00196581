"""Rendered texts: golden files, libvirt's own schema, and that no value of a view is left out of its template."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from lxml import etree

from hpcapvf.domain import complete_plan
from hpcapvf.domain.render import (
    render_capture_unit,
    render_domain,
    render_dumpcap_unit,
    render_module_options,
    render_port_unit,
    render_seed,
    render_tcpdump_unit,
    template_root,
)
from hpcapvf.domain.views import (
    BlockDisk,
    CaptureView,
    DomainView,
    DriverView,
    DumpcapView,
    PassedDevice,
    PortView,
    SeedView,
    TcpdumpView,
    VfToken,
    capture_view,
    domain_view,
    driver_view,
    dumpcap_view,
    port_view,
    seed_view,
    tcpdump_view,
)
from hpcapvf.model.address import CpuSet, Mac, PciAddress
from hpcapvf.model.codec import from_json, to_json
from hpcapvf.model.errors import NotFound
from hpcapvf.model.paths import PORT_UNIT
from hpcapvf.model.plan import Plan
from hpcapvf.model.request import EngineRequest, StorageRequest
from hpcapvf.model.steps import DefineDomain, HoldFunction, InstallDriver, MakeSeed, StartCapture
from hpcapvf.plan import plan_deployment
from tests.factories import GUEST_DISK, RAID, WEB1, make_host, make_request

SCHEMAS = ("/usr/share/libvirt/schemas/domain.rng", "/usr/local/share/libvirt/schemas/domain.rng")


def plan_of(name: str) -> Plan:
    """The plans whose texts are kept as golden files."""
    variants: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "smallest": ({}, {}),
        "six-cores": ({"vcpus": 5, "memory_mib": 2048, "node": 1}, {"threads_per_core": 2}),
        "shared-cpus": ({"vcpus": 4}, {"cores_per_node": 2, "vfs": 2}),
        "agent": ({"receive": "own", "watch": ("web1",), "storage": GUEST_DISK}, {"vfs": 2, "domains": (WEB1,)}),
        "virtio": ({"storage": StorageRequest(mode="virtio", controller=str(RAID))}, {}),
        "no-storage": ({"storage": StorageRequest(mode="none")}, {}),
        "emulated": ({"vcpus": 3, "receive": "own"}, {"kvm_available": False}),
        "whole-card": ({"mode": "passthrough", "receive": "own"}, {}),
        "dpdk": ({"generator": "dpdk"}, {}),
        "tcpdump": ({"engine": EngineRequest(kind="tcpdump", caplen=96)}, {}),
        "tcpdump-counts": ({"engine": EngineRequest(kind="tcpdump"), "storage": StorageRequest(mode="none")}, {}),
        "dpdk-engine": ({"engine": EngineRequest(kind="dpdk")}, {}),
    }
    request, host = variants[name]
    plan = plan_deployment(make_request(**request), make_host(**host), "ab" * 32)
    assert isinstance(plan, Plan)
    return plan


PLANS = ("smallest", "six-cores", "shared-cpus", "agent", "emulated", "whole-card", "dpdk", "dpdk-engine", "virtio")


def step_of(plan: Plan, kind: type[Any]) -> Any:
    return next(s for s in plan.steps if isinstance(s, kind))


@pytest.mark.parametrize("name", PLANS)
def test_domain_xml_is_as_kept(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"domain-{name}.xml", step_of(complete_plan(plan_of(name)), DefineDomain).xml)


@pytest.mark.parametrize("name", ["smallest", "six-cores", "no-storage"])
def test_guest_files_are_as_kept(name: str, golden: Callable[[str, str], None]) -> None:
    plan = complete_plan(plan_of(name))
    seed: MakeSeed = step_of(plan, MakeSeed)
    golden(f"user-data-{name}.yaml", seed.user_data)
    golden(f"meta-data-{name}.yaml", seed.meta_data)
    golden(f"network-config-{name}.yaml", seed.network_config)
    golden(f"hpcapvf-{name}.conf", step_of(plan, InstallDriver).modprobe_conf)
    golden(f"hpcapvf-capture-{name}.service", step_of(plan, StartCapture).unit)


def test_files_of_other_configurations_are_as_kept(golden: Callable[[str, str], None]) -> None:
    golden("hpcapvf-whole-card.conf", step_of(complete_plan(plan_of("whole-card")), InstallDriver).modprobe_conf)
    golden("tcpdump-capture.service", step_of(complete_plan(plan_of("tcpdump")), StartCapture).unit)
    dpdk = complete_plan(plan_of("dpdk-engine"))
    golden("dpdk-port.service", step_of(dpdk, HoldFunction).unit)
    golden("dpdk-capture.service", step_of(dpdk, StartCapture).unit)


def test_dumpcap_comes_back_with_its_port() -> None:
    """Seen with systemd 252: without the first it stays stopped when testpmd died (BindsTo=), without the second it has
    used up its five starts before testpmd is there again."""
    dpdk = complete_plan(plan_of("dpdk-engine"))
    dumpcap, port = step_of(dpdk, StartCapture).unit.splitlines(), step_of(dpdk, HoldFunction).unit.splitlines()
    assert PORT_UNIT in next(line for line in dumpcap if line.startswith("WantedBy=")).removeprefix("WantedBy=").split()
    assert dumpcap.index("[Unit]") < dumpcap.index("StartLimitIntervalSec=0") < dumpcap.index("[Service]")
    assert "Restart=always" in port, "testpmd that was ended by a signal returns 0"


def test_tcpdump_that_stores_nothing_makes_no_files() -> None:
    unit = step_of(complete_plan(plan_of("tcpdump-counts")), StartCapture).unit
    assert " -w /dev/null\n" in unit
    assert " -C " not in unit


def test_completing_changes_nothing_else() -> None:
    plan = plan_of("smallest")
    texts = {"xml", "user_data", "meta_data", "network_config", "modprobe_conf", "unit"}
    for before, after in zip(plan.steps, complete_plan(plan).steps, strict=True):
        changed = {f.name for f in dataclasses.fields(before) if getattr(before, f.name) != getattr(after, f.name)}
        assert changed == texts & {f.name for f in dataclasses.fields(before)}
    assert complete_plan(complete_plan(plan)) == complete_plan(plan)


@pytest.mark.parametrize("name", PLANS)
def test_domain_xml_fits_libvirts_schema(name: str) -> None:
    found = next((path for path in SCHEMAS if Path(path).exists()), None)
    if found is None:
        pytest.skip("libvirt's schema is not installed (Debian: apt-get install libvirt0)")
    schema = etree.RelaxNG(etree.parse(found))
    schema.assertValid(etree.fromstring(step_of(complete_plan(plan_of(name)), DefineDomain).xml.encode()))


def test_the_schema_check_can_fail() -> None:
    found = next((path for path in SCHEMAS if Path(path).exists()), None)
    if found is None:
        pytest.skip("libvirt's schema is not installed (Debian: apt-get install libvirt0)")
    bad = render_domain(domain_view(plan_of("smallest"))).replace("<nosharepages/>", "<noshare/>")
    assert not etree.RelaxNG(etree.parse(found)).validate(etree.fromstring(bad.encode()))


VIEWS: dict[type[Any], tuple[Any, Callable[[Any], str]]] = {
    DomainView: (domain_view(plan_of("virtio")), render_domain),
    SeedView: (seed_view(plan_of("smallest")), lambda view: "".join(render_seed(view))),
    DriverView: (driver_view(plan_of("smallest")), render_module_options),
    CaptureView: (capture_view(plan_of("smallest")), render_capture_unit),
    TcpdumpView: (tcpdump_view(plan_of("tcpdump")), render_tcpdump_unit),
    PortView: (port_view(plan_of("dpdk-engine")), render_port_unit),
    DumpcapView: (dumpcap_view(plan_of("dpdk-engine")), render_dumpcap_unit),
}


ANOTHER_OF = {
    CpuSet: CpuSet.of([63]),
    BlockDisk: BlockDisk("/dev/disk/by-id/other", "vdz", "other"),
    PassedDevice: PassedDevice.of("other", "ua-other", PciAddress.parse("0001:7f:1e.6")),
}


def another(value: Any) -> Any:
    """A different value of the same type."""
    match value:
        case str():
            return value + "z9"
        case int():
            return value + 4096
        case CpuSet():
            return CpuSet.of([61, 62])
        case Mac():
            return Mac(value.value ^ 0xFF)
        case (first, *_):
            return (*value[:-1], ANOTHER_OF[type(first)])
        case ():
            return (VfToken("other", "word"),)
        case _:
            raise TypeError(value)


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, f.name) for kind in VIEWS for f in dataclasses.fields(kind)], ids=str
)
def test_every_value_of_a_view_reaches_its_text(kind: type[Any], field: str) -> None:
    view, render = VIEWS[kind]
    changed = dataclasses.replace(view, **{field: another(getattr(view, field))})
    assert render(changed) != render(view)


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(PassedDevice)])
def test_every_value_of_a_passed_device_reaches_the_xml(field: str) -> None:
    view = domain_view(plan_of("smallest"))
    device = dataclasses.replace(view.passed[0], **{field: getattr(view.passed[0], field) + "z9"})
    assert render_domain(dataclasses.replace(view, passed=(device, *view.passed[1:]))) != render_domain(view)


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(BlockDisk)])
def test_every_value_of_a_block_disk_reaches_the_xml(field: str) -> None:
    view = domain_view(plan_of("virtio"))
    disk = dataclasses.replace(view.block_disks[0], **{field: getattr(view.block_disks[0], field) + "z9"})
    assert render_domain(dataclasses.replace(view, block_disks=(disk, *view.block_disks[1:]))) != render_domain(view)


@pytest.mark.parametrize("place", ["hpcapvf/vm-templates", "vm-templates"])
def test_templates_are_found_in_a_package_and_in_a_source_tree(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hpcapvf").mkdir()
    monkeypatch.setattr("hpcapvf.__file__", str(tmp_path / "hpcapvf" / "__init__.py"))
    with pytest.raises(NotFound, match="templates are missing"):
        template_root()
    (tmp_path / place).mkdir()
    assert template_root() == tmp_path / place


def test_every_template_is_rendered_and_no_other_lies_there() -> None:
    used = {"domain.xml.j2", "user-data.j2", "meta-data.j2", "network-config.j2"}
    used |= {"hpcapvf.conf.j2", "hpcapvf-capture.service.j2", "tcpdump-capture.service.j2"}
    used |= {"dpdk-port.service.j2", "dpdk-capture.service.j2"}
    assert {p.name for p in template_root().iterdir()} == used


def test_templates_compute_and_look_up_nothing() -> None:
    allowed = (jinja2.nodes.Name, jinja2.nodes.Getattr, jinja2.nodes.Const, jinja2.nodes.Filter)
    for path in template_root().iterdir():
        tree = jinja2.Environment().parse(path.read_text())  # noqa: S701 (parsed, never rendered)
        for node in tree.find_all(jinja2.nodes.Expr):
            assert isinstance(node, (*allowed, jinja2.nodes.TemplateData)), f"{path.name}: {node}"
        assert {f.name for f in tree.find_all(jinja2.nodes.Filter)} <= {"length", "tojson"}
        assert not list(tree.find_all((jinja2.nodes.If, jinja2.nodes.Include, jinja2.nodes.Import, jinja2.nodes.Call)))


def test_a_name_that_a_view_lacks_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for source in template_root().iterdir():
        (tmp_path / source.name).write_text(source.read_text() + "{{ domain.nonsense }}")
    monkeypatch.setattr("hpcapvf.domain.render.template_root", lambda: tmp_path)
    with pytest.raises(jinja2.UndefinedError, match="nonsense"):
        render_domain(domain_view(plan_of("smallest")))


def test_xml_is_escaped() -> None:
    view = dataclasses.replace(domain_view(plan_of("smallest")), disk='/a"b<c>&d/\u00e9', title="<evil/>")
    tree = etree.fromstring(render_domain(view).encode())
    assert tree.findtext("title") == "<evil/>"
    assert tree.xpath("string(devices/disk[1]/source/@file)") == view.disk


def test_yaml_is_quoted() -> None:
    nasty = 'a: b\n- "c" # d & <e>'
    user_data, meta_data, network = render_seed(SeedView(nasty, nasty, nasty, nasty, nasty))
    data = yaml.safe_load(user_data)
    assert (data["hostname"], data["users"][0]["name"]) == (nasty, nasty)
    assert data["users"][0]["ssh_authorized_keys"] == [nasty]
    assert yaml.safe_load(meta_data) == {"instance-id": nasty, "local-hostname": nasty}
    assert yaml.safe_load(network)["ethernets"]["management"]["match"] == {"macaddress": nasty}


def test_the_guest_can_be_entered_by_key_only() -> None:
    data = yaml.safe_load(step_of(complete_plan(plan_of("smallest")), MakeSeed).user_data)
    (written,) = data["write_files"]
    assert written["path"].startswith("/etc/ssh/sshd_config.d/")
    assert written["content"] == "PasswordAuthentication no\n"
    modules = data["cloud_init_modules"]
    assert modules.index("write_files") < modules.index("ssh")
    assert "ssh_pwauth" not in data  # it would restart sshd
    assert data["disable_root"] is True
    (user,) = data["users"]
    assert user["lock_passwd"] is True
    assert user["ssh_authorized_keys"] == ["@PUBLIC_KEY@"]
    assert not {"passwd", "plain_text_passwd", "hashed_passwd"} & set(user)
    assert (data["package_update"], data["package_upgrade"]) == (False, False)


def test_cloud_init_configures_the_management_interface_only() -> None:
    plan = plan_of("smallest")
    config = yaml.safe_load(step_of(complete_plan(plan), MakeSeed).network_config)
    assert config["version"] == 2
    assert [e["match"] for e in config["ethernets"].values()] == [{"macaddress": str(plan.management_mac)}]


def test_the_domain_matches_the_plan() -> None:
    plan = plan_of("six-cores")
    tree = etree.fromstring(render_domain(domain_view(plan)).encode())
    assert tree.xpath("string(uuid)") == plan.domain_uuid
    assert [p.get("cpuset") for p in tree.findall("cputune/vcpupin")] == [str(p) for p in plan.placement.vcpu_pins]
    assert tree.xpath("string(numatune/memory/@nodeset)") == "1"
    assert int(tree.findtext("memory")) * 1024 == plan.placement.hugepages * plan.placement.hugepage_kib
    sources = [
        "{domain}:{bus}:{slot}.{function}".format(**{k: v.removeprefix("0x") for k, v in a.attrib.items()})
        for a in tree.findall("devices/hostdev/source/address")
    ]
    assert sources == [str(plan.function), str(plan.controller)]
    assert {h.get("managed") for h in tree.findall("devices/hostdev")} == {"no"}


def test_json_of_a_completed_plan_holds_the_texts() -> None:
    plan = complete_plan(plan_of("smallest"))
    assert from_json(Plan, json.loads(json.dumps(to_json(plan)))) == plan
