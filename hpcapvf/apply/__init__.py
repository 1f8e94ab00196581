"""Journal, running steps, undo."""

from hpcapvf.apply.run import DestroyReport, Outcome, StepReport, apply_plan, destroy
from hpcapvf.apply.state import Deployment, list_deployments, read_deployment

__all__ = [
    "Deployment",
    "DestroyReport",
    "Outcome",
    "StepReport",
    "apply_plan",
    "destroy",
    "list_deployments",
    "read_deployment",
]
