/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads pcap (either byte order, micro- or nanoseconds) and pcapng (sections, interfaces and enhanced packets; simple ones have no time;
 * blocks of other kinds are skipped). Nothing that a file says about itself is believed without a check.
 */
#ifndef LIB_PCAP_READER_H
#define LIB_PCAP_READER_H

#include "lib/byte_input.h"
#include "lib/pcap_writer.h"

#define PCAP_INTERFACES_MAX 64u

struct pcap_interface {
	bool is_ethernet;
	uint32_t snaplen;		/* 0: no limit */
	uint64_t units_per_second;
	int64_t offset_seconds;
};

enum pcap_got {
	PCAP_END,
	PCAP_FRAME,
	PCAP_LEFT_OUT,		/* a packet that cannot be had: reader->fault says why */
	PCAP_BROKEN,		/* nothing behind this place can be read: reader->fault says why */
};

struct pcap_reader {
	struct byte_input input;
	uint64_t offset;
	uint64_t at;		/* offset of what pcap_reader_next told of last */
	const char *fault;
	bool is_pcapng;
	bool swapped;		/* the file's byte order is not this machine's */
	struct pcap_interface interfaces[PCAP_INTERFACES_MAX];
	unsigned int interface_count;
};

/* The caller keeps and closes fd. 0 or -ENOMEM. */
int pcap_reader_open(struct pcap_reader *reader, int fd);
void pcap_reader_memory(struct pcap_reader *reader, const void *data, uint64_t size);
void pcap_reader_close(struct pcap_reader *reader);

/* The file's beginning. PCAP_FRAME: go on; PCAP_BROKEN: no capture that can be read. */
enum pcap_got pcap_reader_start(struct pcap_reader *reader);

/* frame->data stays until the next call. After PCAP_END and PCAP_BROKEN, do not call again. */
enum pcap_got pcap_reader_next(struct pcap_reader *reader, struct pcap_frame *frame);

#endif /* LIB_PCAP_READER_H */
