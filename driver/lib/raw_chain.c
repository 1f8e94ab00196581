// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/raw_chain.h"

#include <string.h>

#include "core/raw_scan.h"

#define EARLIER_SECONDS 86400
#define LATER_SECONDS (7 * 86400)
#define FOLLOWERS_MIN 2u
/* Longer than any frame a link carries; frames made of several (receive offload) can be longer: see longest. */
#define SPAN_MIN 16384u
#define SPAN_FOLLOWERS_MIN 3u
#define PADDINGS_MAX 4u
#define SHADOW_SHIFT 2u
#define SHADOW_LINKS 4u

/* A walk ends within one record behind its reach; padding may come after that. */
#define SEARCH_REACH_BYTES (2 * RAW_RECORD_BYTES_MAX)
#define LIKELY_REACH_BYTES (8 * RAW_RECORD_BYTES_MAX)
#define BEHIND_BYTES ((PADDINGS_MAX + 2) * RAW_RECORD_BYTES_MAX)
_Static_assert(RAW_CHAIN_CANDIDATES + SEARCH_REACH_BYTES + BEHIND_BYTES < RAW_CHAIN_VIEW_BYTES, "a search stays inside");
_Static_assert(LIKELY_REACH_BYTES + BEHIND_BYTES < RAW_CHAIN_VIEW_BYTES, "a look stays inside");

enum chain {
	CHAIN_HOLDS,
	CHAIN_BREAKS,	/* something stands there that is no record */
	CHAIN_SHORT,	/* it ends before it proves anything */
};

struct walk {
	const uint8_t *data;
	uint64_t size;
	uint64_t start;
	uint64_t span;		/* bytes that prove a chain; 0: FOLLOWERS_MIN records do */
	uint32_t anchor;	/* seconds of a frame before, 0: none */
	uint8_t *visited;	/* a bit per offset from which a chain broke; NULL: do not care */
};

bool raw_seconds_near(uint32_t seconds, uint32_t earlier)
{
	int64_t later_by = (int64_t)seconds - earlier;

	return later_by >= -EARLIER_SECONDS && later_by <= LATER_SECONDS;
}

/* Does padding stand there, and nothing behind it but the end? */
static bool only_padding_left(const struct walk *walk, struct hpcap_raw_item item)
{
	unsigned int hops;

	for (hops = 0; hops < PADDINGS_MAX && item.kind == HPCAP_RAW_PADDING; hops++) {
		if (item.caplen == 0 && item.next_offset != walk->size)
			return false;
		item = hpcap_raw_scan(walk->data, walk->size, item.next_offset);
	}
	return item.kind == HPCAP_RAW_END;
}

/* The chain leads to item, which is no whole frame. */
static enum chain judge_end(const struct walk *walk, const struct hpcap_raw_item *first,
			    const struct hpcap_raw_item *item, uint32_t previous, unsigned int followers, bool varied)
{
	const bool alone = followers == 0 && walk->span;

	if (followers && !varied && item->kind != HPCAP_RAW_PADDING)
		return CHAIN_SHORT;
	switch (item->kind) {
	case HPCAP_RAW_END:
	case HPCAP_RAW_PADDING:
		if (!only_padding_left(walk, *item))
			return CHAIN_BREAKS;
		return !alone || (walk->anchor && raw_seconds_near(first->seconds, walk->anchor)) ? CHAIN_HOLDS :
												    CHAIN_SHORT;
	case HPCAP_RAW_SHORT_END:
		return alone ? CHAIN_SHORT : CHAIN_HOLDS;
	case HPCAP_RAW_CUT_FRAME:
		if (!raw_seconds_near(item->seconds, previous))
			return CHAIN_BREAKS;
		return !walk->span || followers >= FOLLOWERS_MIN ? CHAIN_HOLDS : CHAIN_SHORT;
	case HPCAP_RAW_CUT_PADDING:
		return !walk->span || followers >= FOLLOWERS_MIN ? CHAIN_HOLDS : CHAIN_SHORT;
	default:
		return CHAIN_BREAKS;
	}
}

static bool proves(const struct walk *walk, uint64_t at, unsigned int followers, bool varied)
{
	if (!varied)
		return false;
	if (!walk->span)
		return followers >= FOLLOWERS_MIN;
	return at - walk->start > walk->span && followers >= SPAN_FOLLOWERS_MIN;
}

/* Has a chain that broke gone on from there? */
static bool was_visited(const struct walk *walk, uint64_t at)
{
	return walk->visited && walk->visited[at / 8] & 1u << at % 8;
}

