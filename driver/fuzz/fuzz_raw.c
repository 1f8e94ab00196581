// SPDX-License-Identifier: GPL-2.0-or-later
/* Any bytes as a RAW file: nothing but whole frames inside the file may come out, each byte accounted for once. */
#include <stdlib.h>

#include "lib/raw_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct raw_reader reader;
	struct raw_event event;
	uint64_t end = 0;
	int got;

	raw_reader_memory(&reader, data, size);
	while ((got = raw_reader_next(&reader, &event)) == 1) {
		if (!event.is_frame)
			continue;
		if (event.data != data + event.offset + 12 || event.offset < end || event.offset + 12 + event.caplen > size ||
		    event.caplen == 0 || event.caplen > event.len || event.seconds == 0 || event.nanoseconds >= 1000000000)
			abort();
		end = event.offset + 12 + event.caplen;
	}
	if (got || reader.totals.file_bytes != size ||
	    reader.totals.frames * 12 + reader.totals.frame_bytes + reader.totals.padding_bytes +
	    reader.totals.skipped_bytes != size)
		abort();
	raw_reader_close(&reader);
	return 0;
}
