/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcap with nanoseconds (magic 0xa1b23c4d), Ethernet, little-endian. */
#ifndef RAW2PCAP_PCAP_WRITER_H
#define RAW2PCAP_PCAP_WRITER_H

#include <stdint.h>
#include <stdio.h>

/* Both return 0 or negative errno. */
int pcap_write_header(FILE *out);
int pcap_write_frame(FILE *out, uint32_t seconds, uint32_t nanoseconds, const void *data, uint32_t caplen,
		     uint32_t len);

#endif /* RAW2PCAP_PCAP_WRITER_H */
