"""Which cuts are made of a configuration: all of them, or a sample for every run of the unit tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.kill.cuts import DEPLOY, DESTROY, KILL, POWER, RECOVER, Bench, Cut

Log = list[tuple[str, str]]
_TEARABLE = ("replace ", "append ")
_RECOVERIES_OF = 6  # killed deployments whose recoveries are killed in turn, spread over the deployment


def cuts_of(bench: Bench) -> tuple[Cut, ...]:
    """Before every effect of a deployment and of a destruction, inside each write that can be cut, with and without
    persist, by SIGKILL and by a power cut; and at every effect of the recoveries of some deployments that were killed.

    The writes that fill or clear a hash table of the card differ in nothing but their place: every 16th of them is cut
    in all ways, the others once.
    """
    return tuple(dict.fromkeys((*_whole(bench, DEPLOY), *_whole(bench, DESTROY), *_recoveries(bench))))


def sample_of(bench: Bench, every: int) -> tuple[Cut, ...]:
    """Every ``every``-th of the cuts that matter most: no table's inside, no second kill but a few."""
    chosen = [cut for cut in cuts_of(bench) if cut.during != RECOVER and not _in_table(cut, bench)]
    again = [cut for cut in cuts_of(bench) if cut.during == RECOVER]
    return (*chosen[::every], *again[:: every * 4])


def _whole(bench: Bench, during: str) -> Iterator[Cut]:
    log = bench.deploy_log if during == DEPLOY else bench.destroy_log
    for persist in (False, True) if during == DEPLOY else (False,):
        for how in (KILL, POWER):
            for at in range(1, len(log) + 1):
                if at in _inside_tables(log) and (persist or how == POWER):
                    continue
                yield Cut(bench.configuration, during, how, persist, at)
                if log[at - 1][1].startswith(_TEARABLE):
                    yield Cut(bench.configuration, during, how, persist, at, torn=True)


def _recoveries(bench: Bench) -> Iterator[Cut]:
    """The recovery of a deployment that was killed at ``of`` has at most as many effects as that one's undo."""
    log = bench.deploy_log
    changes = [at for at in range(1, len(log) + 1) if at not in _inside_tables(log)]
    for of in _spread(changes, _RECOVERIES_OF):
        for persist, how in ((False, KILL), (False, POWER), (True, KILL)):
            last = len(log) + 20 if persist else min(len(bench.destroy_log) + 20, of + 20)
            for at in range(1, last + 1):
                if at % 16 == 0 or at <= 90 or at > last - 40:
                    yield Cut(bench.configuration, RECOVER, how, persist, at, torn=at % 2 == 0, of=of)


def _spread(numbers: list[int], count: int) -> Iterable[int]:
    step = max(len(numbers) // count, 1)
    return numbers[step - 1 :: step]


def _inside_tables(log: Log) -> frozenset[int]:
    return frozenset(
        at
        for at, (kind, what) in enumerate(log, start=1)
        if kind == "register" and what.endswith(("= 0xffffffff", "= 0x00000000")) and at % 16
    )


def _in_table(cut: Cut, bench: Bench) -> bool:
    return cut.at in _inside_tables(bench.deploy_log if cut.during == DEPLOY else bench.destroy_log)
