"""tc on the fake host: clsact queues and mirroring filters, in the words and JSON that iproute2 6.1 was seen to have.

Recorded on a real kernel with a u32 filter on a veth; ``tests/contract/test_tc.py`` holds the engine against it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Answer = tuple[int, str, str]
OK: Answer = (0, "", "")
_EXCLUSIVE = "Error: Exclusivity flag on, cannot modify.\n"
_NO_CLASSIFIER = "Error: TC classifier not found.\nWe have an error talking to the kernel\n"


class FakeTc:
    """queues: interface to the kind of its ingress queue. filters: (interface, direction, preference) to a filter as
    JSON. classifiers: those that the kernel has; in_hardware: whether the card takes filters over; deaf: filters are
    taken and not kept."""

    def __init__(self, exists: Callable[[str], bool]) -> None:
        self.queues: dict[str, str] = {}
        self.filters: dict[tuple[str, str, int], dict[str, Any]] = {}
        self.classifiers = {"flower", "u32"}
        self.in_hardware = False
        self.deaf = False
        self._exists = exists

    def run(self, argv: tuple[str, ...]) -> Answer:
        """One call."""
        words = [word for word in argv[1:] if not word.startswith("-")]
        interface = words[words.index("dev") + 1]
        if not self._exists(interface):
            return 1, "", f'Cannot find device "{interface}"\n'
        verb = f"{words[0]} {words[1]}"
        return self._filter(verb, interface, words) if words[0] == "filter" else self._queue(verb, interface, words)

    def _queue(self, verb: str, interface: str, words: list[str]) -> Answer:
        if verb == "qdisc show":
            kind = self.queues.get(interface)
            return 0, json.dumps([{"kind": kind, "handle": "ffff:"}] if kind else []), ""
        if verb == "qdisc add":
            if interface in self.queues:
                return 2, "", _EXCLUSIVE
            self.queues[interface] = words[-1]
            return OK
        if verb == "qdisc del":
            if self.queues.pop(interface, None) is None:
                return 2, "", "Error: Cannot find specified qdisc on specified device.\n"
            self.filters = {place: held for place, held in self.filters.items() if place[0] != interface}
            return OK
        return 255, "", f"fake tc does not know: {verb}\n"

    def snapshot(self) -> dict[str, Any]:
        """What is set."""
        return {"queues": dict(self.queues), "filters": sorted(map(str, self.filters))}

    def reboot(self) -> None:
        """Nothing is left."""
        self.queues.clear()
        self.filters.clear()

    def _filter(self, verb: str, interface: str, words: list[str]) -> Answer:
        direction = words[4]
        if self.queues.get(interface) != "clsact":
            return 2, "", "Error: Parent Qdisc doesn't exists.\nWe have an error talking to the kernel\n"
        if verb == "filter show":
            entries = [f for (i, d, _), f in sorted(self.filters.items()) if (i, d) == (interface, direction)]
            heads = [{"protocol": "all", "pref": f["pref"], "kind": f["kind"], "chain": 0} for f in entries]
            return 0, json.dumps([part for pair in zip(heads, entries, strict=True) for part in pair]), ""
        preference = int(words[words.index("pref") + 1])
        place = (interface, direction, preference)
        if verb == "filter del":
            if self.filters.pop(place, None) is None:
                return 2, "", "Error: Filter with specified priority/protocol not found.\n"
            return OK
        return self._add(place, words)

    def _add(self, place: tuple[str, str, int], words: list[str]) -> Answer:
        kind, to = words[words.index("pref") + 2], words[-1]
        if kind not in self.classifiers:
            return 2, "", _NO_CLASSIFIER
        if not self._exists(to):
            return 1, "", f'Cannot find device "{to}"\n'
        action = {"order": 1, "kind": "mirred", "mirred_action": "mirror", "direction": "egress", "to_dev": to}
        options = {"in_hw" if self.in_hardware else "not_in_hw": True, "actions": [action]}
        if not self.deaf:
            self.filters[place] = {"protocol": "all", "pref": place[2], "kind": kind, "chain": 0, "options": options}
        return OK
