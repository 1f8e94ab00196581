// SPDX-License-Identifier: GPL-2.0-or-later
/* Any bytes as pcap or pcapng: packets lie inside the file, and what RAW takes of them the RAW reader gives back. */
#include <stdlib.h>
#include <string.h>

#include "lib/pcap_reader.h"
#include "tools/pcap2raw/to_raw.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_record(const struct pcap_frame *frame)
{
	static uint8_t record[12 + 65536];
	struct byte_output output = { .fd = -1, .buffer = record };

	if (to_raw_objection(frame))
		return;
	to_raw_write(&output, frame);
	if (output.used != 12 + frame->caplen || memcmp(record + 12, frame->data, frame->caplen) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pcap_reader reader;
	struct pcap_frame frame;
	enum pcap_got got;

	pcap_reader_memory(&reader, data, size);
	got = pcap_reader_start(&reader);
	while (got == PCAP_FRAME || got == PCAP_LEFT_OUT) {
		got = pcap_reader_next(&reader, &frame);
		if (got != PCAP_FRAME)
			continue;
		if ((const uint8_t *)frame.data < data || frame.caplen > size ||
		    (const uint8_t *)frame.data + frame.caplen > data + size || frame.nanoseconds >= 1000000000)
			abort();
		check_record(&frame);
	}
	pcap_reader_close(&reader);
	return 0;
}
