"""Strip and caches of a RAID controller's volume, as the vendor's command tells them where it is installed.

Thesis section 4.3.2 found the caches to matter most. storcli (Broadcom) and perccli (Dell) answer alike: an object of
``Controllers``, each with ``Response Data`` that holds ``VDn Properties`` for volume n.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hpcapvf.apply.checked import run_any
from hpcapvf.host.protocols import Guest, Machine
from hpcapvf.model.errors import HpcapvfError

_NAMES = ("storcli64", "storcli", "perccli64", "perccli")
_FOLDERS = ("", "/opt/MegaRAID/storcli/", "/opt/MegaRAID/perccli/")
_CANDIDATES = tuple(folder + name for name in _NAMES for folder in _FOLDERS)
_FIND = 'for name in "$@"; do command -v "$name" && exit; done'
UNKNOWN = "unknown"
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class VolumeSettings:
    """What the controller says, in its words; ``unknown`` for what it does not say. source: which command was asked."""

    strip: str = UNKNOWN
    write_cache: str = UNKNOWN
    disk_cache: str = UNKNOWN
    source: str = "no vendor's command is installed"

    def describe(self) -> str:
        """One line for people."""
        return (
            f"volume: strip {self.strip}, write cache {self.write_cache}, disk cache {self.disk_cache} ({self.source})"
        )


def read_settings(runner: Machine | Guest, device: str) -> VolumeSettings:
    """Of the volume that the operating system shows as this device (``/dev/sda``)."""
    program = run_any(runner, ["sh", "-c", _FIND, "sh", *_CANDIDATES], timeout_s=_TIMEOUT_S).stdout.strip()
    if not program:
        return VolumeSettings()
    try:
        result = run_any(runner, [program, "/call/vall", "show", "all", "J"], timeout_s=_TIMEOUT_S)
    except HpcapvfError as error:
        return VolumeSettings(source=error.message)
    return parse_settings(result.stdout, device, program)


def parse_settings(text: str, device: str, program: str) -> VolumeSettings:
    """The settings of one volume in the command's JSON; the only volume there, if the device is named nowhere."""
    try:
        volumes = list(_volumes(json.loads(text)))
    except (ValueError, AttributeError, TypeError):
        return VolumeSettings(source=f"the answer of {program} was not understood")
    named = [v for v in volumes if v.get("OS Drive Name") == device]
    if not named and len(volumes) == 1 and not volumes[0].get("OS Drive Name"):
        named = volumes
    if not named:
        return VolumeSettings(source=f"{program} knows no volume {device}")
    found = named[0]
    return VolumeSettings(
        strip=str(found.get("Strip Size") or UNKNOWN),
        write_cache=str(found.get("Write Cache(initial setting)") or UNKNOWN),
        disk_cache=str(found.get("Disk Cache Policy") or UNKNOWN),
        source=program,
    )


def _volumes(answer: Any) -> Iterator[dict[str, Any]]:
    for controller in answer.get("Controllers", ()):
        for key, value in (controller.get("Response Data") or {}).items():
            if key.startswith("VD") and key.endswith(" Properties"):
                yield value
