// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/raw_reader.h"

#include <string.h>

#include "core/raw_scan.h"
#include "lib/raw_chain.h"

#define NOWHERE UINT64_MAX
/* A record and the header behind it. */
#define LOOK_BYTES (RAW_RECORD_BYTES_MAX + RAW_RECORD_BYTES_MAX)

static void start(struct raw_reader *reader)
{
	memset(&reader->totals, 0, sizeof(reader->totals));
	reader->offset = 0;
	reader->trusted = NOWHERE;
	reader->last_seconds = 0;
	reader->longest = 0;
	reader->padded = false;
	reader->done = false;
}

int raw_reader_open(struct raw_reader *reader, int fd)
{
	start(reader);
	return byte_input_open(&reader->input, fd);
}

void raw_reader_memory(struct raw_reader *reader, const void *data, uint64_t size)
{
	start(reader);
	byte_input_memory(&reader->input, data, size);
}

void raw_reader_close(struct raw_reader *reader)
{
	byte_input_close(&reader->input);
}

bool raw_reader_is_unusable(const struct raw_reader *reader)
{
	return reader->totals.frames == 0 && reader->totals.faults != 0;
}

static int found(struct raw_reader *reader, struct raw_event *event, enum raw_finding finding, uint64_t offset,
		 uint64_t skipped)
{
	*event = (struct raw_event){ .offset = offset, .finding = finding, .skipped = skipped };
	reader->totals.skipped_bytes += skipped;
	if (raw_finding_is_fault(finding))
		reader->totals.faults++;
	else
		reader->totals.notes++;
	return 1;
}

/* Where records begin again from an offset on, or the end of the file. */
static uint64_t resume(struct raw_reader *reader, uint64_t offset)
{
	uint64_t available, candidates, at;
	const uint8_t *data;

	for (;;) {
		data = byte_input_view(&reader->input, offset, RAW_CHAIN_VIEW_BYTES, &available);
		candidates = available < RAW_CHAIN_CANDIDATES ? available : RAW_CHAIN_CANDIDATES;
		at = raw_chain_search(data, available, candidates, reader->longest, reader->last_seconds);
		if (at != NOWHERE)
			return offset + at;
		offset += candidates;
		if (candidates == available)
			return offset;
	}
}

static int skip_to_next_record(struct raw_reader *reader, struct raw_event *event, enum raw_finding finding)
{
	const uint64_t from = reader->offset;
	uint64_t rest;

	reader->offset = resume(reader, from + 1);
	reader->trusted = reader->offset;
	reader->padded = false;
	byte_input_view(&reader->input, reader->offset, 1, &rest);
	reader->done = rest == 0;
	if (finding == RAW_CUT_FRAME && !reader->done)
		finding = RAW_BAD_LENGTH;
	if (finding != RAW_CUT_FRAME && reader->totals.frames == 0 && from == reader->totals.padding_bytes)
		finding = RAW_NO_RECORD_AT_START;
	return found(reader, event, finding, from, reader->offset - from);
}

static bool record_is_likely(struct raw_reader *reader, uint64_t offset)
{
	uint64_t available;
	const uint8_t *data = byte_input_view(&reader->input, reader->offset, RAW_CHAIN_VIEW_BYTES, &available);

	return raw_chain_is_likely(data + (offset - reader->offset), available - (offset - reader->offset));
}

/* Is what follows a frame in order? If not, a length that claims less than the wire had may be what is damaged. */
static bool is_followed(struct raw_reader *reader, const struct hpcap_raw_item *item)
{
	uint64_t available;
	const uint8_t *record = byte_input_view(&reader->input, reader->offset, LOOK_BYTES, &available);
	const struct hpcap_raw_item next = hpcap_raw_scan(record, available, item->next_offset);

	switch (next.kind) {
	case HPCAP_RAW_FRAME:
	case HPCAP_RAW_CUT_FRAME:
		return raw_seconds_near(next.seconds, item->seconds) ||
		       record_is_likely(reader, reader->offset + next.offset);
	case HPCAP_RAW_PADDING:
		return next.caplen || next.next_offset == available;
	case HPCAP_RAW_END:
	case HPCAP_RAW_SHORT_END:
		return true;
	case HPCAP_RAW_CUT_PADDING:
	case HPCAP_RAW_IMPLAUSIBLE:
		break;
	}
	return false;
}

static int give_frame(struct raw_reader *reader, const struct hpcap_raw_item *item, const uint8_t *record,
		      struct raw_event *event)
{
	event->is_frame = true;
	event->offset = reader->offset;
	event->data = record + HPCAPVF_RECORD_BYTES;
	event->seconds = item->seconds;
	event->nanoseconds = item->nanoseconds;
	event->caplen = item->caplen;
	event->len = item->len;
	reader->offset += HPCAPVF_RECORD_BYTES + item->caplen;
	reader->last_seconds = item->seconds;
	reader->padded = false;
	if (item->caplen > reader->longest)
		reader->longest = item->caplen;
	reader->totals.frames++;
	reader->totals.frame_bytes += item->caplen;
	return 1;
}

