// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/pcap_writer.h"

#include <endian.h>
#include <string.h>

#include "lib/pcap_format.h"

#define NANOSECONDS_PER_SECOND 1000000000ull
#define SECTION_BYTES 28u
#define INTERFACE_BYTES 32u
#define PACKET_BYTES 32u	/* without the frame */

static void put_words(uint8_t *out, const uint32_t *words, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		const uint32_t word = htole32(words[i]);

		memcpy(out + i * sizeof(word), &word, sizeof(word));
	}
}

#define PUT_WORDS(out, ...) \
	put_words(out, (const uint32_t[]){ __VA_ARGS__ }, sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

void pcap_write_header(struct byte_output *output, enum pcap_format format)
{
	if (format == PCAP_CLASSIC) {
		PUT_WORDS(byte_output_reserve(output, PCAP_HEADER_BYTES), PCAP_MAGIC_NANOSECONDS,
			  PCAP_VERSION_MAJOR | PCAP_VERSION_MINOR << 16, 0, 0, PCAP_SNAPLEN, PCAP_LINK_ETHERNET);
		return;
	}
	/* version 1.0, a section of unknown length */
	PUT_WORDS(byte_output_reserve(output, SECTION_BYTES), PCAPNG_SECTION, SECTION_BYTES, PCAPNG_BYTE_ORDER, 1,
		  UINT32_MAX, UINT32_MAX, SECTION_BYTES);
	/* the option says 10^-9 seconds in one byte, then the end of options */
	PUT_WORDS(byte_output_reserve(output, INTERFACE_BYTES), PCAPNG_INTERFACE, INTERFACE_BYTES, PCAP_LINK_ETHERNET,
		  PCAP_SNAPLEN, PCAPNG_OPTION_TIME_UNIT | 1u << 16, 9, 0, INTERFACE_BYTES);
}

static void write_enhanced_packet(struct byte_output *output, const struct pcap_frame *frame)
{
	const uint64_t ns = frame->seconds * NANOSECONDS_PER_SECOND + frame->nanoseconds;
	const uint32_t padded = (frame->caplen + 3) & ~3u;
	uint8_t *out = byte_output_reserve(output, PACKET_BYTES + padded);

	PUT_WORDS(out, PCAPNG_ENHANCED_PACKET, PACKET_BYTES + padded, 0, (uint32_t)(ns >> 32), (uint32_t)ns,
		  frame->caplen, frame->len);
	memcpy(out + 28, frame->data, frame->caplen);
	memset(out + 28 + frame->caplen, 0, padded - frame->caplen);
	PUT_WORDS(out + 28 + padded, PACKET_BYTES + padded);
}

void pcap_write_frame(struct byte_output *output, enum pcap_format format, const struct pcap_frame *frame)
{
	uint8_t *out;

	if (format == PCAP_NG) {
		write_enhanced_packet(output, frame);
		return;
	}
	out = byte_output_reserve(output, PCAP_RECORD_BYTES + frame->caplen);
	PUT_WORDS(out, (uint32_t)frame->seconds, frame->nanoseconds, frame->caplen, frame->len);
	memcpy(out + PCAP_RECORD_BYTES, frame->data, frame->caplen);
}
