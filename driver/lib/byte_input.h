/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A window that slides over a file or a stream. Bytes are read, not mapped: a file that somebody cuts while it is
 * read ends earlier, instead of ending the program.
 */
#ifndef LIB_BYTE_INPUT_H
#define LIB_BYTE_INPUT_H

#include <stdbool.h>
#include <stdint.h>

/* Most that may be asked for at once. */
#define BYTE_INPUT_VIEW_MAX (1u << 20)

struct byte_input {
	int fd;			/* -1: everything is in memory */
	uint8_t *buffer;	/* owned; NULL if fd is -1 */
	const uint8_t *data;	/* in buffer */
	uint64_t base;		/* offset in the file of data[0] */
	uint64_t filled;	/* bytes at data */
	bool ended;		/* nothing comes after them */
	int error;		/* negative errno of the read that ended it, 0: none */
};

/* The caller keeps and closes fd. 0 or -ENOMEM. */
int byte_input_open(struct byte_input *input, int fd);
void byte_input_memory(struct byte_input *input, const void *data, uint64_t size);
void byte_input_close(struct byte_input *input);

/* Has the bytes from offset on, at least wanted of them unless the file ends; offsets below are forgotten. */
void byte_input_fill(struct byte_input *input, uint64_t offset, uint64_t wanted);

/* As above, where mostly nothing is to be done. Returns where offset is; *available bytes can be read there. */
static inline const uint8_t *byte_input_view(struct byte_input *input, uint64_t offset, uint64_t wanted,
					     uint64_t *available)
{
	if (input->base + input->filled < offset + wanted && !input->ended)
		byte_input_fill(input, offset, wanted);
	*available = input->base + input->filled - offset;
	return input->data + (offset - input->base);
}

#endif /* LIB_BYTE_INPUT_H */
