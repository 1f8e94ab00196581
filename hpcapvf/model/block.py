"""Names of block devices as the kernel gives them."""

from __future__ import annotations

import re

_NVME_PATH = re.compile(r"nvme(\d+)c\d+n(\d+)")


def openable_name(kernel_name: str) -> str:
    """The name that can be opened: the paths of a namespace (``nvme0c1n2``) have no device node, ``nvme0n2`` has.

    An NVMe subsystem that may have several controllers, as each with VFs, shows its namespaces so (kernel:
    Documentation/admin-guide/nvme-multipath.rst).
    """
    match = _NVME_PATH.fullmatch(kernel_name)
    return f"nvme{match[1]}n{match[2]}" if match else kernel_name
