// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/pcapng_reader.h"

#include <byteswap.h>
#include <string.h>

#include "lib/pcap_format.h"

#define NANOSECONDS_PER_SECOND 1000000000ull
#define BLOCK_BYTES_MIN 12u
/* What has to be seen of a block at once. Longer ones can be no packet that RAW could hold. */
#define BLOCK_BYTES_SEEN (512u << 10)
#define SECTION_BYTES_MIN 28u
#define INTERFACE_BYTES_MIN 20u
#define ENHANCED_BYTES_MIN 32u
#define UNITS_EXPONENT_MAX 63u

struct block {
	const uint8_t *data;
	uint32_t type;
	uint32_t bytes;
};

static uint16_t half_word(const struct pcap_reader *reader, const uint8_t *at)
{
	uint16_t word;

	memcpy(&word, at, sizeof(word));
	return reader->swapped ? bswap_16(word) : word;
}

/* The time unit of an interface: a power of 10, or of 2 if the top bit is set. 0 if it does not fit. */
static uint64_t units_per_second(uint8_t unit)
{
	unsigned int exponent = unit & 0x7f;
	uint64_t units = 1;

	if (unit & 0x80)
		return exponent <= UNITS_EXPONENT_MAX ? 1ull << exponent : 0;
	while (exponent--) {
		if (units > UINT64_MAX / 10)
			return 0;
		units *= 10;
	}
	return units;
}

static void read_option(const struct pcap_reader *reader, struct pcap_interface *interface, uint16_t code,
			const uint8_t *value, uint16_t bytes)
{
	uint64_t seconds;

	if (code == PCAPNG_OPTION_TIME_UNIT && bytes == 1)
		interface->units_per_second = units_per_second(value[0]);
	if (code == PCAPNG_OPTION_TIME_OFFSET && bytes == sizeof(seconds)) {
		memcpy(&seconds, value, sizeof(seconds));
		interface->offset_seconds = (int64_t)(reader->swapped ? bswap_64(seconds) : seconds);
	}
}

static enum pcap_got add_interface(struct pcap_reader *reader, const struct block *block)
{
	struct pcap_interface interface = { .units_per_second = 1000000 };
	uint32_t at = INTERFACE_BYTES_MIN - 4;
	const uint32_t end = block->bytes - 4;

	if (block->bytes < INTERFACE_BYTES_MIN)
		return pcap_reader_broken(reader, "an interface block that is too short");
	if (reader->interface_count == PCAP_INTERFACES_MAX)
		return pcap_reader_broken(reader, "more interfaces than can be kept apart");
	interface.is_ethernet = half_word(reader, block->data + 8) == PCAP_LINK_ETHERNET;
	interface.snaplen = pcap_reader_word(reader, block->data + 12);
	while (end - at >= 4) {
		const uint16_t code = half_word(reader, block->data + at);
		const uint16_t bytes = half_word(reader, block->data + at + 2);
		const uint32_t padded = (bytes + 3u) & ~3u;

		if (code == 0 || padded > end - at - 4)
			break;
		read_option(reader, &interface, code, block->data + at + 4, bytes);
		at += 4 + padded;
	}
	reader->interfaces[reader->interface_count++] = interface;
	return PCAP_FRAME;
}

static enum pcap_got left_out(struct pcap_reader *reader, const char *fault)
{
	reader->fault = fault;
	return PCAP_LEFT_OUT;
}

static enum pcap_got set_time(struct pcap_reader *reader, struct pcap_frame *frame,
			      const struct pcap_interface *interface, uint64_t time)
{
	const uint64_t units = interface->units_per_second;
	int64_t seconds;

	if (!units)
		return left_out(reader, "a time unit that is too small to count in");
	if (time / units > UINT32_MAX || interface->offset_seconds > UINT32_MAX || interface->offset_seconds < -(int64_t)UINT32_MAX)
		return left_out(reader, "a time that 32 bits of seconds do not hold");
	seconds = (int64_t)(time / units) + interface->offset_seconds;
	if (seconds < 0 || seconds > UINT32_MAX)
		return left_out(reader, "a time that 32 bits of seconds do not hold");
	frame->seconds = (uint64_t)seconds;
	frame->nanoseconds = (uint32_t)((unsigned __int128)(time % units) * NANOSECONDS_PER_SECOND / units);
	return PCAP_FRAME;
}

