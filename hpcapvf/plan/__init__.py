"""Host and Request to a Plan or a Refusal; a function of data."""

from hpcapvf.plan.vnp import plan_vnp

__all__ = ["plan_vnp"]
