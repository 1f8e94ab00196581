// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/json_text.h"

#include <stddef.h>

const char *json_text(char out[JSON_TEXT_BYTES], const char *text)
{
	size_t used = 0;

	for (; *text && used + 3 < JSON_TEXT_BYTES; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			out[used++] = '\\';
		out[used++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	out[used] = '\0';
	return out;
}
