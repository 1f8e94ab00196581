"""The boot files' bytes and the partition table."""

from __future__ import annotations

import pytest

from hpcapvf.lab.boot_disk import (
    BLOCK_BYTES,
    DEFAULT_GRUB_MARK,
    GRUB_CFG_MARK,
    PARTITION_START_BYTES,
    default_grub,
    find_block,
    grub_cfg,
    kernel_arguments,
    master_boot_record,
)

UUID = "8f70c9b6-410d-4b94-a66e-27efdfbec3ac"


def test_every_variant_fills_exactly_one_block() -> None:
    for text in ("", "a" * 2000):
        assert len(grub_cfg(UUID, text)) == len(default_grub(text)) == BLOCK_BYTES


def test_boot_files_carry_the_arguments() -> None:
    arguments = kernel_arguments(iommu=True, iomem_relaxed=True, hugepages_1g=2)
    assert f"linux /vmlinuz root=UUID={UUID} ro {arguments}\n".encode() in grub_cfg(UUID, arguments)
    assert f'GRUB_CMDLINE_LINUX="{arguments}"\n'.encode() in default_grub(arguments)


def test_arguments_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        grub_cfg(UUID, "x" * BLOCK_BYTES)


@pytest.mark.parametrize(
    ("iommu", "relaxed", "pages", "wanted", "unwanted"),
    [
        (True, True, 0, ("intel_iommu=on", "iommu=pt", "iomem=relaxed"), ("hugepagesz",)),
        (False, True, 0, ("iomem=relaxed",), ("iommu",)),
        (True, False, 0, ("intel_iommu=on",), ("iomem",)),
        (True, True, 3, ("hugepagesz=1G", "hugepages=3"), ()),
    ],
)
def test_kernel_arguments(
    iommu: bool, relaxed: bool, pages: int, wanted: tuple[str, ...], unwanted: tuple[str, ...]
) -> None:
    text = kernel_arguments(iommu=iommu, iomem_relaxed=relaxed, hugepages_1g=pages)
    assert set(wanted) <= set(text.split())
    assert not [word for word in unwanted if word in text]


def disk_with(*positions: int) -> bytes:
    disk = bytearray(PARTITION_START_BYTES + 8 * BLOCK_BYTES)
    for position in positions:
        disk[position : position + len(GRUB_CFG_MARK)] = GRUB_CFG_MARK
    return bytes(disk)


def test_the_block_is_found_by_its_mark_at_a_block_boundary() -> None:
    wanted = PARTITION_START_BYTES + 3 * BLOCK_BYTES
    found = find_block(disk_with(wanted, wanted + BLOCK_BYTES + 5), GRUB_CFG_MARK)
    assert (found.offset, found.length) == (wanted, BLOCK_BYTES)


@pytest.mark.parametrize("blocks", [(), (1, 5)])
def test_no_block_or_two_are_refused(blocks: tuple[int, ...]) -> None:
    disk = disk_with(*(PARTITION_START_BYTES + number * BLOCK_BYTES for number in blocks))
    with pytest.raises(ValueError, match="expected one"):
        find_block(disk, GRUB_CFG_MARK)


def test_marks_differ() -> None:
    assert not grub_cfg(UUID, "").startswith(DEFAULT_GRUB_MARK)
    assert default_grub("").startswith(DEFAULT_GRUB_MARK)


def test_master_boot_record_has_one_active_partition_to_the_end() -> None:
    disk_bytes = 64 * 1024 * 1024
    sector = master_boot_record(b"\xeb\x63" + bytes(510), disk_bytes)
    assert len(sector) == 512
    assert sector[:2] == b"\xeb\x63"
    assert sector[510:] == b"\x55\xaa"
    entry = sector[446:462]
    assert (entry[0], entry[4]) == (0x80, 0x83)
    start, count = int.from_bytes(entry[8:12], "little"), int.from_bytes(entry[12:16], "little")
    assert start * 512 == PARTITION_START_BYTES
    assert (start + count) * 512 == disk_bytes
    assert sector[462:510] == bytes(48)
