// SPDX-License-Identifier: GPL-2.0-or-later
/* The listeners' side of the record ring: reading, being overtaken, and the account of each. */
#include "core/ring.h"

/* A lossy read copies at most this part of the ring at once, so that it is seldom overtaken while it copies. */
#define LOSSY_READ_PARTS 8

/* Counts what lies between the listener's record and target as lost, and goes on there. */
static void skip_to(struct hpcap_listener *self, const struct hpcap_mark *target)
{
	__u64 frames = target->frames - self->record.frames;
	__u64 bytes = target->bytes - self->record.bytes;

	self->lost_frames += frames;
	self->lost_bytes += bytes;
	if (frames) {
		self->untold.frames += frames;
		self->untold.bytes += bytes;
		self->untold.seconds = target->seconds;
		self->untold.nanoseconds = target->nanoseconds;
	}
	self->record = *target;
	core_store_release(&self->read_offset, target->offset);
}

/*
 * In two steps. As soon as the listener is lossless it holds the producer at the offset seen first. The producer
 * may already have been further, so the listener then moves up to what is published by now: all records from
 * there on are whole, and stay.
 */
static void hold(struct hpcap_ring *ring, unsigned int listener, struct hpcap_mark *start)
{
	core_store_release(&ring->listeners[listener].read_offset, hpcap_ring_published_offset(ring));
	core_store_release(&ring->lossless, core_load(&ring->lossless) | 1u << listener);
	core_store_release(&ring->active, core_load(&ring->active) | 1u << listener);
	core_full_barrier();
	hpcap_ring_newest(ring, start);
}

int hpcap_ring_attach(struct hpcap_ring *ring)
{
	__u32 active = core_load(&ring->active);
	struct hpcap_listener *self;
	struct hpcap_mark start;
	unsigned int i;

	for (i = 0; i < HPCAPVF_LISTENERS_MAX; i++)
		if (!(active & (1u << i)))
			break;
	if (i == HPCAPVF_LISTENERS_MAX)
		return -EBUSY;
	self = &ring->listeners[i];
	hold(ring, i, &start);
	self->record = start;
	self->start_frames = start.frames;
	self->start_bytes = start.bytes;
	self->lost_frames = 0;
	self->lost_bytes = 0;
	self->overtaken = 0;
	memset(&self->untold, 0, sizeof(self->untold));
	self->lossy = false;
	core_store_release(&self->read_offset, start.offset);
	return (int)i;
}

void hpcap_ring_detach(struct hpcap_ring *ring, unsigned int listener)
{
	core_store_release(&ring->active, core_load(&ring->active) & ~(1u << listener));
	core_store_release(&ring->lossless, core_load(&ring->lossless) & ~(1u << listener));
}

int hpcap_ring_set_policy(struct hpcap_ring *ring, unsigned int listener, bool lossy)
{
	struct hpcap_listener *self = &ring->listeners[listener];
	struct hpcap_mark start;

	if (self->lossy == lossy)
		return 0;
	if (self->record.offset != core_load(&self->read_offset))
		return -EBUSY;
	self->lossy = lossy;
	if (lossy) {
		core_store_release(&ring->lossless, core_load(&ring->lossless) & ~(1u << listener));
		return 0;
	}
	hold(ring, listener, &start);
	/* the offset is published before the counters: it may have read further than they say */
	skip_to(self, start.offset < self->record.offset ? &self->record : &start);
	return 0;
}

void hpcap_ring_begin_anew(struct hpcap_ring *ring)
{
	__u32 active = core_load(&ring->active);
	struct hpcap_mark newest;
	unsigned int i;

	hpcap_ring_newest(ring, &newest);
	for (i = 0; i < HPCAPVF_LISTENERS_MAX; i++)
		if (active & (1u << i))
			skip_to(&ring->listeners[i], &newest);
}

__u64 hpcap_ring_read_offset(const struct hpcap_ring *ring, unsigned int listener)
{
	return core_load(&ring->listeners[listener].read_offset);
}

__u64 hpcap_ring_published_offset(const struct hpcap_ring *ring)
{
	return core_load_acquire(&ring->control->write_offset);
}

