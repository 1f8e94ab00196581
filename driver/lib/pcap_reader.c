// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/pcap_reader.h"

#include <byteswap.h>
#include <endian.h>
#include <string.h>

#include "lib/pcap_format.h"
#include "lib/pcapng_reader.h"

#define NANOSECONDS_PER_SECOND 1000000000ull
/* Longer packets exist on links that RAW is not for. */
#define CAPLEN_MAX (256u << 10)

static void start(struct pcap_reader *reader)
{
	reader->offset = 0;
	reader->at = 0;
	reader->fault = "";
	reader->is_pcapng = false;
	reader->swapped = false;
	reader->interface_count = 0;
}

int pcap_reader_open(struct pcap_reader *reader, int fd)
{
	start(reader);
	return byte_input_open(&reader->input, fd);
}

void pcap_reader_memory(struct pcap_reader *reader, const void *data, uint64_t size)
{
	start(reader);
	byte_input_memory(&reader->input, data, size);
}

void pcap_reader_close(struct pcap_reader *reader)
{
	byte_input_close(&reader->input);
}

uint32_t pcap_reader_word(const struct pcap_reader *reader, const uint8_t *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return reader->swapped ? bswap_32(word) : word;
}

enum pcap_got pcap_reader_broken(struct pcap_reader *reader, const char *fault)
{
	reader->fault = fault;
	return PCAP_BROKEN;
}

static enum pcap_got start_classic(struct pcap_reader *reader, const uint8_t *header, uint64_t units)
{
	/* the upper half of the link type says what is known of check sequences */
	const uint32_t link = pcap_reader_word(reader, header + 20) & 0xffff;
	const uint32_t version = pcap_reader_word(reader, header + 4);
	const uint32_t major = (reader->swapped ? __BYTE_ORDER == __LITTLE_ENDIAN : __BYTE_ORDER == __BIG_ENDIAN) ?
			       version >> 16 : version & 0xffff;

	if (major != PCAP_VERSION_MAJOR)
		return pcap_reader_broken(reader, "a version of pcap that is not known");
	if (link != PCAP_LINK_ETHERNET)
		return pcap_reader_broken(reader, "the link is not Ethernet");
	reader->interfaces[0] = (struct pcap_interface){ .is_ethernet = true, .units_per_second = units };
	reader->interface_count = 1;
	reader->offset = PCAP_HEADER_BYTES;
	return PCAP_FRAME;
}

enum pcap_got pcap_reader_start(struct pcap_reader *reader)
{
	uint64_t available;
	const uint8_t *header = byte_input_view(&reader->input, 0, PCAP_HEADER_BYTES, &available);
	int swapped;

	if (available < PCAP_HEADER_BYTES)
		return pcap_reader_broken(reader, "too short for a capture");
	for (swapped = 0; swapped < 2; swapped++) {
		uint32_t magic;

		reader->swapped = swapped;
		magic = pcap_reader_word(reader, header);
		if (magic == PCAP_MAGIC_MICROSECONDS)
			return start_classic(reader, header, 1000000);
		if (magic == PCAP_MAGIC_NANOSECONDS)
			return start_classic(reader, header, NANOSECONDS_PER_SECOND);
		if (magic == PCAPNG_SECTION) {	/* the same in both orders */
			reader->is_pcapng = true;
			return PCAP_FRAME;
		}
	}
	return pcap_reader_broken(reader, "neither pcap nor pcapng");
}

static enum pcap_got next_classic(struct pcap_reader *reader, struct pcap_frame *frame)
{
	uint64_t available;
	const uint8_t *record = byte_input_view(&reader->input, reader->offset, PCAP_RECORD_BYTES + CAPLEN_MAX,
						&available);
	const uint64_t unit_ns = NANOSECONDS_PER_SECOND / reader->interfaces[0].units_per_second;
	uint32_t fraction;

	if (available == 0)
		return PCAP_END;
	if (available < PCAP_RECORD_BYTES)
		return pcap_reader_broken(reader, "the file ends in the header of a packet");
	frame->caplen = pcap_reader_word(reader, record + 8);
	if (frame->caplen > CAPLEN_MAX)
		return pcap_reader_broken(reader, "a length that no packet has");
	if (frame->caplen > available - PCAP_RECORD_BYTES)
		return pcap_reader_broken(reader, "the file ends in a packet");
	fraction = pcap_reader_word(reader, record + 4);
	frame->seconds = pcap_reader_word(reader, record);
	frame->len = pcap_reader_word(reader, record + 12);
	frame->data = record + PCAP_RECORD_BYTES;
	reader->offset += PCAP_RECORD_BYTES + frame->caplen;
	if (fraction >= reader->interfaces[0].units_per_second) {
		reader->fault = "a fraction of a second that is more than one";
		return PCAP_LEFT_OUT;
	}
	frame->nanoseconds = (uint32_t)(fraction * unit_ns);
	return PCAP_FRAME;
}

enum pcap_got pcap_reader_next(struct pcap_reader *reader, struct pcap_frame *frame)
{
	if (reader->is_pcapng)
		return pcapng_reader_next(reader, frame);
	reader->at = reader->offset;
	return next_classic(reader, frame);
}
