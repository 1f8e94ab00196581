/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of pcap_reader that knows pcapng. */
#ifndef LIB_PCAPNG_READER_H
#define LIB_PCAPNG_READER_H

#include "lib/pcap_reader.h"

enum pcap_got pcapng_reader_next(struct pcap_reader *reader, struct pcap_frame *frame);

/* For both parts: a number of the file in this machine's order, and how reading ends at a fault. */
uint32_t pcap_reader_word(const struct pcap_reader *reader, const uint8_t *at);
enum pcap_got pcap_reader_broken(struct pcap_reader *reader, const char *fault);

#endif /* LIB_PCAPNG_READER_H */
