/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Filters in libpcap's language. libpcap is looked for when a filter is given and not before, so that the program is
 * one file to copy into a guest, whether or not that has libpcap.
 */
#ifndef LIB_FRAME_FILTER_H
#define LIB_FRAME_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct filter;

/* 0, or -1 with the reason in message. */
int filter_compile(const char *expression, struct filter **out, char *message, size_t size);

/* Whether a frame of len bytes passes, of which caplen are at data. NULL lets everything pass. */
bool filter_passes(const struct filter *filter, const void *data, uint32_t caplen, uint32_t len);

void filter_free(struct filter *filter);

#endif /* LIB_FRAME_FILTER_H */
