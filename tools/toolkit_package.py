"""The Debian package of the toolkit, from the project's wheel: ``python tools/toolkit_package.py FOLDER [VERSION]``.

Its scripts compile and remove Python's byte code and nothing else: what is deployed (``/var/lib/hpcapvf``) stays
through upgrades, removal and purge. Policy: https://www.debian.org/doc/debian-policy/ (deb-control(5), dpkg-deb(1)).
"""

from __future__ import annotations

import gzip
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP))

from hpcapvf import __version__  # noqa: E402
from orchestrator.commands.deploy import deploy_vnma_parser, deploy_vnp_parser  # noqa: E402
from orchestrator.completion import completion  # noqa: E402
from orchestrator.main import hpcapvf_parser  # noqa: E402
from orchestrator.manual import write_pages  # noqa: E402

TIMEOUT_S = 300
PARSERS = {"hpcapvf": hpcapvf_parser, "deploy-vnp": deploy_vnp_parser, "deploy-vnma": deploy_vnma_parser}
CONTROL = """\
Package: hpcapvf
Version: @VERSION@
Section: net
Priority: optional
Architecture: all
Maintainer: The hpcapvf authors <hpcapvf@example.org>
Depends: python3 (>= 3.11), python3-yaml (>= 6.0), python3-jinja2 (>= 3.1), python3-rich (>= 13.0), python3-shtab
Recommends: ansible-core, openssh-client, python3-libvirt, python3-pyudev
Suggests: hpcapvf-dkms, hpcapvf-tools, libvirt-daemon-system, qemu-system-x86
Description: virtual network probes on hosts with SR-IOV cards
 deploy-vnp brings a host with an SR-IOV network card to a virtual machine that
 captures a link and stores it, and proves that it does; deploy-vnma deploys a
 monitoring agent that sees what other virtual machines receive; hpcapvf looks,
 plans, verifies and takes away again. The recommended bindings are needed on
 the hosts themselves, Ansible on a machine that commands many.
"""
COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: hpcapvf

Files: *
Copyright: 2026 The hpcapvf authors
License: GPL-2.0-or-later
 On Debian systems, the full text of the GNU General Public License version 2
 is in /usr/share/common-licenses/GPL-2.
"""
SCRIPTS = {
    "postinst": '#!/bin/sh\nset -e\n[ "$1" != configure ] || py3compile --package hpcapvf\n',
    "prerm": "#!/bin/sh\nset -e\npy3clean --package hpcapvf\n",
}


def fill(tree: Path, wheel: Path, version: str) -> None:
    """The package's files below tree: modules, commands, man pages, completion, control files."""
    modules = tree / "usr/lib/python3/dist-packages"
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        archive.extractall(modules, names)
    for name, parser in PARSERS.items():
        entry = name.replace("-", "_")
        text = f"#!/usr/bin/python3\nfrom orchestrator.main import {entry}\n\n{entry}()\n"
        write(tree / "usr/bin" / name, text, mode=0o755)
        write(tree / "usr/share/bash-completion/completions" / name, completion(parser(), "bash") + "\n")
        write(tree / "usr/share/zsh/vendor-completions" / f"_{name}", completion(parser(), "zsh") + "\n")
    for page in write_pages(tree / "usr/share/man/man1"):
        page.with_name(f"{page.name}.gz").write_bytes(gzip.compress(page.read_bytes(), mtime=0))
        page.unlink()
    write(tree / "usr/share/doc/hpcapvf/copyright", COPYRIGHT)
    write(tree / "DEBIAN/control", CONTROL.replace("@VERSION@", version))
    for name, text in SCRIPTS.items():
        write(tree / "DEBIAN" / name, text, mode=0o755)


def write(path: Path, text: str, *, mode: int = 0o644) -> None:
    """A file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def build(folder: Path, version: str = __version__) -> Path:
    """The package as a file in folder. CalledProcessError if pip or dpkg-deb fails; they say why.

    version: what the package says of itself; tests of upgrades want another than the program's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as text:
        work = Path(text)
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "wheel", "--no-deps"]
        subprocess.run([*pip, "--wheel-dir", text, str(TOP)], check=True, timeout=TIMEOUT_S)
        tree = work / "tree"
        tree.mkdir(mode=0o755)
        fill(tree, next(work.glob("hpcapvf-*.whl")), version)
        target = folder / f"hpcapvf_{version}_all.deb"
        pack = ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(target)]
        subprocess.run(pack, check=True, timeout=TIMEOUT_S, stdout=sys.stderr)
    return target


if __name__ == "__main__":
    print(build(Path(sys.argv[1]), *sys.argv[2:3]))
