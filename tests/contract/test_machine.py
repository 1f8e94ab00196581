"""Files, registers, libvirt and programs: the same promises by the fake machine and by a real one."""

from __future__ import annotations

import json

import pytest

from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import NotFound, RegisterRefused, StepFailed
from hpcapvf.nic.tables import register_table
from tests.contract.conftest import Bench

TABLE = register_table("82576")
ROMPE = TABLE.register("VMOLR").field("ROMPE").mask
UUID = "5b1f7a2c-8c55-5d8e-8d54-2f6a0f3b9d11"
NAME = "hpcapvf-contract"
DOMAIN = f"""<domain type='kvm'><name>{NAME}</name><uuid>{UUID}</uuid><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>
<devices><serial type='pty'><target port='0'/></serial></devices></domain>"""


def test_files_there_and_gone(bench: Bench) -> None:
    files = bench.machine.files
    path = "/run/hpcapvf-contract/file"
    assert files.read_text(path) is None
    files.replace(path, b"one", 0o600)
    files.append_durably(path, "two")
    assert files.read_text(path) == "onetwo\n"
    assert files.size(path) == 7
    assert files.list("/run/hpcapvf-contract") == ("file",)
    files.remove(path)
    files.remove(path)
    assert not files.exists(path)
    files.remove_folder("/run/hpcapvf-contract")
    assert files.list("/run/hpcapvf-contract") is None


def test_links_of_sysfs(bench: Bench) -> None:
    files = bench.machine.files
    assert files.link_name(f"{bench.pf_folder}/driver") == "igb"
    assert (files.real_path(bench.pf_folder) or "").endswith(f"/{bench.pf}")
    assert files.link_name(f"{bench.pf_folder}/vendor") is None  # there, but no link


def test_registers_are_read_and_one_bit_goes_there_and_back(bench: Bench, vf: str) -> None:
    window = bench.machine.registers.open(PciAddress.parse(bench.pf), "82576")
    offset = TABLE.register("VMOLR").offset(1)
    try:
        assert window.read(TABLE.register("STATUS").offset()) not in {0, 0xFFFFFFFF}
        before = window.read(offset)
        window.write(offset, before ^ ROMPE)
        assert window.read(offset) == before ^ ROMPE
        window.write(offset, before)
        assert window.read(offset) == before
    finally:
        window.close()


def test_what_the_list_does_not_name_is_not_written(bench: Bench, vf: str) -> None:
    window = bench.machine.registers.open(PciAddress.parse(bench.pf), "82576")
    ctrl = TABLE.register("CTRL").offset()
    vmolr = TABLE.register("VMOLR").offset(0)
    try:
        for offset, value in ((ctrl, 1 << 26), (0x1_8000, 1), (vmolr, window.read(vmolr) ^ 1)):
            before = window.read(offset)
            with pytest.raises(RegisterRefused):
                window.write(offset, value)
            assert window.read(offset) == before
    finally:
        window.close()


def test_a_vfs_reset_wipes_what_was_programmed(bench: Bench, vf: str) -> None:
    """The reason for the guard: the PF driver rewrites these registers whenever any VF is reset.

    On vfio-pci, as the start of a VM resets it: Linux 6.12's igbvf never returns from the reset of a VF whose
    port is down (igbvf_down waits in napi_disable for what was not enabled).
    """
    bench.rebind(vf, "vfio-pci")
    window = bench.machine.registers.open(PciAddress.parse(bench.pf), "82576")
    mta = TABLE.register("MTA").offset(5)
    try:
        window.write(mta, 0xFFFFFFFF)
        assert window.read(mta) == 0xFFFFFFFF
        bench.write(f"/sys/bus/pci/devices/{vf}/reset", "1")
        bench.until(lambda: window.read(mta) == 0, "the PF driver rewrote MTA")
    finally:
        window.close()


def test_registers_that_take_nothing_read_zero(bench: Bench, vf: str) -> None:
    window = bench.machine.registers.open(PciAddress.parse(bench.pf), "82576")
    uta = TABLE.register("UTA").offset(3)
    try:
        window.write(uta, 0xFFFFFFFF)
        assert window.read(uta) == 0
        window.write(uta, 0)
    finally:
        window.close()


