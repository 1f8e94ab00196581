/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAW2PCAP_TIME_POINT_H
#define RAW2PCAP_TIME_POINT_H

#include <stdint.h>

/*
 * Nanoseconds since 1970 of "1700000000", "1700000000.25" or "2023-11-14T22:13:20.25Z" (UTC; Z may be left out).
 * 0, or -1 if it is none of these.
 */
int time_point_parse(const char *text, uint64_t *ns);

#endif /* RAW2PCAP_TIME_POINT_H */
