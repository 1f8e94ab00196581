/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ethernet frames with a number: number n of one kind always has the same length and content. */
#ifndef TESTS_DEVICE_NUMBERED_H
#define TESTS_DEVICE_NUMBERED_H

#include <stdint.h>

#define NUMBERED_TYPE 0x88b5	/* for local experiments (IEEE Std 802) */
#define NUMBERED_BYTES_MIN 60u
#define NUMBERED_BYTES_MAX 65535u

struct numbered_kind {
	uint64_t first;
	uint64_t count;
	uint32_t bytes;	/* of each frame; 0: 60 to 1514, mixed */
	uint32_t tci;	/* of its VLAN tag; 0: none */
};

/* From words: FIRST COUNT [BYTES [TCI]] */
struct numbered_kind numbered_kind_of(int words, char **word);

/* Returns the frame's length; out has room for NUMBERED_BYTES_MAX. */
uint32_t numbered_build(uint8_t *out, const struct numbered_kind *kind, uint64_t number);

/* The number of such a frame, of which at least NUMBERED_BYTES_MIN bytes are there. */
uint64_t numbered_number(const uint8_t *frame);

#endif /* TESTS_DEVICE_NUMBERED_H */
