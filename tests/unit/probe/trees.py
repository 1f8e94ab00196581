"""Unpacks recorded hosts, safely (they come from elsewhere), and spoils copies of them."""

from __future__ import annotations

import json
import posixpath
import random
import tarfile
from pathlib import Path

from hpcapvf.doctor import examine
from hpcapvf.host.files import LocalFiles
from hpcapvf.model.codec import from_json, to_json
from hpcapvf.model.host import Host
from hpcapvf.probe import probe_host
from hpcapvf.probe.vitals import probe_vitals


def unpack(archive: Path, into: Path) -> Path:
    """The one folder in an archive, unpacked; nothing in it can lie outside, and no device nodes are made.

    The library's own filters came with Python 3.11.4, Debian 12 has 3.11.2.
    """
    with tarfile.open(archive) as packed:
        packed.extractall(into, members=[member for member in packed if _stays_inside(member)])  # noqa: S202 - chosen
    (root,) = [place for place in into.iterdir() if place.is_dir()]
    return root


def _stays_inside(member: tarfile.TarInfo) -> bool:
    """Whether a member and what it links to lie in the archive. Other links are left out, as in a partial recording."""
    places = [member.name]
    if member.issym():
        places.append(posixpath.join(posixpath.dirname(member.name), member.linkname))
    elif member.islnk():
        places.append(member.linkname)
    elif not (member.isreg() or member.isdir()):
        return False
    return not any(posixpath.normpath(place).startswith(("/", "..")) for place in places)


def damage_and_probe(tree: Path, *, rounds: int, files_at_a_time: int, seed: str) -> int:
    """Remove or spoil some files, probe, put them back; how often the inventory named something unreadable.

    Every inventory must be whole and survive JSON, whatever was spoilt.
    """
    chance = random.Random(seed)  # noqa: S311 - reproducible, not secret
    files = sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink() and _is_read(path))
    noticed = 0
    for _ in range(rounds):
        chosen = chance.sample(files, min(files_at_a_time, len(files)))
        kept = [(path, path.read_bytes()) for path in chosen]
        how = [_spoil(path, chance) for path in chosen]
        try:
            host = probe_host(LocalFiles(str(tree)))
            assert from_json(Host, json.loads(json.dumps(to_json(host)))) == host
            assert examine(host, probe_vitals(LocalFiles(str(tree)), host))
        except Exception as error:
            error.add_note("\n".join(f"{h}: {path.relative_to(tree)}" for h, path in zip(how, chosen, strict=True)))
            raise
        noticed += bool(host.unreadable)
        for path, content in kept:
            _restore(path, content)
    return noticed


def _is_read(path: Path) -> bool:
    return "memory" not in path.parent.name and path.name not in {"uevent", "trace", "stat"}


def _spoil(path: Path, chance: random.Random) -> str:
    how = chance.choice(["removed", "empty", "noise", "huge number", "minus", "folder", "truncated"])
    content = path.read_bytes()
    path.unlink()
    changed = {
        "empty": b"", "noise": chance.randbytes(64), "huge number": b"9" * 5000, "minus": b"-5\n",
        "truncated": content[: len(content) // 2],
    }  # fmt: skip
    if how == "folder":
        path.mkdir()
    elif how in changed:
        path.write_bytes(changed[how])
    return how


def _restore(path: Path, content: bytes) -> None:
    if path.is_dir():
        path.rmdir()
    path.write_bytes(content)