__u64 hpcap_ring_available(const struct hpcap_ring *ring, unsigned int listener)
{
	return hpcap_ring_published_offset(ring) - hpcap_ring_read_offset(ring, listener);
}

/* Call it after reading: were the bytes from offset on still those that were published there? */
static bool whole_from(const struct hpcap_ring *ring, __u64 offset)
{
	core_read_barrier();
	return core_load(&ring->control->claim_offset) <= offset + ring->size;
}

/*
 * The last mark in (after, not_after] if its bytes are still there. Only the newest marks are looked at: older
 * ones lie more than a ring behind.
 */
static bool find_mark(const struct hpcap_ring *ring, __u64 after, __u64 not_after, struct hpcap_mark *out)
{
	__u64 count = core_load_acquire(&ring->mark_count), i;

	for (i = 1; i <= HPCAP_RING_PARTS + 1 && i <= count; i++) {
		const struct hpcap_mark *mark = &ring->marks[(count - i) % HPCAP_MARKS];

		out->offset = core_load(&mark->offset);
		if (out->offset > not_after)
			continue;
		out->frames = core_load(&mark->frames);
		out->bytes = core_load(&mark->bytes);
		out->seconds = core_load(&mark->seconds);
		out->nanoseconds = core_load(&mark->nanoseconds);
		return out->offset > after && whole_from(ring, out->offset);
	}
	return false;
}

static void be_overtaken(struct hpcap_ring *ring, struct hpcap_listener *self)
{
	__u64 published = hpcap_ring_published_offset(ring);
	struct hpcap_mark target;

	if (!find_mark(ring, self->record.offset, published - ring->size / 2, &target))
		hpcap_ring_newest(ring, &target);
	self->overtaken++;
	skip_to(self, &target);
}

void hpcap_ring_catch_up(struct hpcap_ring *ring, unsigned int listener)
{
	struct hpcap_listener *self = &ring->listeners[listener];

	if (self->lossy && !whole_from(ring, self->record.offset))
		be_overtaken(ring, self);
}

const __u8 *hpcap_ring_view(const struct hpcap_ring *ring, unsigned int listener, __u64 *length)
{
	*length = hpcap_ring_available(ring, listener);
	if (*length > ring->size)	/* overtaken: there is no more than this in the ring */
		*length = ring->size;
	return ring->data + hpcap_ring_read_offset(ring, listener) % ring->size;
}

/* The producer may be writing here: the caller looks at the claim afterwards. */
core_unwatched static struct hpcapvf_record peek(const __u8 *data)
{
	struct hpcapvf_record header;

	__builtin_memcpy(&header, data, sizeof(header));
	return header;
}

/* Moves at over the records that end at or before offset. Bounded also when what it reads is being overwritten. */
static void walk(const struct hpcap_ring *ring, struct hpcap_mark *at, __u64 offset)
{
	__u64 position = at->offset % ring->size;

	while (at->offset + HPCAPVF_RECORD_BYTES <= offset) {
		struct hpcapvf_record header = peek(ring->data + position);
		__u32 bytes = HPCAPVF_RECORD_BYTES + core_le16(header.caplen);

		if (at->offset + bytes > offset)
			return;
		at->offset += bytes;
		at->frames++;
		at->bytes += core_le16(header.len);
		position += bytes;
		if (position >= ring->size)
			position -= ring->size;
	}
}

int hpcap_ring_advance(struct hpcap_ring *ring, unsigned int listener, __u64 offset)
{
	struct hpcap_listener *self = &ring->listeners[listener];
	struct hpcap_mark at = self->record, mark;

	if (offset < core_load(&self->read_offset) || offset > hpcap_ring_published_offset(ring))
		return -EINVAL;
	/* the records are counted one by one, but never more than a part of the ring */
	if (offset - at.offset > ring->size / HPCAP_RING_PARTS && find_mark(ring, at.offset, offset, &mark))
		at = mark;
	walk(ring, &at, offset);
	if (self->lossy && !whole_from(ring, self->record.offset)) {
		be_overtaken(ring, self);
		return -ESTALE;
	}
	if (self->lossy && at.offset != offset)
		return -EINVAL;
	self->record = at;
	core_store_release(&self->read_offset, offset);
	return 0;
}

