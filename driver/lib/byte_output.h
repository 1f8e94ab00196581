/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes to a file descriptor in large writes. The first error stays and ends all output. */
#ifndef LIB_BYTE_OUTPUT_H
#define LIB_BYTE_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

/* Most that can be reserved at once. */
#define BYTE_OUTPUT_RESERVE_MAX (72u << 10)

struct byte_output {
	int fd;
	int error;		/* negative errno, 0: none */
	uint8_t *buffer;
	size_t used;
	uint64_t total;		/* bytes reserved so far */
};

/* The caller keeps and closes fd. 0 or -ENOMEM. */
int byte_output_open(struct byte_output *output, int fd);

/* Writes what is buffered. 0 or the error. */
int byte_output_flush(struct byte_output *output);

/* Room for bytes that the caller fills; they count as written. Never NULL. */
uint8_t *byte_output_reserve(struct byte_output *output, size_t bytes);

/* Frees the buffer without writing it. */
void byte_output_free(struct byte_output *output);

#endif /* LIB_BYTE_OUTPUT_H */