/* A whole frame seems to stand there, but not right behind another of its time. */
static int check_frame(struct raw_reader *reader, const struct hpcap_raw_item *item, struct raw_event *event)
{
	const bool after_padding = reader->padded;

	if (reader->offset != reader->trusted && !record_is_likely(reader, reader->offset))
		return skip_to_next_record(reader, event, RAW_NO_RECORD);
	reader->trusted = reader->offset;
	reader->padded = false;
	if (after_padding)
		return found(reader, event, reader->last_seconds ? RAW_FRAMES_AFTER_PADDING : RAW_PADDING_AT_START,
			     reader->last_seconds ? reader->offset : 0, 0);
	if (reader->last_seconds && !raw_seconds_near(item->seconds, reader->last_seconds)) {
		reader->last_seconds = item->seconds;
		return found(reader, event, RAW_CLOCK_JUMP, reader->offset, 0);
	}
	return 0;
}

static int frame(struct raw_reader *reader, const struct hpcap_raw_item *item, struct raw_event *event)
{
	const uint8_t *record;
	uint64_t available;
	const bool expected = !reader->padded && reader->last_seconds &&
			      raw_seconds_near(item->seconds, reader->last_seconds);

	if (!expected && check_frame(reader, item, event))
		return 1;
	if (item->caplen < item->len && !is_followed(reader, item))
		return skip_to_next_record(reader, event, RAW_DOUBTFUL_FRAME);
	/* a look further ahead may have moved the window */
	record = byte_input_view(&reader->input, reader->offset, item->next_offset, &available);
	return give_frame(reader, item, record, event);
}

static int padding(struct raw_reader *reader, const struct hpcap_raw_item *item, uint64_t available,
		   struct raw_event *event)
{
	/* zeros read as padding of no bytes, over and over */
	if (item->caplen == 0 && item->next_offset != available &&
	    !record_is_likely(reader, reader->offset + item->next_offset))
		return skip_to_next_record(reader, event, RAW_ZEROS);
	reader->offset += item->next_offset;
	reader->totals.padding_bytes += item->next_offset;
	reader->padded = true;
	return 0;
}

static bool all_zero(const uint8_t *data, uint64_t count)
{
	while (count && data[count - 1] == 0)
		count--;
	return count == 0;
}

static int end(struct raw_reader *reader, const uint8_t *rest, uint64_t count, struct raw_event *event)
{
	const uint64_t at = reader->offset;

	reader->done = true;
	reader->offset += count;
	if (at == 0 && count == 0)
		return found(reader, event, RAW_EMPTY, 0, 0);
	if (!all_zero(rest, count))
		return found(reader, event, RAW_CUT_HEADER, at, count);
	reader->totals.padding_bytes += count;
	if (!reader->padded && reader->totals.frames)
		return found(reader, event, RAW_NO_PADDING, at, 0);
	return 0;
}

static bool claims_padding(const uint8_t *record)
{
	return all_zero(record, 8);
}

int raw_reader_next(struct raw_reader *reader, struct raw_event *event)
{
	int result = 0;

	while (!result && !reader->done) {
		uint64_t available;
		const uint8_t *record = byte_input_view(&reader->input, reader->offset, LOOK_BYTES, &available);
		const struct hpcap_raw_item item = hpcap_raw_scan(record, available, 0);

		switch (item.kind) {
		case HPCAP_RAW_FRAME:
			result = frame(reader, &item, event);
			break;
		case HPCAP_RAW_PADDING:
			result = padding(reader, &item, available, event);
			break;
		case HPCAP_RAW_END:
		case HPCAP_RAW_SHORT_END:
			if (reader->input.error)
				reader->done = true;
			else
				result = end(reader, record, available, event);
			break;
		case HPCAP_RAW_CUT_FRAME:
			result = skip_to_next_record(reader, event,
						     !reader->last_seconds ||
						     raw_seconds_near(item.seconds, reader->last_seconds) ?
						     RAW_CUT_FRAME : RAW_NO_RECORD);
			break;
		case HPCAP_RAW_CUT_PADDING:
			result = skip_to_next_record(reader, event, RAW_BAD_PADDING);
			break;
		case HPCAP_RAW_IMPLAUSIBLE:
			result = skip_to_next_record(reader, event,
						     claims_padding(record) ? RAW_BAD_PADDING : RAW_NO_RECORD);
			break;
		}
	}
	reader->totals.file_bytes = reader->offset;
	return result ? result : reader->input.error;
}
