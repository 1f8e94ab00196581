/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HPCAP_CORE_COPY_H
#define HPCAP_CORE_COPY_H

#include "core/port.h"

#define COPY_STEP 32u
#define COPY_SHORT_MIN 16u
#define COPY_SHORT_MAX 128u

/* All is loaded before anything is stored, so that no store is waited for. */
static inline void core_copy_16(__u8 *to, const __u8 *from)
{
	__u64 first, second;

	__builtin_memcpy(&first, from, 8);
	__builtin_memcpy(&second, from + 8, 8);
	__builtin_memcpy(to, &first, 8);
	__builtin_memcpy(to + 8, &second, 8);
}

static inline void core_copy_step(__u8 *to, const __u8 *from)
{
	core_copy_16(to, from);
	core_copy_16(to + 16, from + 16);
}

/*
 * memcpy for frames: most are short, and for those setting up a general copy costs more than the copy. In steps
 * of fixed size, the last of which ends with the last byte and may overlap the one before; not in a loop, whose end
 * the processor would have to guess.
 */
static inline void core_copy(__u8 *to, const __u8 *from, __u32 bytes)
{
	if (core_unlikely(bytes < COPY_SHORT_MIN || bytes > COPY_SHORT_MAX)) {
		memcpy(to, from, bytes);
		return;
	}
	if (core_unlikely(bytes < COPY_STEP)) {
		core_copy_16(to, from);
		core_copy_16(to + bytes - 16, from + bytes - 16);
		return;
	}
	core_copy_step(to, from);
	if (bytes > 2 * COPY_STEP) {
		core_copy_step(to + COPY_STEP, from + COPY_STEP);
		if (bytes > 3 * COPY_STEP)
			core_copy_step(to + 2 * COPY_STEP, from + 2 * COPY_STEP);
	}
	core_copy_step(to + bytes - COPY_STEP, from + bytes - COPY_STEP);
}

#endif /* HPCAP_CORE_COPY_H */
