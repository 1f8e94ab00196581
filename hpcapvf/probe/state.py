"""What is known beside the kernel: libvirt's domains, guest images, and deployments of this program."""

from __future__ import annotations

import json
import re
from typing import Any

from hpcapvf.host.protocols import Commands, Files, Hypervisor
from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import HpcapvfError
from hpcapvf.model.host import INCOMPLETE, Copies, Deployed, DomainInfo, Image, condition_now
from hpcapvf.model.paths import BOOT_ID, DEPLOYMENTS
from hpcapvf.model.progress import Progress
from hpcapvf.probe.reading import Reader

_SHA256 = re.compile(r"^\\?([0-9a-fA-F]{64})\b")
_CHECKSUM_TIMEOUT_S = 900.0


def probe_domains(reader: Reader, hypervisor: Hypervisor | None) -> tuple[DomainInfo, ...] | None:
    """libvirt's domains, or None if there is no libvirt to ask."""
    if hypervisor is None:
        return None
    try:
        return hypervisor.domains()
    except (HpcapvfError, ValueError) as error:
        reader.note("libvirt", str(error))
        return None


def probe_image(reader: Reader, path: str, commands: Commands | None, progress: Progress) -> Image:
    """One image. Its checksum is from the file ``<image>.sha256`` beside it, else computed if programs may be run."""
    size = reader.size(path)
    if size is None:
        return Image(path, exists=False)
    checksum = reader.parsed(f"{path}.sha256", parse_checksum)
    if checksum is None and commands is not None:
        progress.phase("checksum", path)
        checksum = _computed(reader, path, commands)
    return Image(path, exists=True, size_bytes=size, sha256=checksum)


def read_deployments(files: Files) -> tuple[Deployed, ...]:
    """``probe_deployments`` alone, for who wants to know nothing else of the host."""
    return probe_deployments(Reader(files))


def probe_deployments(reader: Reader) -> tuple[Deployed, ...]:
    """Deployments whose state this host keeps. One whose state cannot be understood counts as incomplete."""
    found: list[Deployed] = []
    boot_now = (reader.text(BOOT_ID) or "").strip()
    for name in reader.names(DEPLOYMENTS) or ():
        path = f"{DEPLOYMENTS}/{name}/state.json"
        text = reader.text(path)
        if text is None:
            continue
        try:
            found.append(parse_state(name, text, boot_now))
        except ValueError as error:
            reader.note(path, f"not understood: {error}")
            found.append(Deployed(name, "", INCOMPLETE))
    return tuple(found)


def parse_state(name: str, text: str, boot_now: str = "") -> Deployed:
    """What of a state file matters to planning: fingerprint, condition, and the PF that its guard holds.

    boot_now: the host's boot_id, empty if it does not say.
    """
    state = json.loads(text)
    if not isinstance(state, dict):
        raise ValueError("not an object")
    fingerprint, condition = state.get("spec_sha256"), state.get("condition")
    if not isinstance(fingerprint, str) or not isinstance(condition, str):
        raise ValueError("spec_sha256 or condition missing")
    condition = condition_now(condition, str(state.get("boot_id", "")), boot_now)
    plan = state.get("plan")
    receives, makes = _pf_of(plan, "program-receive-all", "watch-link"), _pf_of(plan, "set-numvfs")
    return Deployed(name, fingerprint, condition, receives, makes, _copies_of(plan))


def parse_checksum(text: str) -> str:
    """The first checksum in the output of sha256sum."""
    match = _SHA256.match(text)
    if match is None:
        raise ValueError(text)
    return match[1].lower()


def _pf_of(plan: Any, *kinds: str) -> PciAddress | None:
    """The card of the plan's step of one of these kinds."""
    step = _step_of(plan, *kinds)
    return None if step is None else PciAddress.parse(str(step.get("pf")))


def _copies_of(plan: Any) -> Copies | None:
    """What the plan's agent has copied; ValueError if its step does not say."""
    step = _step_of(plan, "replicate-traffic", "mirror-by-files", "mirror-by-tc")
    if step is None:
        return None
    try:
        sources = tuple(int(watched["pool"]) for watched in step["watched"])
        pf, pool = PciAddress.parse(str(step["pf"])), int(step["pool"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"a step {step.get('kind')} without {error}") from error
    return Copies(pf, sources, pool, by_files=step["kind"] == "mirror-by-files")


def _step_of(plan: Any, *kinds: str) -> dict[str, Any] | None:
    steps = plan.get("steps") if isinstance(plan, dict) else None
    of_kind = (s for s in (steps if isinstance(steps, list) else ()) if isinstance(s, dict) and s.get("kind") in kinds)
    return next(of_kind, None)


def _computed(reader: Reader, path: str, commands: Commands) -> str | None:
    try:
        result = commands.run(["sha256sum", "--", path], timeout_s=_CHECKSUM_TIMEOUT_S)
        if result.returncode == 0:
            return parse_checksum(result.stdout)
        reader.note(path, f"sha256sum: {result.stderr.strip()}")
    except (HpcapvfError, ValueError) as error:
        reader.note(path, str(error))
    return None
