"""An ordinary VM with a VF of its own and the stock driver: what a monitoring agent watches."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass

from hpcapvf.raw.pcap import Frame, read_pcap
from tests.lab.conftest import IMAGE, Server

NAME = "web1"
VF_INDEX = 1
MAC = "02:48:50:56:46:11"
FOLDER = f"/var/lib/libvirt/images/{NAME}"
BOOT_TIMEOUT_S = 400.0

_PREPARE = """\
echo 0 >/sys/bus/pci/devices/{pf}/sriov_drivers_autoprobe
echo 3 >/sys/bus/pci/devices/{pf}/sriov_numvfs
ip link set {interface} up
ip link set {interface} vf {index} mac {mac}
virsh -q net-start default 2>/dev/null || true
mkdir -p {folder}
cd {folder}
ssh-keygen -q -t ed25519 -N '' -f key
cat >user-data <<END
#cloud-config
disable_root: false
users: [{{name: root, ssh_authorized_keys: ["$(cat key.pub)"]}}]
cloud_init_modules: [users_groups, ssh]
cloud_config_modules: []
cloud_final_modules: []
END
printf 'instance-id: {name}\\nlocal-hostname: {name}\\n' >meta-data
xorrisofs -quiet -output seed.iso -volid cidata -joliet -rock user-data meta-data
qemu-img create -q -f qcow2 -F qcow2 -b {image} disk.qcow2
chown libvirt-qemu: . disk.qcow2 seed.iso
cat >domain.xml <<'END'
{xml}
END
virsh -q define domain.xml
virsh -q start {name}
"""

_XML = """\
<domain type="kvm">
  <name>{name}</name>
  <memory unit="MiB">512</memory>
  <vcpu>1</vcpu>
  <os><type arch="x86_64" machine="q35">hvm</type></os>
  <features><acpi/><apic/></features>
  <cpu mode="host-passthrough"/>
  <devices>
    <disk type="file" device="disk">
      <driver name="qemu" type="qcow2"/><source file="{folder}/disk.qcow2"/><target dev="vda" bus="virtio"/>
    </disk>
    <disk type="file" device="disk">
      <driver name="qemu" type="raw"/><source file="{folder}/seed.iso"/><target dev="vdb" bus="virtio"/><readonly/>
    </disk>
    <controller type="usb" model="none"/>
    <interface type="network"><source network="default"/><model type="virtio"/></interface>
    <hostdev mode="subsystem" type="pci" managed="yes">
      <source><address domain="0x{domain}" bus="0x{bus}" slot="0x{slot}" function="0x{function}"/></source>
      <rom enabled="no"/>
    </hostdev>
    <serial type="pty"><target type="isa-serial" port="0"/></serial>
    <rng model="virtio"><backend model="random">/dev/urandom</backend></rng>
    <memballoon model="none"/>
  </devices>
</domain>"""


@dataclass(frozen=True)
class WatchedVm:
    """The VM on the lab's server."""

    server: Server

    def start(self) -> None:
        """Make three VFs, and the VM with one of them."""
        server = self.server
        link = server.shell(
            f"echo 0 >/sys/bus/pci/devices/{server.pf}/sriov_drivers_autoprobe; "
            f"echo 3 >/sys/bus/pci/devices/{server.pf}/sriov_numvfs; "
            f"readlink -f /sys/bus/pci/devices/{server.pf}/virtfn{VF_INDEX}; "
            f"echo 0 >/sys/bus/pci/devices/{server.pf}/sriov_numvfs"
        )
        address = link.strip().rsplit("/", 1)[-1]
        domain, bus, rest = address.split(":")
        slot, function = rest.split(".")
        xml = _XML.format(name=NAME, folder=FOLDER, domain=domain, bus=bus, slot=slot, function=function)
        server.shell(
            _PREPARE.format(
                pf=server.pf,
                interface=server.interface,
                index=VF_INDEX,
                mac=MAC,
                folder=FOLDER,
                name=NAME,
                image=IMAGE,
                xml=xml,
            ),
            timeout_s=120,
        )

    def wait(self) -> None:
        """Until root can log in; then the VF has an address and a neighbour that is asked for all the time."""
        deadline = time.monotonic() + BOOT_TIMEOUT_S
        while self.server.lab.run(["sh", "-c", self._command("true")], timeout_s=60).returncode != 0:
            assert time.monotonic() < deadline, f"{NAME} does not answer"
            time.sleep(3)
        self.shell(
            "interface=$(basename /sys/bus/pci/drivers/igbvf/0*/net/*); ip link set $interface name lan0 2>/dev/null; "
            "ip link set lan0 up; ip address add 10.9.9.2/24 dev lan0; "
            "systemd-run -q --unit=own-traffic sh -c 'while :; do ping -q -c 1 -W 1 10.9.9.1; sleep 1; done'; "
            "for n in 1 2 3 4 5 6 7 8 9 10; do grep -q 1 /sys/class/net/lan0/carrier && exit 0; sleep 1; done; exit 1",
            timeout_s=90,
        )

    def shell(self, script: str, *, timeout_s: float = 60) -> str:
        """Run a shell script in the VM as root."""
        return self.server.shell(self._command(script), timeout_s=timeout_s)

    def record(self) -> None:
        """Begin to write what the VM's own driver receives, as anybody would."""
        self.shell(
            "rm -f /root/own.pcap; systemd-run -q --unit=own-capture tcpdump -i lan0 -Q in -U -w /root/own.pcap; "
            "for n in 1 2 3 4 5 6 7 8 9 10; do test -s /root/own.pcap && exit 0; sleep 1; done; exit 1"
        )

    def recorded(self) -> list[Frame]:
        """What was received since record."""
        result = self.server.lab.run(
            ["sh", "-c", self._command("systemctl stop own-capture; cat /root/own.pcap")], timeout_s=60
        )
        assert result.returncode == 0, result.error_text
        return list(read_pcap(result.stdout))

    def stop(self) -> None:
        """Switch it off, and leave the server without VFs."""
        self.server.shell(
            f"virsh -q destroy {NAME} || true; virsh -q undefine {NAME} || true; virsh -q net-destroy default || true; "
            f"ip link set {self.server.interface} down; echo 0 >/sys/bus/pci/devices/{self.server.pf}/sriov_numvfs; "
            f"echo 1 >/sys/bus/pci/devices/{self.server.pf}/sriov_drivers_autoprobe; rm -rf {FOLDER}",
            timeout_s=120,
        )

    def _command(self, script: str) -> str:
        """The shell lines that run a script in the VM; 255 is the server's own ssh failing, so here it is 9."""
        options = (
            "-F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
        )
        shared = "-o ControlMaster=auto -o ControlPath=/run/web1-ssh -o ControlPersist=120 -o ConnectTimeout=10"
        address = f'$(virsh -q domifaddr {NAME} | awk \'{{ sub("/.*", "", $4); print $4; exit }}\')'
        ssh = f"ssh {options} {shared} -i {FOLDER}/key root@$address {shlex.quote(script)}"
        told = f"{ssh} || {{ code=$?; exit $((code == 255 ? 9 : code)); }}"
        return f'address={address}; test -n "$address" || exit 9; {told}'