def test_a_domains_life(bench: Bench) -> None:
    hypervisor = bench.machine.hypervisor
    assert hypervisor.xml(NAME) is None
    hypervisor.define(DOMAIN)
    try:
        assert UUID in (hypervisor.xml(NAME) or "")
        assert [d.running for d in hypervisor.domains() if d.name == NAME] == [False]
        hypervisor.start(NAME)
        hypervisor.start(NAME)  # it runs: nothing to do
        assert [d.running for d in hypervisor.domains() if d.name == NAME] == [True]
        with pytest.raises(StepFailed, match="still runs"):
            hypervisor.undefine(NAME)
    finally:
        hypervisor.stop(NAME, 2)
        hypervisor.undefine(NAME)
    hypervisor.undefine(NAME)
    assert hypervisor.xml(NAME) is None
    assert hypervisor.stop(NAME, 2)  # there is none: it is off


def test_what_libvirt_does_not_know(bench: Bench) -> None:
    with pytest.raises(NotFound, match="nonesuch"):
        bench.machine.hypervisor.start("nonesuch")
    assert bench.machine.hypervisor.network_active("nonesuch") is None
    with pytest.raises(NotFound):
        bench.machine.hypervisor.set_network_active("nonesuch", True)


def test_a_domain_whose_vf_is_not_on_vfio_does_not_start(bench: Bench, vf: str) -> None:
    bus, rest = vf[5:].split(":")
    slot, function = rest.split(".")
    hostdev = (
        "<hostdev mode='subsystem' type='pci' managed='no'><source>"
        f"<address domain='0x{vf[:4]}' bus='0x{bus}' slot='0x{slot}' function='0x{function}'/></source></hostdev>"
    )
    bench.machine.hypervisor.define(DOMAIN.replace("</devices>", f"{hostdev}</devices>"))
    try:
        (info,) = [d for d in bench.machine.hypervisor.domains() if d.name == NAME]
        assert info.hostdevs == (PciAddress.parse(vf),)
        with pytest.raises(StepFailed, match="could not start"):
            bench.machine.hypervisor.start(NAME)
    finally:
        bench.machine.hypervisor.stop(NAME, 0)
        bench.machine.hypervisor.undefine(NAME)


def test_a_network_there_and_back(bench: Bench) -> None:
    hypervisor = bench.machine.hypervisor
    before = hypervisor.network_active("default")
    assert before is not None
    for wanted in (True, True, False, False, before):
        hypervisor.set_network_active("default", wanted)
        assert hypervisor.network_active("default") is wanted


def test_ip_tells_flags_and_the_macs_of_vfs(bench: Bench, vf: str) -> None:
    def link() -> dict[str, object]:
        return json.loads(bench.run("ip", "-j", "link", "show", "dev", bench.interface))[0]  # type: ignore[no-any-return]

    bench.run("ip", "link", "set", "dev", bench.interface, "vf", "1", "mac", "02:00:00:00:12:34")
    shown = link()
    assert "UP" in shown["flags"]  # type: ignore[operator]
    assert shown["vfinfo_list"][1]["address"] == "02:00:00:00:12:34"  # type: ignore[index]
    bench.run("ip", "link", "set", "dev", bench.interface, "down")
    assert "UP" not in link()["flags"]  # type: ignore[operator]


def test_ethtool_has_the_lines_that_are_parsed(bench: Bench) -> None:
    pause = bench.run("ethtool", "-a", bench.interface)
    assert [line.split(":")[0] for line in pause.splitlines()[1:4]] == ["Autonegotiate", "RX", "TX"]
    features = dict(line.split(": ") for line in bench.run("ethtool", "-k", bench.interface).splitlines()[1:])
    assert features["generic-receive-offload"] in {"on", "off"}
    was = features["generic-receive-offload"]
    other = "off" if was == "on" else "on"
    bench.run("ethtool", "-K", bench.interface, "generic-receive-offload", other)
    assert f"generic-receive-offload: {other}" in bench.run("ethtool", "-k", bench.interface)
    bench.run("ethtool", "-K", bench.interface, "generic-receive-offload", was)


def test_programs_that_fail_and_programs_that_are_not_there(bench: Bench) -> None:
    result = bench.machine.commands.run(["ip", "link", "show", "dev", "nonesuch0"], timeout_s=30)
    assert result.returncode != 0
    assert "nonesuch0" in result.stderr
    with pytest.raises(StepFailed, match="no such program: hpcapvf-nonesuch"):
        bench.machine.commands.run(["hpcapvf-nonesuch"], timeout_s=5)


def test_disks_that_udev_does_not_know(bench: Bench) -> None:
    assert bench.machine.udev.disk_properties("nonesuch") is None
    assert bench.machine.udev.disk_properties((bench.machine.files.list("/sys/block") or ("",))[0]) is not None
