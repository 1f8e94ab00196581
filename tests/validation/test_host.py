"""The hypervisor host, as its kernel and its card say."""

from __future__ import annotations

from tests.validation import checks, scripts
from tests.validation.conftest import Target


def test_the_vf_is_there_and_passed_on(target: Target) -> None:
    listing = target.run(scripts.VFS.replace("PF", target.plan["pf"]))
    assert checks.vf_problems(listing, target.plan["vf_index"], target.plan["function"]) == []


def test_what_the_guest_was_given_is_on_vfio_pci(target: Target) -> None:
    listing = target.run(scripts.DRIVERS)
    assert [problem for address in target.passed for problem in checks.driver_problems(listing, address)] == []


def test_each_has_an_iommu_group_of_its_own(target: Target) -> None:
    assert checks.iommu_problems(target.run(scripts.IOMMU_GROUPS), target.passed) == []


def test_the_guests_devices_signal_by_message(target: Target) -> None:
    text = target.run(scripts.INTERRUPTS)
    assert checks.interrupt_problems(text, target.passed, target.plan["controller"]) == []


def test_the_guests_memory_is_in_hugepages_of_its_node(target: Target, qemu: dict[str, str]) -> None:
    size, pages, node = (target.placement[name] for name in ("hugepage_kib", "hugepages", "node"))
    listing = target.run(scripts.NODE_PAGES.replace("SIZE", str(size)))
    problems = checks.hugepage_problems(qemu["numa_maps"], size, pages, node)
    assert problems + checks.node_pages_problems(listing, pages, node) == []


def test_the_kernel_gives_the_guest_memory_of_its_node_only(target: Target, qemu: dict[str, str]) -> None:
    size, node = target.placement["hugepage_kib"], target.placement["node"]
    assert checks.policy_problems(qemu["numa_maps"], qemu["mems"], size, node) == []


def test_vcpus_are_pinned(target: Target, qemu: dict[str, str]) -> None:
    assert checks.vcpu_problems(qemu["threads"], target.placement["vcpu_pins"]) == []


def test_emulator_threads_are_pinned(target: Target, qemu: dict[str, str]) -> None:
    assert checks.emulator_problems(qemu["threads"], target.placement["emulator_pins"]) == []


def test_io_threads_are_pinned(target: Target, qemu: dict[str, str]) -> None:
    assert checks.io_thread_problems(qemu["threads"], target.placement.get("io_pins", "")) == []


def test_the_domain_is_as_planned(target: Target) -> None:
    xml = target.run(scripts.DOMAIN.replace("NAME", target.state["name"]))
    assert checks.domain_problems(xml, target.placement, target.passed) == []


def test_the_card_replicates_every_frame_to_the_vf(target: Target) -> None:
    step = target.step("program-receive-all")
    offsets = " ".join(f"{offset:x}" for offset in checks.wanted_registers(step["family"], step["pool"]))
    text = target.run(scripts.REGISTERS.replace("PF", step["pf"]).replace("OFFSETS", offsets))
    assert checks.replication_problems(text, step["family"], step["pool"]) == []


def test_the_hosts_clock_is_kept(target: Target) -> None:
    assert checks.clock_problems(target.run(scripts.CLOCK)) == []
