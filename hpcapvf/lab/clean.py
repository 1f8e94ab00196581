"""Remove cached images and driver builds that no lab uses."""

from __future__ import annotations

from typing import Any

from hpcapvf.lab.cache import cache_root, locked
from hpcapvf.lab.rootfs import remove_tree
from hpcapvf.lab.state import lab_names, load_state


def clean_cache() -> dict[str, Any]:
    """Delete all images but those of existing labs, all driver builds and the remembered package versions."""
    kept = set()
    for name in lab_names():
        state = load_state(name)
        kept |= {state.server_hash, state.guest_hash, state.builder_hash}
    removed = []
    for folder in sorted((cache_root() / "images").glob("*")):
        digest = folder.name.removeprefix(".").removesuffix(".building")
        if digest in kept:
            continue
        with locked(f"image-{digest}", wait_s=5):
            remove_tree(folder)
            removed.append(folder.name)
    remove_tree(cache_root() / "driver")
    (cache_root() / "resolved.json").unlink(missing_ok=True)
    return {"removed": removed, "kept": sorted(kept)}
