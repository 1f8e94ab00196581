"""The contract suite on the real machine: sent to the server and run there, where devices may be unbound.

pytest goes with it: it is plain Python, and the server's image need not hold what only tests use.
"""

from __future__ import annotations

import importlib.util
import io
import re
import tarfile
from pathlib import Path

from tests.lab.conftest import Server

ROOT = Path(__file__).resolve().parents[2]
PLACE = "/root/hpcapvf-contract"
# The last two are what one of the contract's own tests is made of.
SENT = ("pyproject.toml", "tests/__init__.py", "tests/contract", "tests/fakes", "tests/unit/__init__.py",
        "tests/unit/verify/sample.py")  # fmt: skip
PYTEST = ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments")
RUN = (
    f"cd {PLACE} && HPCAPVF_CONTRACT=here PYTHONPATH=/opt/hpcapvf:{PLACE}/site "
    "python3 -m pytest -q --durations=12 -m lab -p no:cacheprovider --confcutdir tests/contract "
    "--ignore tests/contract/test_tc.py --ignore tests/contract/test_monitoring.py "  # they need no lab, but more files
    "--ignore tests/contract/test_report_in_browser.py "
    "tests/contract 2>&1"
)


def folder_of(package: str) -> Path:
    """Where this interpreter has an installed package."""
    found = importlib.util.find_spec(package)
    assert found is not None, package
    assert found.origin is not None, package
    return Path(found.origin).parent


def test_the_real_machine_keeps_the_contract(server: Server) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, place in [*((n, ROOT / n) for n in SENT), *((f"site/{p}", folder_of(p)) for p in PYTEST)]:
            archive.add(place, name, filter=lambda member: None if "__pycache__" in member.name else member)
    script = f"rm -rf {PLACE} && mkdir {PLACE} && tar xzf - -C {PLACE}"
    assert server.lab.run(["sh", "-c", script], timeout_s=120, stdin=packed.getvalue()).returncode == 0
    result = server.lab.run(["sh", "-c", RUN], timeout_s=600)
    assert result.returncode == 0, result.text[-6000:]
    passed = re.search(r"(\d+) passed", result.text)
    assert passed is not None, result.text
    assert int(passed[1]) >= 30, "the suite was not collected whole"
