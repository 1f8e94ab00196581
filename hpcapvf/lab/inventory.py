"""A lab as an Ansible inventory: pure, from what `Lab.status` says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hpcapvf.lab.ssh import SshTarget

GROUP = "hypervisors"


def inventory(name: str, target: SshTarget, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The inventory as nested dictionaries, ready to be written as YAML. facts become host variables as they are."""
    host = {
        "ansible_host": "127.0.0.1",
        "ansible_port": target.port,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(target.key),
        "ansible_ssh_common_args": (
            f"-F /dev/null -o IdentitiesOnly=yes -o StrictHostKeyChecking=accept-new "
            f"-o UserKnownHostsFile={quoted(target.known_hosts)}"
        ),
        "ansible_pipelining": True,  # fewer steps for an emulated CPU
        "ansible_python_interpreter": "/usr/bin/python3",
        **facts,
    }
    return {GROUP: {"hosts": {f"lab-{name}": host}}}


def together(inventories: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One inventory with the hosts of several."""
    hosts = {name: host for content in inventories for name, host in content[GROUP]["hosts"].items()}
    return {GROUP: {"hosts": hosts}}


def quoted(path: Path) -> str:
    """A path as one word of ssh arguments."""
    return f'"{path}"' if " " in str(path) else str(path)
