/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The time of each frame (thesis, section 4.2). A frame is stamped when it is taken (KPT), or a burst is stamped
 * once and the time since the last frame before it is shared out among its frames: evenly (UDTS, equation 4.3) or
 * by what they take of the link (WDTS, equation 4.4).
 *
 * Within a queue times never go back.
 */
#ifndef HPCAP_CORE_STAMP_H
#define HPCAP_CORE_STAMP_H

#include "core/port.h"

enum hpcap_stamp_method {
	HPCAP_STAMP_FRAME,
	HPCAP_STAMP_UDTS,
	HPCAP_STAMP_WDTS,
	HPCAP_STAMP_AUTO,	/* per frame while there are gaps; WDTS from the second full burst in a row on */
};

/* Preamble, CRC and gap between frames: what a frame takes of the link besides its bytes. */
#define HPCAP_LINK_OVERHEAD_BYTES 24u

struct hpcap_stamper {
	enum hpcap_stamp_method method;
	bool was_full;		/* the burst before was as long as one may be */
	__u64 last_ns;		/* time of the last frame, 0: there was none */
	__u64 second_begin_ns;
	__u32 second;
	__u64 went_back;	/* how often a time had to be held: the counter itself went back */

	/* of the burst; share: ns for a weight of 1, times 2^16 */
	__u64 begin_ns;
	__u64 end_ns;
	__u64 weight;
	__u64 share;
};

/* Is this burst (full: as long as one may be) to be shared out? Else each frame is stamped when it is taken. */
static inline bool hpcap_stamp_shares(struct hpcap_stamper *stamper, bool full)
{
	bool saturated = full && stamper->was_full;

	stamper->was_full = full;
	if (stamper->method == HPCAP_STAMP_AUTO)
		return saturated;
	return stamper->method != HPCAP_STAMP_FRAME;
}

/* How much of a burst's time a frame has: 1, or what it takes of the link. Without a branch for each frame. */
struct hpcap_weighing {
	__u32 mask;
	__u32 add;
};

static inline struct hpcap_weighing hpcap_stamp_weighing(const struct hpcap_stamper *stamper)
{
	const bool evenly = stamper->method == HPCAP_STAMP_UDTS;

	return (struct hpcap_weighing){ evenly ? 0 : ~0u, evenly ? 1 : HPCAP_LINK_OVERHEAD_BYTES };
}

static inline __u32 hpcap_weigh(struct hpcap_weighing weighing, __u32 frame_bytes)
{
	return (frame_bytes & weighing.mask) + weighing.add;
}

static inline __u64 hpcap_weigh_all(struct hpcap_weighing weighing, __u64 frames, __u64 bytes)
{
	return (weighing.mask ? bytes : 0) + frames * weighing.add;
}

/* A burst that was taken at now_ns, of frames that weigh total together. */
void hpcap_stamp_begin(struct hpcap_stamper *stamper, __u64 now_ns, __u64 total);

/* The time of the next frame of the burst. */
static inline __u64 hpcap_stamp_share(struct hpcap_stamper *stamper, __u32 weight)
{
	stamper->weight += weight;
	return stamper->begin_ns + (stamper->weight * stamper->share >> 16);
}

/* Takes ns as the next frame's time; never before the last one's. Returns the nanoseconds within stamper->second. */
static inline __u32 hpcap_stamp_take(struct hpcap_stamper *stamper, __u64 ns)
{
	if (core_unlikely(ns < stamper->last_ns)) {
		stamper->went_back++;
		ns = stamper->last_ns;
	}
	stamper->last_ns = ns;
	if (core_unlikely(ns - stamper->second_begin_ns >= 1000000000u)) {
		stamper->second = (__u32)core_div64(ns, 1000000000u);
		stamper->second_begin_ns = stamper->second * 1000000000ull;
	}
	return (__u32)(ns - stamper->second_begin_ns);
}

/* Are the rest of the burst's times in order after the last one's, and in the same second? */
static inline bool hpcap_stamp_is_plain(const struct hpcap_stamper *stamper)
{
	return stamper->begin_ns >= stamper->last_ns && stamper->second &&
	       stamper->end_ns - stamper->second_begin_ns < 1000000000u;
}

/* The next frame's time as take returns it, if the burst is plain. The caller sets last_ns after the last one. */
static inline __u32 hpcap_stamp_share_plainly(struct hpcap_stamper *stamper, __u32 weight)
{
	stamper->weight += weight;
	return (__u32)(stamper->begin_ns - stamper->second_begin_ns) + (__u32)(stamper->weight * stamper->share >> 16);
}

#endif /* HPCAP_CORE_STAMP_H */
