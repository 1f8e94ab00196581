"""Host reads to a Host."""

from hpcapvf.probe.host import probe_host

__all__ = ["probe_host"]