static enum pcap_got read_enhanced(struct pcap_reader *reader, const struct block *block, struct pcap_frame *frame)
{
	const struct pcap_interface *interface;
	uint32_t number;

	if (block->bytes < ENHANCED_BYTES_MIN)
		return pcap_reader_broken(reader, "a packet block that is too short");
	number = pcap_reader_word(reader, block->data + 8);
	frame->caplen = pcap_reader_word(reader, block->data + 20);
	frame->len = pcap_reader_word(reader, block->data + 24);
	frame->data = block->data + 28;
	if (frame->caplen > block->bytes - ENHANCED_BYTES_MIN)
		return left_out(reader, "a packet that is longer than its block");
	if (number >= reader->interface_count)
		return left_out(reader, "a packet of an interface that is not described");
	interface = &reader->interfaces[number];
	if (!interface->is_ethernet)
		return left_out(reader, "a packet of a link that is not Ethernet");
	return set_time(reader, frame, interface,
			(uint64_t)pcap_reader_word(reader, block->data + 12) << 32 |
			pcap_reader_word(reader, block->data + 16));
}

static enum pcap_got start_section(struct pcap_reader *reader, uint64_t available, const uint8_t *data)
{
	if (available < SECTION_BYTES_MIN)
		return pcap_reader_broken(reader, "the file ends in a section header");
	reader->swapped = false;
	if (pcap_reader_word(reader, data + 8) != PCAPNG_BYTE_ORDER) {
		reader->swapped = true;
		if (pcap_reader_word(reader, data + 8) != PCAPNG_BYTE_ORDER)
			return pcap_reader_broken(reader, "a section without byte order");
	}
	if (half_word(reader, data + 12) != 1)
		return pcap_reader_broken(reader, "a version of pcapng that is not known");
	reader->interface_count = 0;
	return PCAP_FRAME;
}

/* Takes the block at the offset. PCAP_FRAME: block is set. */
static enum pcap_got take_block(struct pcap_reader *reader, struct block *block)
{
	uint64_t available;

	reader->at = reader->offset;
	block->data = byte_input_view(&reader->input, reader->offset, BLOCK_BYTES_SEEN, &available);
	if (available == 0)
		return PCAP_END;
	if (available < BLOCK_BYTES_MIN)
		return pcap_reader_broken(reader, "the file ends in the header of a block");
	block->type = pcap_reader_word(reader, block->data);
	if (block->type == PCAPNG_SECTION) {
		enum pcap_got got = start_section(reader, available, block->data);

		if (got != PCAP_FRAME)
			return got;
	}
	block->bytes = pcap_reader_word(reader, block->data + 4);
	if (block->bytes < BLOCK_BYTES_MIN || block->bytes % 4)
		return pcap_reader_broken(reader, "a block length that cannot be");
	if (block->bytes > BLOCK_BYTES_SEEN)
		return pcap_reader_broken(reader, "a block longer than any packet");
	if (block->bytes > available)
		return pcap_reader_broken(reader, "the file ends in a block");
	if (pcap_reader_word(reader, block->data + block->bytes - 4) != block->bytes)
		return pcap_reader_broken(reader, "a block whose two lengths differ");
	reader->offset += block->bytes;
	return PCAP_FRAME;
}

enum pcap_got pcapng_reader_next(struct pcap_reader *reader, struct pcap_frame *frame)
{
	enum pcap_got got = PCAP_FRAME;
	struct block block;

	while ((got = take_block(reader, &block)) == PCAP_FRAME) {
		switch (block.type) {
		case PCAPNG_INTERFACE:
			got = add_interface(reader, &block);
			if (got != PCAP_FRAME)
				return got;
			break;
		case PCAPNG_ENHANCED_PACKET:
			return read_enhanced(reader, &block, frame);
		case PCAPNG_OBSOLETE_PACKET:
			return left_out(reader, "a packet block of a kind that is obsolete");
		case PCAPNG_SIMPLE_PACKET:
			return left_out(reader, "a packet without a time");
		default:	/* names, statistics and what is not known */
			break;
		}
	}
	return got;
}
