"""A second run of the same spec: over before most of the program is loaded, and only if it is the very same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hpcapvf.host.files import LocalFiles
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.paths import BOOT_ID, DEPLOYMENTS
from hpcapvf.spec import spec_sha256
from orchestrator.commands.deploy import deploy_vnp_parser
from orchestrator.runner import run
from orchestrator.spec_file import read_spec

SPEC = """
version: 1
guest: {name: probe1, image: /guest.qcow2}
network: {pf: enp5s0}
storage: {mode: passthrough, controller: "0000:06:00.0"}
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec file, on a host whose files are below tmp_path and that has nothing else."""
    (tmp_path / "spec.yaml").write_text(SPEC)
    monkeypatch.setattr("orchestrator.commands.deploy.LocalFiles", lambda: LocalFiles(str(tmp_path)))

    def heavy(*_: object) -> None:
        raise AssertionError("planned anew")

    monkeypatch.setattr("orchestrator.deployment.deploy", heavy)
    return tmp_path / "spec.yaml"


def have_deployed(root: Path, spec: Path, condition: str = "deployed", boot: str = "this") -> None:
    state = {"spec_sha256": spec_sha256(read_spec(str(spec))), "condition": condition, "boot_id": "this"}
    files = LocalFiles(str(root))
    files.replace(f"{DEPLOYMENTS}/probe1/state.json", json.dumps(state).encode())
    files.replace(BOOT_ID, boot.encode())


def answer(spec: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    run(deploy_vnp_parser(), ["--json", "--progress", "none", *words, str(spec)])
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize("words", [(), ("--dry-run",)])
def test_the_same_spec_is_answered_at_once(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    have_deployed(tmp_path, spec)
    found = answer(spec, capsys, *words)
    assert found["exit_code"] == ExitCode.OK
    assert found["result"] == {"name": "probe1", "changed": False, "condition": "deployed"}


@pytest.mark.parametrize("change", ["other spec", "incomplete", "rebooted", "nothing there", "pcap", "wait", "source"])
def test_anything_else_is_looked_at(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    if change != "nothing there":
        boot = "another" if change == "rebooted" else "this"
        have_deployed(tmp_path, spec, "incomplete" if change == "incomplete" else "deployed", boot)
    if change == "other spec":
        spec.write_text(SPEC.replace("06:00.0", "07:00.0"))
    words = {"pcap": ("--pcap", "x"), "wait": ("--wait", "1"), "source": ("--source", "wire")}.get(change, ())
    error = answer(spec, capsys, *words)["error"]
    assert isinstance(error, dict) and "planned anew" in error["message"]
