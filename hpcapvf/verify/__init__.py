"""Checks of a deployed machine against its plan, and the proof with frames that are sent and read back."""

from hpcapvf.verify.checks import verify_plan
from hpcapvf.verify.proof import Proof, ProofTimes, mix_targets, prove
from hpcapvf.verify.readings import read_guard
from hpcapvf.verify.snapshot import snapshot_difference, take_snapshot

__all__ = [
    "Proof",
    "ProofTimes",
    "mix_targets",
    "prove",
    "read_guard",
    "snapshot_difference",
    "take_snapshot",
    "verify_plan",
]
