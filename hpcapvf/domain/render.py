"""Views to text through the templates in ``vm-templates/``."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import hpcapvf
from hpcapvf.domain.views import (
    CaptureView,
    DomainView,
    DriverView,
    DumpcapView,
    PortView,
    SeedView,
    TcpdumpView,
    capture_view,
    domain_view,
    driver_view,
    dumpcap_view,
    port_view,
    seed_view,
    tcpdump_view,
)
from hpcapvf.model.errors import NotFound
from hpcapvf.model.plan import Plan
from hpcapvf.model.steps import DefineDomain, HoldFunction, InstallDriver, MakeSeed, StartCapture, Step

if TYPE_CHECKING:
    import jinja2

TEMPLATE_FOLDER = "vm-templates"


def complete_plan(plan: Plan) -> Plan:
    """The same plan with every rendered text filled in: domain XML, cloud-init seed, module options, service unit."""
    return dataclasses.replace(plan, steps=tuple(_completed(step, plan) for step in plan.steps))


def _completed(step: Step, plan: Plan) -> Step:
    match step:
        case DefineDomain():
            return dataclasses.replace(step, xml=render_domain(domain_view(plan)))
        case MakeSeed():
            user_data, meta_data, network_config = render_seed(seed_view(plan))
            return dataclasses.replace(step, user_data=user_data, meta_data=meta_data, network_config=network_config)
        case InstallDriver():
            return dataclasses.replace(step, modprobe_conf=render_module_options(driver_view(plan)))
        case HoldFunction():
            return dataclasses.replace(step, unit=render_port_unit(port_view(plan)))
        case StartCapture():
            return dataclasses.replace(step, unit=_capture_unit(step.engine, plan))
        case _:
            return step


def _capture_unit(engine: str, plan: Plan) -> str:
    match engine:
        case "tcpdump":
            return render_tcpdump_unit(tcpdump_view(plan))
        case "dpdk":
            return render_dumpcap_unit(dumpcap_view(plan))
        case _:
            return render_capture_unit(capture_view(plan))


def render_domain(view: DomainView) -> str:
    """The libvirt domain XML."""
    return _template("domain.xml.j2").render(domain=view)


def render_seed(view: SeedView) -> tuple[str, str, str]:
    """(user-data, meta-data, network-config) for cloud-init's NoCloud source."""
    user_data, meta_data, network_config = (
        _template(f"{name}.j2").render(seed=view) for name in ("user-data", "meta-data", "network-config")
    )
    return user_data, meta_data, network_config


def render_module_options(view: DriverView) -> str:
    """``/etc/modprobe.d/hpcapvf.conf`` of the guest."""
    return _template("hpcapvf.conf.j2").render(driver=view)


def render_capture_unit(view: CaptureView) -> str:
    """``hpcapvf-capture.service`` of the guest."""
    return _template("hpcapvf-capture.service.j2").render(capture=view)


def render_tcpdump_unit(view: TcpdumpView) -> str:
    """The same service with tcpdump in it."""
    return _template("tcpdump-capture.service.j2").render(capture=view)


def render_port_unit(view: PortView) -> str:
    """``hpcapvf-port.service`` of a guest whose engine is DPDK."""
    return _template("dpdk-port.service.j2").render(port=view)


def render_dumpcap_unit(view: DumpcapView) -> str:
    """The capture service with DPDK's dumpcap in it."""
    return _template("dpdk-capture.service.j2").render(capture=view)


def template_root() -> Path:
    """The folder of templates: inside an installed package, or beside it in a source tree. NotFound if neither."""
    package = Path(hpcapvf.__file__).resolve().parent
    for root in (package / TEMPLATE_FOLDER, package.parent / TEMPLATE_FOLDER):
        if root.is_dir():
            return root
    raise NotFound(
        f"the templates are missing: no {TEMPLATE_FOLDER} in or beside {package}", hint="install the package again"
    )


def _template(name: str) -> jinja2.Template:
    return _environment(template_root()).get_template(name)


@cache
def _environment(root: Path) -> jinja2.Environment:
    """Unknown names are errors; XML is escaped; the other formats are quoted by the templates (tojson)."""
    import jinja2  # noqa: PLC0415 - slow to load, and few commands render

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(root),
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape(enabled_extensions=("xml.j2",), default=False),
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
