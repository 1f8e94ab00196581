/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames that can be told apart: number n always has the same length and content. */
#ifndef TESTS_FRAMES_H
#define TESTS_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#define FRAME_BYTES_MIN 60u
#define FRAME_BYTES_MAX 1514u

uint32_t frame_length(uint64_t number);
void frame_fill(uint8_t *out, uint64_t number);

/* Is data the frame of that number, or its first caplen bytes? */
bool frame_matches(const uint8_t *data, uint32_t caplen, uint64_t number);

#endif /* TESTS_FRAMES_H */
