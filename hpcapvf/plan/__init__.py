"""Host and Request to a Plan or a Refusal; a function of data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpcapvf.plan.deployment import plan_deployment

__all__ = ["plan_deployment"]


def __getattr__(name: str) -> Any:
    """``plan_deployment``, loaded when it is asked for: every command names guards, few of them plan."""
    if name != "plan_deployment":
        raise AttributeError(name)
    from hpcapvf.plan.deployment import plan_deployment as found  # noqa: PLC0415

    return found
