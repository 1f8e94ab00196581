"""Files below a root: what counts as absent, what is an error, and that nothing leads out."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from hpcapvf.host.files import LocalFiles, attribute_hints
from hpcapvf.model.errors import FileFailed


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "machine").mkdir()
    (tmp_path / "secret").write_text("outside")
    return tmp_path / "machine"


def test_only_a_missing_file_is_absent(root: Path) -> None:
    files = LocalFiles(str(root))
    (root / "file").write_text("x")
    assert files.read_text("/none") is None
    assert files.read_text("/file/below") is None  # ENOTDIR: there is no such file either
    assert files.list("/none") is None
    assert files.size("/none") is None
    assert files.real_path("/none") is None
    assert not files.exists("/none")


def test_a_folder_read_as_a_file_is_an_error_with_path_operation_and_errno(root: Path) -> None:
    (root / "folder").mkdir()
    with pytest.raises(FileFailed) as failed:
        LocalFiles(str(root)).read_text("/folder")
    assert (failed.value.path, failed.value.operation) == ("/folder", "read")
    assert failed.value.errno in {errno.EISDIR, errno.EINVAL}


@pytest.mark.parametrize("target", ["/secret", "../secret", "../../../../../../etc/passwd", "/etc/passwd"])
def test_no_link_leads_out_of_the_root(root: Path, target: str) -> None:
    (root / "link").symlink_to(target)
    files = LocalFiles(str(root))
    assert files.read_text("/link") is None
    assert not files.exists("/link")
    assert files.link_name("/link") == Path(target).name


def test_dots_do_not_lead_out_of_the_root(root: Path) -> None:
    assert LocalFiles(str(root)).read_text("/../secret") is None
    assert LocalFiles(str(root)).read_text("/a/../../secret") is None


def test_absolute_links_are_seen_from_the_root(root: Path) -> None:
    (root / "sys" / "real").mkdir(parents=True)
    (root / "sys" / "real" / "value").write_text("7\n")
    (root / "link").symlink_to("/sys/real")
    files = LocalFiles(str(root))
    assert files.read_text("/link/value") == "7\n"
    assert files.real_path("/link/value") == "/sys/real/value"


def test_links_in_a_circle_are_an_error_not_a_hang(root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with pytest.raises(FileFailed) as failed:
        LocalFiles(str(root)).read_text("/a")
    assert failed.value.errno == errno.ELOOP


def test_a_pipe_in_a_recorded_tree_does_not_block(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(FileFailed):
        LocalFiles(str(root)).read_text("/pipe")


def test_an_attribute_is_written_but_never_made(root: Path) -> None:
    files = LocalFiles(str(root))
    with pytest.raises(FileFailed) as failed:
        files.write_text("/attribute", "1")
    assert failed.value.errno == errno.ENOENT
    (root / "attribute").write_text("0\n")
    files.write_text("/attribute", "1\n")
    assert (root / "attribute").read_text() == "1\n"


def test_replacing_is_atomic_and_private_files_get_private_folders(root: Path) -> None:
    files = LocalFiles(str(root))
    files.replace("/var/lib/x/key", b"one", 0o600)
    files.replace("/var/lib/x/key", b"two", 0o600)
    place = root / "var/lib/x/key"
    assert place.read_bytes() == b"two"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    assert [p.name for p in place.parent.iterdir()] == ["key"]


def test_replacing_a_file_does_not_write_through_a_link_that_someone_left(root: Path) -> None:
    (root / "victim").write_text("kept")
    (root / f"file.new.{os.getpid()}").symlink_to(root / "victim")
    LocalFiles(str(root)).replace("/file", b"data")
    assert (root / "victim").read_text() == "kept"


def test_a_failed_replace_leaves_the_old_file(root: Path) -> None:
    (root / "folder" / "below").mkdir(parents=True)
    with pytest.raises(FileFailed):
        LocalFiles(str(root)).replace("/folder", b"data")
    assert [p.name for p in root.iterdir()] == ["folder"]


def test_lines_are_appended(root: Path) -> None:
    files = LocalFiles(str(root))
    files.append_durably("/var/journal", "one")
    files.append_durably("/var/journal", "two\n")
    assert files.read_text("/var/journal") == "one\ntwo\n"
    assert stat.S_IMODE((root / "var/journal").stat().st_mode) == 0o600


def test_removing_a_link_leaves_what_it_leads_to(root: Path) -> None:
    (root / "kept").write_text("x")
    (root / "link").symlink_to("kept")
    files = LocalFiles(str(root))
    files.remove("/link")
    files.remove("/link")
    assert (root / "kept").exists()


def test_at_most_the_limit_is_read(root: Path) -> None:
    (root / "long").write_bytes(b"x" * 1000)
    assert LocalFiles(str(root)).read_bytes("/long", 10) == b"x" * 10


def test_relative_paths_are_refused(root: Path) -> None:
    with pytest.raises(FileFailed):
        LocalFiles(str(root)).read_text("etc/passwd")


@pytest.mark.parametrize(
    ("name", "number", "cause"),
    [
        ("sriov_numvfs", errno.EBUSY, "there are VFs already"),
        ("sriov_numvfs", errno.EPERM, "VMs hold VFs"),
        ("sriov_numvfs", errno.ENOSPC, "MSI-X"),
        ("sriov_numvfs", errno.ENOMEM, "pci=realloc"),
        ("sriov_numvfs", errno.ENOENT, "no driver is bound"),
        ("sriov_numvfs", errno.ERANGE, "sriov_totalvfs"),
        ("driver_override", errno.EPERM, "locked down"),
        ("bind", errno.EINVAL, "IOMMU"),
    ],
)
def test_a_refused_attribute_is_explained_by_its_cause(name: str, number: int, cause: str) -> None:
    assert cause in attribute_hints(f"/sys/bus/pci/devices/0000:02:00.0/{name}")[number]


def test_cut_shortens_and_never_lengthens(tmp_path: Path) -> None:
    files = LocalFiles(str(tmp_path))
    files.replace("/a", b"0123456789")
    files.cut("/a", 4)
    files.cut("/a", 9)
    assert files.read_text("/a") == "0123"