/* varied: not the same header over and over, which is what text that repeats itself reads as */
static enum chain follow(const struct walk *walk, bool mark)
{
	const struct hpcap_raw_item first = hpcap_raw_scan(walk->data, walk->size, walk->start);
	uint64_t at = first.next_offset;
	uint32_t previous = first.seconds;
	unsigned int followers = 0, paddings = 0;
	const uint64_t reach = walk->span ? SEARCH_REACH_BYTES : LIKELY_REACH_BYTES;
	bool varied = false;

	if (first.kind != HPCAP_RAW_FRAME)
		return CHAIN_BREAKS;
	while (!proves(walk, at, followers, varied)) {
		struct hpcap_raw_item item = hpcap_raw_scan(walk->data, walk->size, at);

		if (at - walk->start > reach || was_visited(walk, at))
			return CHAIN_BREAKS;
		/* files put together, where a record is expected */
		if (item.kind == HPCAP_RAW_PADDING && !walk->span && item.caplen && paddings++ < PADDINGS_MAX) {
			at = item.next_offset;
			continue;
		}
		if (item.kind != HPCAP_RAW_FRAME)
			return judge_end(walk, &first, &item, previous, followers, varied);
		if (!raw_seconds_near(item.seconds, previous))
			return CHAIN_BREAKS;
		if (mark)
			walk->visited[at / 8] |= (uint8_t)(1u << at % 8);
		varied |= memcmp(walk->data + at, walk->data + walk->start, HPCAPVF_RECORD_BYTES) != 0;
		previous = item.seconds;
		at = item.next_offset;
		followers++;
	}
	return CHAIN_HOLDS;
}

/*
 * Whole frames say their length twice, so two bytes further on each header reads as one again, with the length
 * where it belongs; stamps of a few nanoseconds apart even look like times. The real chain is two bytes before.
 */
static bool is_shadow(const struct walk *walk)
{
	unsigned int link, real = 0;
	uint64_t at = walk->start;

	for (link = 0; link < SHADOW_LINKS; link++) {
		const struct hpcap_raw_item item = hpcap_raw_scan(walk->data, walk->size, at);
		struct hpcap_raw_item before;

		if (item.kind != HPCAP_RAW_FRAME)
			break;
		if (at >= SHADOW_SHIFT) {
			before = hpcap_raw_scan(walk->data, walk->size, at - SHADOW_SHIFT);
			real += before.kind == HPCAP_RAW_FRAME && before.caplen == before.len &&
				before.next_offset + SHADOW_SHIFT == item.next_offset;
		}
		at = item.next_offset;
	}
	return real >= 2;
}

bool raw_chain_is_likely(const uint8_t *data, uint64_t size)
{
	const struct walk walk = { .data = data, .size = size };

	return follow(&walk, false) == CHAIN_HOLDS && !is_shadow(&walk);
}

/* What makes most offsets no frame, without a call. */
static inline bool may_be_frame(const uint8_t *at)
{
	struct hpcapvf_record header;

	memcpy(&header, at, sizeof(header));
	return header.seconds && core_le32(header.nanoseconds) < 1000000000u && header.caplen &&
	       core_le16(header.caplen) <= core_le16(header.len);
}

uint64_t raw_chain_search(const uint8_t *data, uint64_t size, uint64_t candidates, uint32_t longest, uint32_t anchor)
{
	static _Thread_local uint8_t visited[(RAW_CHAIN_CANDIDATES + SEARCH_REACH_BYTES) / 8 + 1];
	const uint64_t longest_record = HPCAPVF_RECORD_BYTES + longest;
	struct walk walk = { .data = data, .size = size, .anchor = anchor, .visited = visited,
			     .span = longest_record > SPAN_MIN ? longest_record : SPAN_MIN };

	/* A chain that leads to where another one broke breaks as well: no file takes more than linear time. */
	memset(visited, 0, sizeof(visited));
	for (; walk.start < candidates && size - walk.start >= HPCAPVF_RECORD_BYTES; walk.start++) {
		if (!may_be_frame(data + walk.start))
			continue;
		switch (follow(&walk, false)) {
		case CHAIN_HOLDS:
			if (!is_shadow(&walk))
				return walk.start;
			break;
		case CHAIN_BREAKS:
			(void)follow(&walk, true);
			break;
		case CHAIN_SHORT:
			break;
		}
	}
	return UINT64_MAX;
}
