"""Ways to have a card copy traffic, and ways to its registers: what each can do, and why it was or was not taken."""

from __future__ import annotations

from dataclasses import dataclass

TAKEN = "taken"
NEXT = "next"
SPARE = "not needed"
REFUSED = "refused"


@dataclass(frozen=True)
class Backend:
    """One way, as data. layer: ``copy`` (how frames are copied) or ``registers`` (how the PF's registers are written).

    directions: which frames of a watched VM it copies: ``to`` it, ``from`` it; empty for what only serves the whole
    link. vlan: whether tagged frames come along. rules: how many there are of it, "" for no limit of its own.
    whole_link: whether it can give a VF every frame on the wire. seen_on: where this project saw it work, "" if
    nowhere. source: where its form was looked up.
    """

    name: str
    layer: str
    does: str
    source: str
    directions: tuple[str, ...] = ()
    vlan: bool = False
    rules: str = ""
    whole_link: bool = False
    seen_on: str = ""

    @property
    def standing(self) -> str:
        """How far it is proven, for people."""
        return f"seen on {self.seen_on}" if self.seen_on else "unproven on hardware"


@dataclass(frozen=True)
class Candidate:
    """A way that was looked at for one deployment, in the order of preference.

    verdict: TAKEN; NEXT (tried if those before it do not read back); SPARE (would do, another is taken); REFUSED.
    found: what the probe saw; why: the reason of the verdict.
    """

    backend: Backend
    verdict: str
    found: str
    why: str

    @property
    def usable(self) -> bool:
        """Whether it is or could be used."""
        return self.verdict != REFUSED
