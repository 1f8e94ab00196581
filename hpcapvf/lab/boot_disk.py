"""A disk that boots by itself: partition table, boot files with room to change, and their bytes on the disk. Pure.

Layout: MBR with GRUB's boot code, GRUB's core image in the gap behind it, one ext4 partition from 1 MiB on.
The kernel arguments of a lab are put into two files of exactly one file-system block each, so that another choice
can be written over the block of a copy-on-write overlay without mounting anything.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass

SECTOR_BYTES = 512
BLOCK_BYTES = 4096
PARTITION_START_BYTES = 1024 * 1024
ROOT_LABEL = "hpcapvf-root"
LINUX_PARTITION_TYPE = 0x83
GRUB_PREFIX = "(,msdos1)/boot/grub"
GRUB_MODULES = ("biosdisk", "part_msdos", "ext2", "normal", "linux", "configfile", "search", "search_fs_uuid", "echo",
                "test", "serial", "terminal")  # fmt: skip
GRUB_CFG_MARK = b"# hpcapvf lab: first boot configuration\n"
DEFAULT_GRUB_MARK = b"# hpcapvf lab: /etc/default/grub\n"


@dataclass(frozen=True)
class BootBlock:
    """Where one of the two boot files lies on the disk: offset and length in bytes."""

    offset: int
    length: int


def pad_to_block(text: bytes) -> bytes:
    """Fill a configuration text with a comment up to exactly one block. Raises ValueError when it is too long."""
    room = BLOCK_BYTES - len(text)
    if room < 2:
        raise ValueError(f"boot configuration of {len(text)} bytes does not fit in {BLOCK_BYTES}")
    return text + b"#" + b" " * (room - 2) + b"\n"


def grub_cfg(filesystem_uuid: str, kernel_arguments: str) -> bytes:
    """The first grub.cfg of a disk; update-grub on the running machine replaces it."""
    return pad_to_block(
        GRUB_CFG_MARK
        + (
            "serial --unit=0 --speed=115200\n"
            f"search --no-floppy --fs-uuid --set=root {filesystem_uuid}\n"
            f"linux /vmlinuz root=UUID={filesystem_uuid} ro {kernel_arguments}\n"
            "initrd /initrd.img\n"
            "boot\n"
        ).encode()
    )


def default_grub(kernel_arguments: str) -> bytes:
    """The /etc/default/grub from which update-grub makes the same choice again."""
    return pad_to_block(
        DEFAULT_GRUB_MARK
        + (
            "GRUB_DEFAULT=0\n"
            "GRUB_TIMEOUT=0\n"
            "GRUB_RECORDFAIL_TIMEOUT=0\n"
            "GRUB_DISTRIBUTOR=Debian\n"
            "GRUB_TERMINAL=serial\n"
            "GRUB_DISABLE_OS_PROBER=true\n"
            "GRUB_DISABLE_RECOVERY=true\n"
            'GRUB_CMDLINE_LINUX_DEFAULT=""\n'
            f'GRUB_CMDLINE_LINUX="{kernel_arguments}"\n'
        ).encode()
    )


def find_block(disk: bytes | mmap.mmap, mark: bytes) -> BootBlock:
    """Find the one block that begins with a mark. disk: the disk's bytes (a memory map will do).

    Raises ValueError when there is none or more than one.
    """
    found = []
    position = disk.find(mark, PARTITION_START_BYTES)
    while position >= 0:
        if (position - PARTITION_START_BYTES) % BLOCK_BYTES == 0:
            found.append(position)
        position = disk.find(mark, position + 1)
    if len(found) != 1:
        raise ValueError(f"{len(found)} blocks begin with {mark!r}, expected one")
    return BootBlock(found[0], BLOCK_BYTES)


def master_boot_record(boot_code: bytes, disk_bytes: int) -> bytes:
    """Sector 0: up to 440 bytes of boot code and one active Linux partition from 1 MiB to the end of the disk."""
    start = PARTITION_START_BYTES // SECTOR_BYTES
    sectors = disk_bytes // SECTOR_BYTES - start
    beyond_chs = b"\xfe\xff\xff"
    entry = b"\x80" + beyond_chs + bytes([LINUX_PARTITION_TYPE]) + beyond_chs
    entry += start.to_bytes(4, "little") + sectors.to_bytes(4, "little")
    return boot_code[:440].ljust(440, b"\0") + bytes(6) + entry.ljust(64, b"\0") + b"\x55\xaa"


def kernel_arguments(*, iommu: bool, iomem_relaxed: bool, hugepages_1g: int) -> str:
    """The server's kernel arguments for a boot variant. hugepages_1g: number of 1 GiB pages set aside at boot.

    mitigations=off: an emulated CPU pays for them and gains nothing. tsc=reliable: the emulated time stamp counters are
    one, but the CPU does not say so, and the kernel would read a slow device for every look at the clock.
    no_timer_check: on a busy machine the check at boot comes too late and finds the timer broken.
    """
    words = ["console=ttyS0", "mitigations=off", "tsc=reliable", "no_timer_check"]
    if iommu:
        words += ["intel_iommu=on", "iommu=pt"]
    if iomem_relaxed:
        words += ["iomem=relaxed"]
    if hugepages_1g:
        words += ["hugepagesz=1G", f"hugepages={hugepages_1g}"]
    return " ".join(words)
