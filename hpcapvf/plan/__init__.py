"""Host and Request to a Plan or a Refusal; a function of data."""

from hpcapvf.plan.deployment import plan_deployment

__all__ = ["plan_deployment"]
