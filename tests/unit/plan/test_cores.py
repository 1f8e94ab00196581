"""Which CPUs a guest gets: the levels of sharing in their order."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcapvf.model.address import CpuSet
from hpcapvf.model.host import Cpu, DomainInfo, Host
from hpcapvf.plan.choice import Choice
from hpcapvf.plan.cores import CoreUse, choose_cores
from tests.factories import make_host


def use(host: Host, vcpus: int, node: int = 0) -> tuple[CoreUse, str]:
    choice = choose_cores(host, node, vcpus, "share")
    assert choice.value is not None
    return choice.value, " ".join(a.text for a in choice.advice)


def with_pinned(host: Host, cpus: str) -> Host:
    domain = DomainInfo("other", "11111111-2222-3333-4444-555555555555", True, (), CpuSet.parse(cpus))
    return dataclasses.replace(host, domains=(domain,))


@pytest.mark.parametrize(
    ("cores", "threads", "vcpus", "pins", "emulator", "said"),
    [
        (6, 1, 3, (1, 2, 3), "0", ""),
        (6, 1, 5, (1, 2, 3, 4, 5), "0", ""),
        (6, 2, 5, (1, 2, 3, 4, 5), "0,12", ""),
        (6, 1, 6, (0, 1, 2, 3, 4, 5), "0-4", "shares CPU 0 with the host"),
        (2, 1, 2, (0, 1), "0", "shares CPU 0 with the host"),
        (2, 2, 3, (0, 1, 4), "0-1,5", "hardware threads"),
        (2, 2, 4, (0, 1, 4, 5), "0-1,4", "hardware threads"),
        (2, 1, 3, (0, 0, 1), "0", "has 2 CPUs for 3 vCPUs: they share CPUs 0-1, the polling thread keeps one"),
        (3, 1, 6, (0, 1, 0, 1, 0, 2), "0-1", "the polling thread keeps one"),
        (1, 1, 2, (0, 0), "0", "the polling thread too"),
    ],
)
def test_levels(cores: int, threads: int, vcpus: int, pins: tuple[int, ...], emulator: str, said: str) -> None:
    found, text = use(make_host(cores_per_node=cores, threads_per_core=threads), vcpus)
    assert found.vcpu_pins == pins
    assert str(found.emulator_pins) == emulator
    assert said in text
    assert bool(said) == bool(text)


def test_the_second_node_has_its_own_cpus() -> None:
    found, _ = use(make_host(), 3, node=1)
    assert found.vcpu_pins == (7, 8, 9)


def test_cpus_of_other_domains_are_left_to_them() -> None:
    found, text = use(with_pinned(make_host(), "1-2"), 3)
    assert (found.vcpu_pins, text) == ((3, 4, 5), "")
    found, text = use(with_pinned(make_host(threads_per_core=2), "13"), 3)
    assert (found.vcpu_pins, text) == ((2, 3, 4), "")


def test_the_sibling_of_a_taken_cpu_0_is_no_whole_core() -> None:
    found, text = use(with_pinned(make_host(cores_per_node=4, threads_per_core=2), "0"), 2)
    assert (found.vcpu_pins, str(found.emulator_pins), text) == ((2, 3), "1,9", "")


def test_cpus_of_other_domains_come_last() -> None:
    found, text = use(with_pinned(make_host(cores_per_node=2), "0-1"), 2)
    assert found.vcpu_pins == (0, 1)
    assert "2 of them taken by other domains" in text


def test_offline_cpus_are_not_used() -> None:
    host = make_host()
    host = dataclasses.replace(host, cpus=tuple(c for c in host.cpus if c.index not in (0, 2)))
    found, _ = use(host, 3)
    assert found.vcpu_pins == (3, 4, 5)
    assert str(found.emulator_pins) == "1"


def test_strict_takes_only_the_best_level() -> None:
    assert choose_cores(make_host(), 0, 5, "strict").value is not None
    for vcpus in (6, 7, 20):
        assert choose_cores(make_host(), 0, vcpus, "strict").objections


def side_by_side(cores: int) -> Host:
    """One node whose cores have their two threads under neighbouring numbers, as many machines do: 0 and 1, 2 and 3."""
    host = make_host(nodes=1, cores_per_node=cores, threads_per_core=2)
    pairs = tuple(Cpu(cpu, 0, CpuSet.of([cpu // 2 * 2, cpu // 2 * 2 + 1])) for cpu in range(2 * cores))
    return dataclasses.replace(host, cpus=pairs)


@pytest.mark.parametrize("taken", ["", "0", "3"])
@pytest.mark.parametrize("vcpus", range(2, 9))
@pytest.mark.parametrize("cores", [1, 2, 3])
def test_reader_and_poller_share_a_core_only_where_there_is_no_other(cores: int, vcpus: int, taken: str) -> None:
    host = with_pinned(side_by_side(cores), taken)
    found, text = use(host, vcpus)
    reader, polling = found.vcpu_pins[found.reader_vcpu], found.vcpu_pins[found.polling_vcpu]
    used_cores = {cpu // 2 for cpu in found.vcpu_pins}
    together = reader // 2 == polling // 2
    assert not together or len(used_cores) == 1
    assert together == ("reader and polling thread share a physical core" in text)


def test_reader_and_poller_are_apart_also_where_every_cpu_is_taken() -> None:
    host = make_host(nodes=1, cores_per_node=2, threads_per_core=2)
    crossed = tuple(Cpu(cpu, 0, CpuSet.of([cpu, 3 - cpu])) for cpu in range(4))
    found, text = use(with_pinned(dataclasses.replace(host, cpus=crossed), "0-3"), 2)
    assert found.vcpu_pins == (1, 3)
    assert "reader and polling thread" not in text


@given(
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(2, 20),
    st.integers(0, 1),
    st.sets(st.integers(0, 71), max_size=20),
)
def test_every_placement_keeps_the_promises(cores: int, threads: int, vcpus: int, node: int, pinned: set[int]) -> None:
    host = with_pinned(make_host(cores_per_node=cores, threads_per_core=threads), str(CpuSet.of(pinned)))
    choice: Choice[CoreUse] = choose_cores(host, node, vcpus, "share")
    found = choice.value
    assert found is not None
    online = {c.index for c in host.cpus if c.node == node}
    assert len(found.vcpu_pins) == vcpus
    assert set(found.vcpu_pins) | found.emulator_pins.cpus <= online
    assert found.emulator_pins
    assert found.polling_vcpu == vcpus - 1
    assert found.reader_vcpu != found.polling_vcpu
    polling = found.vcpu_pins[-1]
    if len(online) > 1:
        assert polling not in found.vcpu_pins[:-1]
        assert polling not in found.emulator_pins
    if not choice.advice:
        cores_used = [next(c.siblings for c in host.cpus if c.index == pin) for pin in found.vcpu_pins]
        assert len({frozenset(c.cpus) for c in cores_used}) == vcpus
        assert not any(set(c) & (pinned | found.emulator_pins.cpus) for c in cores_used)


@pytest.mark.parametrize(
    ("cores", "threads", "vcpus", "pins", "emulator", "io", "said"),
    [
        (6, 1, 3, (1, 2, 3), "0", "4", ""),
        (6, 2, 3, (1, 2, 3), "0,12", "4,16", ""),
        (6, 1, 4, (1, 2, 3, 4), "0", "5", ""),
        (
            6,
            1,
            5,
            (1, 2, 3, 4, 5),
            "0",
            "0",
            "no core to spare for the IO thread of the virtio disks",
        ),
        (6, 1, 6, (0, 1, 2, 3, 4, 5), "0-4", "0-4", "it shares CPUs 0-4"),
        (1, 1, 2, (0, 0), "0", "0", "it shares CPUs 0"),
    ],
)
def test_the_io_thread_has_a_core_of_its_own_if_there_is_one(
    cores: int, threads: int, vcpus: int, pins: tuple[int, ...], emulator: str, io: str, said: str
) -> None:
    host = make_host(cores_per_node=cores, threads_per_core=threads)
    choice = choose_cores(host, 0, vcpus, "share", io_thread=True)
    assert choice.value is not None
    assert choice.value.vcpu_pins == pins
    assert (str(choice.value.emulator_pins), str(choice.value.io_pins)) == (emulator, io)
    text = " ".join(a.text for a in choice.advice)
    assert said in text
    assert bool(said) == bool(text)


def test_strict_wants_a_core_for_the_io_thread_too() -> None:
    assert choose_cores(make_host(), 0, 5, "strict").value is not None
    assert choose_cores(make_host(), 0, 4, "strict", io_thread=True).value is not None
    refused = choose_cores(make_host(), 0, 5, "strict", io_thread=True)
    assert refused.value is None
    assert "needs 7 free physical cores (one per vCPU, one for the host, one for the IO thread), has 6" in (
        refused.objections[0].reason.why
    )
