"""Checks of a deployed machine against its plan, and the proof with frames that are sent and read back."""

from hpcapvf.verify.checks import verify_plan
from hpcapvf.verify.expect import mix_targets, targets_of
from hpcapvf.verify.mirrors import MirrorState, moved_away, read_mirror
from hpcapvf.verify.proof import Proof, ProofTimes, prove
from hpcapvf.verify.readings import open_registers, read_guard
from hpcapvf.verify.snapshot import snapshot_difference, take_snapshot

__all__ = [
    "MirrorState",
    "Proof",
    "ProofTimes",
    "mix_targets",
    "moved_away",
    "open_registers",
    "prove",
    "read_guard",
    "read_mirror",
    "snapshot_difference",
    "take_snapshot",
    "targets_of",
    "verify_plan",
]
