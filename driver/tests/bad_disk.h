/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A real block device with a file system, whose blocks fail from some point on: a loop device over memory that may no
 * longer grow, so that the kernel's block layer itself reports the error. Needs root and loop devices.
 */
#ifndef TESTS_BAD_DISK_H
#define TESTS_BAD_DISK_H

#include <stdint.h>

struct bad_disk {
	int memory;
	int loop;
	char device[32];
	char mounted[4096];
};

/* Mounted at the existing folder. 0, or a negative errno: no such device can be had here. */
int bad_disk_create(struct bad_disk *disk, const char *folder, uint64_t bytes);

/*
 * From now on writes at or beyond that byte of the device fail. None may straddle it: the loop device takes what its
 * file takes in part for a success. So blocks are pages, and the program under test writes one at a time.
 */
void bad_disk_break(struct bad_disk *disk, uint64_t from);

void bad_disk_remove(struct bad_disk *disk);

#endif /* TESTS_BAD_DISK_H */
