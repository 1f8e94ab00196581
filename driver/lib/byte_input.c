// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/byte_input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Small enough to stay in a core's cache between being read and being used. */
#define READ_BYTES (256u << 10)
#define PAGE_BYTES 4096u
#define BUFFER_BYTES (BYTE_INPUT_VIEW_MAX + READ_BYTES + PAGE_BYTES)

int byte_input_open(struct byte_input *input, int fd)
{
	*input = (struct byte_input){ .fd = fd, .buffer = aligned_alloc(PAGE_BYTES, BUFFER_BYTES) };
	input->data = input->buffer;
	return input->buffer ? 0 : -ENOMEM;
}

void byte_input_memory(struct byte_input *input, const void *data, uint64_t size)
{
	*input = (struct byte_input){ .fd = -1, .data = data, .filled = size, .ended = true };
}

void byte_input_close(struct byte_input *input)
{
	free(input->buffer);
	input->buffer = NULL;
}

void byte_input_fill(struct byte_input *input, uint64_t offset, uint64_t wanted)
{
	const uint64_t left = input->base + input->filled - offset;
	uint8_t *to = input->buffer + (PAGE_BYTES - left % PAGE_BYTES) % PAGE_BYTES;

	/* what is left ends with a page: whole pages to whole pages are read fastest */
	memmove(to, input->data + (offset - input->base), left);
	input->data = to;
	input->base = offset;
	input->filled = left;
	while (input->filled < wanted && !input->ended) {
		ssize_t got = read(input->fd, to + input->filled, READ_BYTES);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			input->error = -errno;
		if (got <= 0)
			input->ended = true;
		else
			input->filled += (uint64_t)got;
	}
}
