// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/frames.h"

#include <string.h>

static uint64_t mixed(uint64_t number)
{
	number = (number ^ number >> 31) * 0x9e3779b97f4a7c15ull;
	return number ^ number >> 29;
}

uint32_t frame_length(uint64_t number)
{
	return FRAME_BYTES_MIN + (uint32_t)(mixed(number) % (FRAME_BYTES_MAX - FRAME_BYTES_MIN + 1));
}

void frame_fill(uint8_t *out, uint64_t number)
{
	uint32_t length = frame_length(number);
	uint32_t i;

	for (i = 0; i < length; i += sizeof(uint64_t)) {
		uint64_t word = mixed(number * 1024 + i);

		memcpy(out + i, &word, length - i < sizeof(word) ? length - i : sizeof(word));
	}
}

bool frame_matches(const uint8_t *data, uint32_t caplen, uint64_t number)
{
	uint8_t expected[FRAME_BYTES_MAX];

	if (caplen > frame_length(number))
		return false;
	frame_fill(expected, number);
	return memcmp(data, expected, caplen) == 0;
}
