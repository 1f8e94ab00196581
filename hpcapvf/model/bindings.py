"""The Python libraries that only hosts of VMs need: the extra ``host`` of pyproject.toml, and how to come by it."""

from __future__ import annotations

EXTRA = "hpcapvf[host]"
LIBRARIES = ("libvirt", "pyudev")
# The same as Debian packages, for a toolkit that Debian's own Python runs.
DEBIAN = ("python3-libvirt", "python3-pyudev")
# What pip compiles libvirt's with (it is published as source only), as Debian packages.
COMPILED_WITH = ("gcc", "libvirt-dev", "pkg-config", "python3-dev")


def how_to_install(*, own_environment: bool) -> str:
    """What to do for the extra. own_environment: of pipx or a virtual environment, which sees no Debian package."""
    if not own_environment:
        return f"apt-get install {' '.join(DEBIAN)}"
    return f"apt-get install {' '.join(COMPILED_WITH)}; pipx install --force '{EXTRA} @ file:///path/to/the.whl'"
