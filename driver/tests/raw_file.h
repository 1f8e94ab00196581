/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A RAW file being built in memory, whole or broken; the frames are those of tests/frames.h. */
#ifndef TESTS_RAW_FILE_H
#define TESTS_RAW_FILE_H

#include <stddef.h>
#include <stdint.h>

#define RAW_FILE_SECOND 1700000000u
#define RAW_FILE_BYTES_MAX (8u << 20)

extern uint8_t raw_file[RAW_FILE_BYTES_MAX];
extern size_t raw_file_size;

void raw_file_begin(void);

/* The frame's number is its nanoseconds. caplen 0: whole. */
void raw_file_add(uint64_t number, uint32_t second, uint32_t caplen);
void raw_file_add_frames(uint64_t first, uint64_t count);
void raw_file_add_padding(uint64_t gap);
void raw_file_add_bytes(const void *data, size_t size);
void raw_file_add_fill(uint8_t byte, size_t count);

/* Takes bytes out of the start. */
void raw_file_behead(size_t bytes);

#endif /* TESTS_RAW_FILE_H */
