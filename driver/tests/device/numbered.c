// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/device/numbered.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "tests/frames.h"

struct numbered_kind numbered_kind_of(int words, char **word)
{
	struct numbered_kind kind = { .first = strtoull(word[0], NULL, 0), .count = strtoull(word[1], NULL, 0) };

	if (words > 2)
		kind.bytes = (uint32_t)strtoul(word[2], NULL, 0);
	if (words > 3)
		kind.tci = (uint32_t)strtoul(word[3], NULL, 0);
	return kind;
}

static uint8_t *put16(uint8_t *out, uint32_t value)
{
	out[0] = (uint8_t)(value >> 8);
	out[1] = (uint8_t)value;
	return out + 2;
}

uint32_t numbered_build(uint8_t *out, const struct numbered_kind *kind, uint64_t number)
{
	static const uint8_t addresses[12] = { 255, 255, 255, 255, 255, 255, 2, 0x48, 0x50, 0x56, 0, 1 };
	uint32_t bytes = kind->bytes ? kind->bytes : frame_length(number);
	uint8_t content[FRAME_BYTES_MAX];
	uint8_t *type = out + sizeof(addresses);
	uint32_t at;

	frame_fill(content, number);
	for (at = 0; at < bytes; at += FRAME_BYTES_MIN)
		memcpy(out + at, content, bytes - at < FRAME_BYTES_MIN ? bytes - at : FRAME_BYTES_MIN);
	memcpy(out, addresses, sizeof(addresses));
	if (kind->tci)
		type = put16(put16(type, 0x8100), kind->tci);
	type = put16(type, NUMBERED_TYPE);
	memcpy(type, &number, sizeof(number));
	return bytes;
}

uint64_t numbered_number(const uint8_t *frame)
{
	const uint8_t *type = frame + 12;
	uint64_t number;

	memcpy(&number, type + (type[0] == 0x81 ? 6 : 2), sizeof(number));
	return number;
}
