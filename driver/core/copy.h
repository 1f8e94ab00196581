/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HPCAP_CORE_COPY_H
#define HPCAP_CORE_COPY_H

#include "core/port.h"

#define COPY_STEP 16u
#define COPY_SHORT_MAX 128u

/*
 * memcpy for frames: most are short, and for those setting up a general copy costs more than the copy. In steps
 * of fixed size, the last of which ends with the last byte and may overlap the one before.
 */
static inline void core_copy(__u8 *to, const __u8 *from, __u32 bytes)
{
	__u32 at;

	if (bytes < COPY_STEP || bytes > COPY_SHORT_MAX) {
		memcpy(to, from, bytes);
		return;
	}
	for (at = 0; at < bytes - COPY_STEP; at += COPY_STEP)
		__builtin_memcpy(to + at, from + at, COPY_STEP);
	__builtin_memcpy(to + bytes - COPY_STEP, from + bytes - COPY_STEP, COPY_STEP);
}

#endif /* HPCAP_CORE_COPY_H */