static __s64 tell_loss(struct hpcap_listener *self, void *to, __u64 count,
		       int (*copy)(void *to, const void *from, __u64 bytes))
{
	__u8 record[HPCAP_LOSS_RECORD_BYTES];
	int error;

	if (count < sizeof(record))
		return -EMSGSIZE;
	hpcap_loss_build(record, &self->untold);
	error = copy(to, record, sizeof(record));
	if (error)
		return error;
	memset(&self->untold, 0, sizeof(self->untold));
	return sizeof(record);
}

static __s64 read_lossless(struct hpcap_ring *ring, unsigned int listener, void *to, __u64 count,
			   int (*copy)(void *to, const void *from, __u64 bytes))
{
	__u64 bytes;
	const __u8 *data = hpcap_ring_view(ring, listener, &bytes);
	int error;

	if (bytes > count)
		bytes = count;
	error = copy(to, data, bytes);
	if (!error)
		error = hpcap_ring_advance(ring, listener, hpcap_ring_read_offset(ring, listener) + bytes);
	return error ? error : (__s64)bytes;
}

/* -ESTALE: overtaken meanwhile, try again. */
static __s64 read_whole_records(struct hpcap_ring *ring, unsigned int listener, void *to, __u64 count,
				int (*copy)(void *to, const void *from, __u64 bytes))
{
	struct hpcap_listener *self = &ring->listeners[listener];
	struct hpcap_mark at = self->record;
	__u64 available, bytes;
	const __u8 *data = hpcap_ring_view(ring, listener, &available);
	int error;

	if (!available)
		return 0;
	bytes = available < ring->size / LOSSY_READ_PARTS ? available : ring->size / LOSSY_READ_PARTS;
	walk(ring, &at, self->record.offset + (bytes < count ? bytes : count));
	bytes = at.offset - self->record.offset;
	error = bytes ? copy(to, data, bytes) : -EMSGSIZE;
	if (error == -EMSGSIZE && !whole_from(ring, self->record.offset))
		return -ESTALE;
	if (!error)
		error = hpcap_ring_advance(ring, listener, at.offset);
	return error ? error : (__s64)bytes;
}

__s64 hpcap_ring_read(struct hpcap_ring *ring, unsigned int listener, void *to, __u64 count,
		      int (*copy)(void *to, const void *from, __u64 bytes))
{
	struct hpcap_listener *self = &ring->listeners[listener];
	__s64 result;

	do {
		hpcap_ring_catch_up(ring, listener);
		if (self->untold.frames)
			return tell_loss(self, to, count, copy);
		result = self->lossy ? read_whole_records(ring, listener, to, count, copy) :
				       read_lossless(ring, listener, to, count, copy);
	} while (result == -ESTALE);
	return result;
}

void hpcap_ring_listener_stats(const struct hpcap_ring *ring, unsigned int listener,
			       struct hpcapvf_listener_stats *out)
{
	const struct hpcap_listener *self = &ring->listeners[listener];
	struct hpcap_mark newest;

	hpcap_ring_newest(ring, &newest);
	/* the offset is published before the counters: a fast listener may have read further than they say */
	if (newest.offset < self->record.offset)
		newest = self->record;
	memset(out, 0, sizeof(*out));
	out->offered = newest.frames - self->start_frames;
	out->offered_bytes = newest.bytes - self->start_bytes;
	out->lost = self->lost_frames;
	out->lost_bytes = self->lost_bytes;
	out->unread = newest.frames - self->record.frames;
	out->unread_bytes = newest.bytes - self->record.bytes;
	out->read = self->record.frames - self->start_frames - self->lost_frames;
	out->read_bytes = self->record.bytes - self->start_bytes - self->lost_bytes;
	out->overtaken = self->overtaken;
	out->read_offset = core_load(&self->read_offset);
	out->policy = self->lossy ? HPCAPVF_POLICY_LOSSY : HPCAPVF_POLICY_LOSSLESS;
	out->listener = listener;
}
