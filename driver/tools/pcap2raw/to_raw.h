/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PCAP2RAW_TO_RAW_H
#define PCAP2RAW_TO_RAW_H

#include "lib/byte_output.h"
#include "lib/pcap_reader.h"

/* Why RAW cannot hold the frame; NULL if it can. */
const char *to_raw_objection(const struct pcap_frame *frame);

/* The frame must be one that RAW can hold. */
void to_raw_write(struct byte_output *output, const struct pcap_frame *frame);

/* The padding that ends a file, up to a multiple of 4096 bytes. */
void to_raw_end(struct byte_output *output);

#endif /* PCAP2RAW_TO_RAW_H */
