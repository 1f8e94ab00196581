"""One small machine with an emulated 82576 and seven VFs: ``python -m tests.switch_model FILE.json [SEED]``.

The wire's far end is a second card of the same machine. ``inside.py`` runs there and only records; the model is asked
here, with the registers that the card itself gave.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import hpcapvf
from hpcapvf.lab.cache import state_root
from hpcapvf.model.address import Mac
from hpcapvf.nic.switch import POOLS, Frame, deliver
from tests.results import provenance, write_result
from tests.switch_model.draw import KINDS, Sent, kind
from tests.vm.machine import Hardware, obtain_image
from tests.vm.shell_machine import ShellMachine

SETS, FRAMES, SEED = 50, 48, 1
INSIDE_S = 1500.0
SHOWN = 10
SEEN = "seen.jsonl"
RECORDED = Path(__file__).with_name("seen.jsonl.gz")
"""What the card did at the last good run: the unit tests ask the model again (tests/unit/nic/test_switch_recorded)."""


class SwitchMachine(ShellMachine):
    """The card's link leads to a virtio card. Its memory is not strict, so that every register can be set."""

    def __init__(self) -> None:
        image = obtain_image()
        super().__init__(image.root, image.manifest["kernel_release"], state_root() / "switch_model")

    def prepare(self) -> None:
        """The project's Python code and what runs there."""
        unwanted = shutil.ignore_patterns("*.pyc")
        shutil.copytree(Path(hpcapvf.__file__).parent, self.share / "hpcapvf", ignore=unwanted)
        shutil.copytree(Path(__file__).parent, self.share / "tests" / "switch_model", ignore=unwanted)

    def hardware(self) -> Hardware:
        """As every small machine's, but for its memory."""
        usual = super().hardware()
        return dataclasses.replace(usual, words=f"{usual.words} iomem=relaxed")

    def devices(self) -> list[str]:
        """Both on one hub."""
        return [
            *("-netdev", "hubport,id=near,hubid=0", "-netdev", "hubport,id=far,hubid=0"),
            *("-device", "pcie-root-port,id=slot1,chassis=1,slot=1"),
            *("-device", "igb,netdev=near,bus=slot1,mac=02:48:50:56:46:01,romfile="),
            *("-device", "virtio-net-pci,netdev=far,mac=02:48:50:56:46:02,romfile="),
        ]


def predicted(read: dict[tuple[str, int], int], sent: Sent) -> list[int]:
    """Where the model sends a frame: pools by number, the wire after them."""
    found = deliver(lambda name, index: read.get((name, index), 0), sent.frame, sent.sender)
    return [*sorted(found.pools), *([POOLS] if found.wire else [])]


def compared(number: int, seen: dict[str, Any], tally: Counter[str]) -> Iterable[dict[str, Any]]:
    """The frames of one set on which model and card differ; counts all of them by kind and by whether a pool got it."""
    read = {(name, index): value for name, index, value in seen["registers"]}
    for sender, destination, length, vlan, card in seen["frames"]:
        sent = Sent(Frame(Mac.parse(destination), length, vlan), sender)
        model = predicted(read, sent)
        tally[f"{kind(sent)}: {'taken' if set(card) - {POOLS} else 'not taken'}"] += 1
        if model != card:
            frame = {"sender": sender, "destination": destination, "length": length, "vlan": vlan}
            yield {"set": number, **frame, "card": card, "model": model}


def judge(lines: Iterable[str]) -> dict[str, Any]:
    """What all observations say. A kind of frame that was always taken, or never, proves little and is named."""
    tally: Counter[str] = Counter()
    sets = [json.loads(line) for line in lines]
    wrong = [each for number, seen in enumerate(sets) for each in compared(number, seen, tally)]
    whole = {f"{name}: {end}" for name in KINDS for end in ("taken", "not taken")}
    return {
        "sets": len(sets),
        "frames": sum(tally.values()),
        "disagreements": wrong,
        "disturbed": [number for number, seen in enumerate(sets) if seen["changed"]],
        "refused": sorted({name for seen in sets for name, _, _ in seen["refused"]}),
        "kinds": dict(sorted(tally.items())),
        "one_sided": sorted(whole - set(tally)),
    }


def main(argv: list[str]) -> int:
    """0 if model and card agree on every frame, every kind was tried, and the kernel had no complaint."""
    seed = int(argv[1]) if len(argv) > 1 else SEED
    about, began = provenance(), time.monotonic()
    with SwitchMachine() as machine:
        words = f"python3 -B -m tests.switch_model.inside {seed} {SETS} {FRAMES} {SEEN}"
        text = machine.run(words, timeout_s=INSIDE_S, may_fail=True)
        complaints = machine.complaints()
    file = machine.share / SEEN
    found = judge(file.read_text().splitlines() if file.exists() else [])
    whole = "all sets tried" in text and found["frames"] == SETS * FRAMES
    failures = (found["disagreements"], found["disturbed"], found["one_sided"], complaints)
    good = whole and not any(failures)
    result = {"ok": good, "kernel": machine.release, "seed": seed, **found, "complaints": list(complaints)}
    write_result(Path(argv[0]), about, {"seconds": round(time.monotonic() - began), **result})
    if good:
        RECORDED.write_bytes(gzip.compress(file.read_bytes(), mtime=0))
    for each in found["disagreements"][:SHOWN]:
        print(json.dumps(each))
    counts = f"{found['frames']} frames, {found['sets']} sets of registers, {len(found['disagreements'])} disagreements"
    print(f"{'passed' if good else 'FAILED'}: {counts}, {len(complaints)} complaints of the kernel")
    if not good:
        print(f"one-sided: {found['one_sided']}; disturbed: {found['disturbed']}; {complaints}\n{text[-3000:]}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
