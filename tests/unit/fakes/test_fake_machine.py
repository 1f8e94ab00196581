"""The fake machine must refuse what the kernel and libvirt refuse, or tests against it prove nothing."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from hpcapvf.host.protocols import GuestAccess
from hpcapvf.model.address import Mac, PciAddress
from hpcapvf.model.errors import FileFailed, RegisterRefused, StepFailed
from tests.fakes.faults import InjectedFault
from tests.fakes.machine import FakeMachine, fake_machine
from tests.fakes.tree import CONTROLLER, PF, PF_INTERFACE, Shape

NUMVFS = f"/sys/bus/pci/devices/{PF}/sriov_numvfs"
VF0 = "0000:02:10.0"


@pytest.fixture
def fake(tmp_path: Path) -> FakeMachine:
    return fake_machine(tmp_path, Shape(vfio_loaded=True))


def bind(fake: FakeMachine, address: str, driver: str) -> None:
    files = fake.machine.files
    files.write_text(f"/sys/bus/pci/devices/{address}/driver_override", driver)
    if files.exists(f"/sys/bus/pci/devices/{address}/driver"):
        files.write_text(f"/sys/bus/pci/devices/{address}/driver/unbind", address)
    files.write_text("/sys/bus/pci/drivers_probe", address)


def domain_xml(*hostdevs: str) -> str:
    devices = "".join(
        f"<hostdev type='pci' managed='no'><source><address domain='0x{h[:4]}' bus='0x{h[5:7]}' slot='0x{h[8:10]}' "
        f"function='0x{h[11]}'/></source></hostdev>"
        for h in hostdevs
    )
    network = "<interface type='network'><mac address='02:00:00:00:00:07'/><source network='default'/></interface>"
    return f"<domain><name>probe</name><uuid>1234</uuid><devices>{devices}{network}</devices></domain>"


def test_a_change_of_numvfs_goes_through_zero(fake: FakeMachine) -> None:
    fake.machine.files.write_text(NUMVFS, "2\n")
    assert fake.kernel.driver(VF0) == "igbvf"
    with pytest.raises(FileFailed) as refused:
        fake.machine.files.write_text(NUMVFS, "3\n")
    assert refused.value.errno == errno.EBUSY
    fake.machine.files.write_text(NUMVFS, "0\n")
    assert not fake.machine.files.exists(f"/sys/bus/pci/devices/{VF0}")


def test_numvfs_has_a_limit(fake: FakeMachine) -> None:
    with pytest.raises(FileFailed) as refused:
        fake.machine.files.write_text(NUMVFS, "8")
    assert refused.value.errno == errno.ERANGE


def test_vfs_and_back_leave_no_trace(fake: FakeMachine) -> None:
    before = fake.snapshot()
    fake.machine.files.write_text(NUMVFS, "7")
    assert fake.snapshot() != before
    fake.machine.files.write_text(NUMVFS, "0")
    assert fake.snapshot() == before


def test_a_bound_device_cannot_be_bound_again(fake: FakeMachine) -> None:
    fake.machine.files.write_text(f"/sys/bus/pci/devices/{CONTROLLER}/driver_override", "vfio-pci")
    with pytest.raises(FileFailed) as refused:
        fake.machine.files.write_text("/sys/bus/pci/drivers/vfio-pci/bind", CONTROLLER)
    assert refused.value.errno == errno.EBUSY


def test_a_driver_takes_only_what_it_matches(fake: FakeMachine) -> None:
    fake.machine.files.write_text(f"/sys/bus/pci/devices/{CONTROLLER}/driver/unbind", CONTROLLER)
    with pytest.raises(FileFailed) as refused:
        fake.machine.files.write_text("/sys/bus/pci/drivers/vfio-pci/bind", CONTROLLER)
    assert refused.value.errno == errno.ENODEV


def test_the_controllers_disks_go_and_come_back(fake: FakeMachine) -> None:
    before = fake.snapshot()
    bind(fake, CONTROLLER, "vfio-pci")
    assert fake.machine.files.list("/sys/block") == ("vda",)
    bind(fake, CONTROLLER, "\n")
    assert fake.snapshot() == before


def test_removed_functions_come_back_by_a_rescan(fake: FakeMachine) -> None:
    fake.machine.files.write_text(f"/sys/bus/pci/devices/{CONTROLLER}/remove", "1")
    assert not fake.machine.files.exists("/sys/block/sda")
    fake.machine.files.write_text("/sys/bus/pci/rescan", "1")
    assert fake.kernel.driver(CONTROLLER) == "megaraid_sas"


def test_hugepages_are_bounded_by_the_node(fake: FakeMachine) -> None:
    pool = "/sys/devices/system/node/node0/hugepages/hugepages-2048kB"
    fake.machine.files.write_text(f"{pool}/nr_hugepages", "100000")
    assert fake.machine.files.read_text(f"{pool}/free_hugepages") == "1024\n"


def test_an_attribute_that_cannot_be_written(fake: FakeMachine) -> None:
    with pytest.raises(FileFailed):
        fake.machine.files.write_text(f"/sys/bus/pci/devices/{PF}/vendor", "0x1")
    with pytest.raises(FileFailed):
        fake.machine.files.write_text(f"/sys/bus/pci/devices/{PF}/no_such_file", "1")


def test_a_domain_needs_its_functions_and_its_network(fake: FakeMachine) -> None:
    fake.machine.files.write_text(NUMVFS, "1")
    fake.machine.hypervisor.define(domain_xml(VF0))
    with pytest.raises(StepFailed, match="not bound to vfio-pci"):
        fake.machine.hypervisor.start("probe")
    bind(fake, VF0, "vfio-pci")
    with pytest.raises(StepFailed, match="not active"):
        fake.machine.hypervisor.start("probe")
    fake.machine.hypervisor.set_network_active("default", True)
    fake.machine.hypervisor.start("probe")
    with pytest.raises(StepFailed, match="still runs"):
        fake.machine.hypervisor.undefine("probe")
    with pytest.raises(FileFailed):
        fake.machine.files.write_text(NUMVFS, "0")
    assert fake.machine.hypervisor.stop("probe", 10)
    fake.machine.hypervisor.undefine("probe")
    fake.machine.files.write_text(NUMVFS, "0")


def test_starting_a_domain_with_a_vf_wipes_the_registers(fake: FakeMachine) -> None:
    fake.machine.files.write_text(NUMVFS, "1")
    bind(fake, VF0, "vfio-pci")
    fake.machine.hypervisor.set_network_active("default", True)
    fake.machine.hypervisor.define(domain_xml(VF0))
    window = fake.machine.registers.open(PciAddress.parse(PF), "82576")
    window.write(0x5200, 0xFFFFFFFF)
    fake.machine.hypervisor.start("probe")
    assert window.read(0x5200) == 0


def test_registers_behave_like_the_emulated_card(fake: FakeMachine) -> None:
    window = fake.machine.registers.open(PciAddress.parse(PF), "82576")
    window.write(0xA000, 0xFFFFFFFF)
    assert window.read(0xA000) == 0  # UTA reads 0
    with pytest.raises(RegisterRefused, match="not on the list"):
        window.write(0x5600, 1)
    window.write(0x5D80, 1)
    assert window.read(0x5D80) == 0  # mirror rules drop what is written
    fake.registers.missing = frozenset()
    window.write(0x5D80, 1)
    assert window.read(0x5D80) == 1  # a real card keeps it
    with pytest.raises(RegisterRefused, match="outside its writable mask"):
        window.write(0x5AD0, 0)


def test_programs_have_state(fake: FakeMachine) -> None:
    run = fake.machine.commands.run
    before = fake.snapshot()
    run(["ip", "link", "set", "dev", PF_INTERFACE, "up"], timeout_s=5)
    run(["ethtool", "-A", PF_INTERFACE, "rx", "off"], timeout_s=5)
    assert fake.snapshot() != before
    assert "RX:\t\toff" in run(["ethtool", "-a", PF_INTERFACE], timeout_s=5).stdout
    assert run(
        ["ip", "link", "set", "dev", PF_INTERFACE, "vf", "0", "mac", "02:00:00:00:00:01"], timeout_s=5
    ).returncode
    with pytest.raises(StepFailed, match="no such program"):
        run(["nonesuch"], timeout_s=5)


def test_a_fault_strikes_once_before_or_after(fake: FakeMachine) -> None:
    fake.faults.fail_at("write", 2)
    fake.machine.files.write_text(NUMVFS, "1")
    with pytest.raises(InjectedFault):
        fake.machine.files.write_text(NUMVFS, "0")
    assert fake.machine.files.exists(f"/sys/bus/pci/devices/{VF0}")
    fake.faults.fail_at("any", 1, after=True)
    with pytest.raises(InjectedFault):
        fake.machine.files.write_text(NUMVFS, "0")
    assert not fake.machine.files.exists(f"/sys/bus/pci/devices/{VF0}")


def test_the_guest_answers_only_while_its_domain_runs(fake: FakeMachine) -> None:
    access = GuestAccess("probe", Mac.parse("02:00:00:00:00:07"), "probe", "/key")
    with pytest.raises(Exception, match="no lease"):
        fake.machine.guests.connect(access, timeout_s=3)
    fake.machine.hypervisor.set_network_active("default", True)
    fake.machine.hypervisor.define(domain_xml())
    fake.machine.hypervisor.start("probe")
    assert fake.machine.guests.connect(access, timeout_s=3).run(["true"], timeout_s=3).returncode == 0
