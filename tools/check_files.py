"""Checks of the files themselves: lengths of files and functions, and no path of the machine they were written on.

Prints one line per finding; exit status 1 if there is any.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
CODE = {".py", ".c", ".h", ".sh"}
COMMON_ROOTS = {
    "bin",
    "boot",
    "dev",
    "etc",
    "home",
    "lib",
    "mnt",
    "opt",
    "proc",
    "root",
    "run",
    "srv",
    "sys",
    "tmp",
    "usr",
    "var",
}


def listed_files(top: Path) -> list[Path]:
    """Every file that git tracks or would track."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(words, cwd=top, check=True, capture_output=True, text=True).stdout
    return [top / name for name in sorted(filter(None, names.split("\0"))) if (top / name).is_file()]


def long_functions(path: Path, text: str) -> Iterator[str]:
    """One finding per function that is too long; tables at module level do not count."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                yield f"{path}:{node.lineno}: function {node.name} has {lines} lines, more than {MAX_FUNCTION_LINES}"


def findings(top: Path, path: Path, machine_path: str) -> Iterator[str]:
    """What is wrong with one file."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    name = path.relative_to(top)
    lines = text.splitlines()
    if path.suffix in CODE and len(lines) > MAX_FILE_LINES:
        yield f"{name}: {len(lines)} lines, more than {MAX_FILE_LINES}"
    if path.suffix == ".py":
        yield from long_functions(name, text)
    for number, line in enumerate(lines, 1):
        if machine_path in line:
            yield f"{name}:{number}: names a path of this machine ({machine_path}…)"


def main() -> int:
    """Check every file of the project."""
    top = Path(__file__).resolve().parent.parent
    # Where every machine has such a folder, only the checkout's own path tells of this one.
    machine_path = f"{top}/" if top.parts[1] in COMMON_ROOTS else f"/{top.parts[1]}/"
    found = [line for path in listed_files(top) for line in findings(top, path, machine_path)]
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
