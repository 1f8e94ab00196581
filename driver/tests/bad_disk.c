// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bad_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/sandbox.h"

static int attach(struct bad_disk *disk)
{
	/* goes with the mount, also if a test ends before its time */
	struct loop_config config = { .fd = (uint32_t)disk->memory, .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int number, error;

	if (control < 0)
		return -errno;
	number = ioctl(control, LOOP_CTL_GET_FREE);
	error = number < 0 ? -errno : 0;
	close(control);
	if (error)
		return error;
	snprintf(disk->device, sizeof(disk->device), "/dev/loop%d", number);
	disk->loop = open(disk->device, O_RDWR | O_CLOEXEC);
	if (disk->loop < 0)
		return -errno;
	return ioctl(disk->loop, LOOP_CONFIGURE, &config) ? -errno : 0;
}

int bad_disk_create(struct bad_disk *disk, const char *folder, uint64_t bytes)
{
	int error;

	snprintf(disk->mounted, sizeof(disk->mounted), "%s", folder);
	disk->memory = memfd_create("bad-disk", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHECK(disk->memory >= 0 && ftruncate(disk->memory, (off_t)bytes) == 0);
	error = attach(disk);
	if (error)
		return error;
	CHECK_EQUAL(sandbox_run((const char *const[]){ "/usr/sbin/mkfs.ext4", "-q", "-F", "-b", "4096", "-O", "^has_journal",
						       disk->device, NULL }), 0);
	return mount(disk->device, folder, "ext4", 0, NULL) ? -errno : 0;
}

void bad_disk_break(struct bad_disk *disk, uint64_t from)
{
	CHECK_EQUAL(ftruncate(disk->memory, (off_t)from), 0);
	CHECK_EQUAL(fcntl(disk->memory, F_ADD_SEALS, F_SEAL_GROW), 0);
}

void bad_disk_remove(struct bad_disk *disk)
{
	CHECK_EQUAL(umount(disk->mounted), 0);
	close(disk->loop);
	close(disk->memory);
}
