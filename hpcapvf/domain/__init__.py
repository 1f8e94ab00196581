"""Plan to libvirt XML and cloud-init text."""

from hpcapvf.domain.render import complete_plan

__all__ = ["complete_plan"]
