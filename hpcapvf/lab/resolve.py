"""Which package versions the archive would install today, asked of apt without installing anything."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hpcapvf.lab.cache import cache_root, locked, read_json, write_json
from hpcapvf.lab.process import run, run_ok, tail
from hpcapvf.lab.recipe import RECIPES, SUITE
from hpcapvf.lab.rootfs import check_tools
from hpcapvf.model.errors import HpcapvfError, LabFailed
from hpcapvf.model.progress import Progress

MAX_AGE_S = 24 * 3600
SHOW_SOURCES = 'cat "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* 2>/dev/null; exit 3'
INSTALL_LINE = re.compile(r"^Inst (?P<name>\S+) \((?P<version>\S+) ")


@dataclass(frozen=True)
class Resolution:
    """Resolved versions. versions: recipe name → package → version. note: why an old answer was used, or empty."""

    versions: Mapping[str, Mapping[str, str]]
    resolved_at_s: float
    note: str = ""


def parse_simulation(text: str) -> dict[str, str]:
    """Package → version from what ``apt-get --simulate install`` says (lines that begin with Inst)."""
    found = {}
    for line in text.splitlines():
        match = INSTALL_LINE.match(line)
        if match:
            found[match["name"]] = match["version"]
    return found


def resolve(progress: Progress, *, refresh: bool = False) -> Resolution:
    """Today's versions for all recipes together, so that server, guest and builder have one kernel.

    Asked at most once a day unless refresh. Without network the last answer is used, and note says so; LabFailed
    when there is none.
    """
    path = cache_root() / "resolved.json"
    key = {name: sorted([*recipe.packages, *recipe.newer]) for name, recipe in RECIPES.items()}
    with locked("resolve"):
        stored = read_json(path)
        usable = stored is not None and stored["packages"] == key
        if usable and not refresh and 0 <= time.time() - stored["at_s"] < MAX_AGE_S:
            return Resolution(stored["versions"], stored["at_s"])
        progress.phase("resolve", f"asking the {SUITE} archive for package versions")
        try:
            check_tools()
            versions = ask_apt()
        except HpcapvfError as error:
            if not usable or refresh:
                raise LabFailed(
                    "the Debian archive cannot be asked for package versions: " + error.message,
                    hint=error.hint or "The first build needs network access to the Debian archive.",
                    details=error.details,
                ) from error
            days = (time.time() - stored["at_s"]) / 86400
            note = f"the archive cannot be reached; using the package versions of {days:.1f} days ago"
            return Resolution(stored["versions"], stored["at_s"], note)
        now = time.time()
        write_json(path, {"at_s": now, "packages": key, "versions": versions})
        return Resolution(versions, now)


def parse_sources(text: str) -> str:
    """The apt source lines (deb …) among the words of mmdebstrap; LabFailed when there is none."""
    lines = [line for line in text.splitlines() if line.startswith("deb ")]
    if not lines:
        raise LabFailed("mmdebstrap does not say which archive it would use", details=tail(text))
    return "\n".join(lines) + "\n"


def backports_of(sources: str) -> str:
    """The line of the suite's backports, from that of the suite itself."""
    return re.sub(rf"^(deb .*) {SUITE} main\n(?:.*\n)*", rf"\1 {SUITE}-backports main\n", sources)


def archive_sources() -> str:
    """The archive that mmdebstrap chooses on this machine: it is stopped as soon as it has written that down."""
    argv = ["mmdebstrap", "--variant=extract", f"--setup-hook={SHOW_SOURCES}", SUITE, "/dev/null"]
    result = run(argv, timeout_s=60)
    return parse_sources(result.text + "\n" + result.error_text)


def ask_apt() -> dict[str, dict[str, str]]:
    """Let apt plan each recipe on an empty system. It reads the machine's own proxy settings, nothing else."""
    sources = archive_sources()
    with tempfile.TemporaryDirectory(prefix="hpcapvf-apt-") as text:
        folder = Path(text)
        for name in ("etc/apt/preferences.d", "lists/partial", "archives/partial", "log"):
            (folder / name).mkdir(parents=True)
        (folder / "sources.list").write_text(sources + backports_of(sources))
        (folder / "status").touch()
        options = {
            "Dir::Etc::SourceList": folder / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::Preferences": folder / "preferences",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::State": folder,
            "Dir::State::Lists": folder / "lists",
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder,
            "APT::Architecture": "amd64",
            "APT::Architectures": "amd64",
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "root",
            "APT::Update::Error-Mode": "any",
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
        }
        apt = ["apt-get", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
        run_ok([*apt, "update"], doing="reading the archive's package lists", timeout_s=180)
        versions = {}
        for name, recipe in RECIPES.items():
            (folder / "preferences").write_text(recipe.preferences)
            plan = run_ok(
                [*apt, "--simulate", "install", *recipe.packages],
                doing=f"resolving the packages of {name}",
                timeout_s=180,
            )
            versions[name] = parse_simulation(plan.text)
        return versions
