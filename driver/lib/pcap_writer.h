/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames of Ethernet with nanoseconds, as pcap (magic 0xa1b23c4d) or pcapng; little-endian. */
#ifndef LIB_PCAP_WRITER_H
#define LIB_PCAP_WRITER_H

#include "lib/byte_output.h"

enum pcap_format { PCAP_CLASSIC, PCAP_NG };

struct pcap_frame {
	const void *data;
	uint64_t seconds;
	uint32_t nanoseconds;
	uint32_t caplen;
	uint32_t len;
};

/* Errors are those of the output. */
void pcap_write_header(struct byte_output *output, enum pcap_format format);
void pcap_write_frame(struct byte_output *output, enum pcap_format format, const struct pcap_frame *frame);

#endif /* LIB_PCAP_WRITER_H */
