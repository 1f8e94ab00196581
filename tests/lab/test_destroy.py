"""Taking the deployment away leaves the server as it was, the disks usable and the captures on them."""

from __future__ import annotations

from typing import Any

import pytest

from hpcapvf.model.errors import ExitCode
from orchestrator.remote import Envelope
from tests.lab.conftest import PROBE, Server


@pytest.fixture(scope="module")
def destroyed(server: Server, deployed: Envelope) -> Envelope:
    """The answer of ``hpcapvf destroy``."""
    assert deployed.result["name"] == PROBE
    return server.command("hpcapvf", "destroy", PROBE, timeout_s=600)


def test_the_server_is_as_it_was(server: Server, before: dict[str, Any], destroyed: Envelope) -> None:
    assert destroyed.ok, destroyed.error
    assert server.changes_since(before) == ()
    assert server.command("hpcapvf", "status", PROBE).exit_code is ExitCode.NOT_FOUND


def test_a_sector_of_every_disk_can_be_read(server: Server, destroyed: Envelope) -> None:
    assert destroyed.ok
    found = server.shell(
        f"for d in /sys/bus/pci/devices/{server.controller}/host*/target*/*/block/*; do "
        "dd if=/dev/${d##*/} of=/dev/null bs=4096 count=1 iflag=direct status=none; echo ${d##*/}; done"
    ).split()
    assert len(found) == len([disk for disk in server.host.disks if str(disk.controller) == server.controller]) == 4


def test_the_captures_are_still_on_the_disks(server: Server, deployed: Envelope, destroyed: Envelope) -> None:
    assert destroyed.ok
    sizes = server.shell(
        "disks=$(for d in /sys/bus/pci/devices/"
        + server.controller
        + "/host*/target*/*/block/*; do echo /dev/${d##*/}; done)\n"
        "mdadm --quiet --assemble --readonly --run /dev/md/look $disks\n"
        "mkdir -p /mnt/look; mount -o ro,norecovery /dev/md/look /mnt/look\n"
        "find /mnt/look -name '*.raw' -size +0 -printf '%s\\n'\n"
        "umount /mnt/look; mdadm --quiet --stop /dev/md/look",
        timeout_s=120,
    ).split()
    assert sum(map(int, sizes)) >= deployed.result["proofs"][0]["bytes_stored"]


def test_destroying_it_again_finds_nothing(server: Server, destroyed: Envelope) -> None:
    assert destroyed.ok
    assert server.command("hpcapvf", "destroy", PROBE).exit_code is ExitCode.NOT_FOUND
