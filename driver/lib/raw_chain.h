/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is what looks like a RAW record one? RAW has no magic and no checksum: the only proof is that other records,
 * close in time, follow exactly where the lengths say.
 */
#ifndef LIB_RAW_CHAIN_H
#define LIB_RAW_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "hpcapvf.h"

#define RAW_RECORD_BYTES_MAX ((uint64_t)HPCAPVF_RECORD_BYTES + HPCAPVF_CAPLEN_MAX)

/* What the functions below may look at from an offset on. Behind it the file ends, or it is not needed. */
#define RAW_CHAIN_VIEW_BYTES (1u << 20)

/* Frames of one capture that follow each other are not further apart, unless the clock was set. */
bool raw_seconds_near(uint32_t seconds, uint32_t earlier);

/* In a place where a record is expected: two records must follow, or the end. */
bool raw_chain_is_likely(const uint8_t *data, uint64_t size);

/*
 * The first of the first `candidates` offsets where records begin again, in a place where anything may stand: they
 * must go on for more bytes than a frame can have (records may be what a frame carries), or up to the end.
 * longest: longest frame seen. anchor: seconds of the last frame, 0: none. UINT64_MAX: nowhere.
 */
uint64_t raw_chain_search(const uint8_t *data, uint64_t size, uint64_t candidates, uint32_t longest, uint32_t anchor);

/* Candidates for one call of raw_chain_search. */
#define RAW_CHAIN_CANDIDATES (256u << 10)

#endif /* LIB_RAW_CHAIN_H */
