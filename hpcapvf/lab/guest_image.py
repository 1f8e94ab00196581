"""Give the lab's Debian guest away: as a qcow2 file with its checksum beside it, for any hypervisor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hpcapvf.lab.images import GUEST_FILE, build_images, sha256_of
from hpcapvf.lab.process import run_ok
from hpcapvf.lab.rootfs import tool
from hpcapvf.model.errors import Conflict, LabFailed
from hpcapvf.model.progress import Progress

_DESCRIPTION = "debian-lab.json"
_COPY_TIMEOUT_S = 300.0


def export_guest(target: Path, progress: Progress) -> dict[str, Any]:
    """Build the guest if need be, and write it to target and its checksum to ``target.sha256``.

    Returns ``path, sha256, kernel_release``. Conflict if target exists, LabFailed if the copy is not what was built.
    """
    if target.exists():
        raise Conflict(f"{target} exists", hint="remove it, or name another file")
    images = build_images(progress)
    debugfs = tool(images.server.root, "usr/sbin/debugfs")
    progress.phase("copy", str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    described = target.with_name(f".{target.name}.json")
    part = target.with_name(f".{target.name}.part")
    try:
        for name, place in ((_DESCRIPTION, described), (GUEST_FILE, part)):
            argv = [*debugfs, "-R", f'dump "/{name}" "{place}"', str(images.media)]
            run_ok(argv, doing=f"reading {name} from {images.media}", timeout_s=_COPY_TIMEOUT_S)
        facts: dict[str, Any] = json.loads(described.read_text(encoding="utf-8"))
        if sha256_of(part) != facts["sha256"]:
            raise LabFailed(f"the copy of {GUEST_FILE} is not what was built", hint="is the disk full?")
        part.replace(target)
    finally:
        described.unlink(missing_ok=True)
        part.unlink(missing_ok=True)
    target.with_name(f"{target.name}.sha256").write_text(f"{facts['sha256']}  {target.name}\n", encoding="utf-8")
    return {"path": str(target), "sha256": facts["sha256"], "kernel_release": facts["kernel_release"]}
