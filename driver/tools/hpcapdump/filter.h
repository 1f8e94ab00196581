/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Filters in libpcap's language. libpcap is looked for when a filter is given and not before, so that the program is
 * one file to copy into a guest, whether or not that has libpcap.
 */
#ifndef HPCAPDUMP_FILTER_H
#define HPCAPDUMP_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "libhpcapvf.h"

struct filter;

/* 0, or -1 with the reason in message. */
int filter_compile(const char *expression, struct filter **out, char *message, size_t size);

/* NULL lets everything pass. */
bool filter_passes(const struct filter *filter, const struct hpcapvf_frame *frame);

void filter_free(struct filter *filter);

#endif /* HPCAPDUMP_FILTER_H */
