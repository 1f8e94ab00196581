/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The library's interface over a ring in this process, so that programs can be tested without a module: the
 * same ring code, the records made by a thread that is told over a socket what to append. The socket's file
 * descriptor is in the environment variable below.
 */
#ifndef TESTS_RING_DEVICE_H
#define TESTS_RING_DEVICE_H

#include <stdint.h>

#define RING_DEVICE_VARIABLE "HPCAPVF_TEST_CONTROL"
#define RING_DEVICE_INTERFACE "t0"
#define RING_DEVICE_QUEUE 3u
#define RING_DEVICE_MISSING "/dev/hpcap_missing_0"

enum ring_device_operation {
	RING_DEVICE_APPEND,	/* frames first .. first + count - 1, none lost: waits for room */
	RING_DEVICE_SPECIAL,	/* one record of a kind that no program knows */
	RING_DEVICE_VANISH,	/* the device goes away */
};

struct ring_device_request {
	uint64_t operation;
	uint64_t first;
	uint64_t count;
};	/* answered with one byte when done */

#endif /* TESTS_RING_DEVICE_H */
