// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/byte_output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Stays in a core's cache between being filled and being written. Whole pages to whole pages are copied fastest. */
#define WRITE_BYTES (256u << 10)
#define PAGE_BYTES 4096u

int byte_output_open(struct byte_output *output, int fd)
{
	*output = (struct byte_output){ .fd = fd };
	output->buffer = aligned_alloc(PAGE_BYTES, WRITE_BYTES + BYTE_OUTPUT_RESERVE_MAX);
	return output->buffer ? 0 : -ENOMEM;
}

void byte_output_free(struct byte_output *output)
{
	free(output->buffer);
	output->buffer = NULL;
}

static void write_first(struct byte_output *output, size_t bytes)
{
	size_t done = 0;

	while (done < bytes && !output->error) {
		ssize_t n = write(output->fd, output->buffer + done, bytes - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			output->error = n < 0 ? -errno : -EIO;
		else
			done += (size_t)n;
	}
	output->used -= bytes;
	memmove(output->buffer, output->buffer + bytes, output->used);
}

int byte_output_flush(struct byte_output *output)
{
	write_first(output, output->used);
	return output->error;
}

uint8_t *byte_output_reserve(struct byte_output *output, size_t bytes)
{
	uint8_t *room;

	if (output->used >= WRITE_BYTES)
		write_first(output, WRITE_BYTES);
	room = output->buffer + output->used;
	output->used += bytes;
	output->total += bytes;
	return room;
}
