"""Checks of a deployed machine against its plan, and the proof with frames that are sent and read back."""

from hpcapvf.verify.checks import verify_plan
from hpcapvf.verify.proof import Proof, ProofTimes, mix_targets, prove

__all__ = ["Proof", "ProofTimes", "mix_targets", "prove", "verify_plan"]
