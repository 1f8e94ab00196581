// SPDX-License-Identifier: GPL-2.0-or-later
#include "convert.h"

#include <stdbool.h>
#include <string.h>

#include "core/raw_scan.h"
#include "pcap_writer.h"

/* Three records in a row, close in time, do not look right by chance; a set clock must convince by more. */
#define START_DEPTH 3
#define JUMP_DEPTH 8
/* Frames next to each other in a file are not further apart, unless the clock was set. */
#define SECONDS_APART_MAX 86400u

struct conversion {
	const uint8_t *data;
	uint64_t size;
	FILE *out;
	struct convert_report *report;
	struct hpcap_raw_item pending;	/* a frame that waits for what follows it; kind END: none */
	uint64_t clock_jumps;
};

static uint64_t skip_padding(const uint8_t *data, uint64_t size)
{
	struct hpcap_raw_item item = hpcap_raw_scan(data, size, 0);

	while (item.kind == HPCAP_RAW_PADDING)
		item = hpcap_raw_scan(data, size, item.next_offset);
	return item.offset;
}

int convert_check_start(const uint8_t *data, uint64_t size, struct convert_report *report)
{
	uint64_t start = skip_padding(data, size);
	struct hpcap_raw_item first = hpcap_raw_scan(data, size, start);
	struct hpcap_raw_item second;
	bool sound = hpcap_raw_chain_is_sound(data, size, start, START_DEPTH, UINT32_MAX);

	if (size == 0) {
		snprintf(report->fault, sizeof(report->fault), "the file is empty");
		return -1;
	}
	if (first.kind == HPCAP_RAW_CUT_FRAME || (first.kind == HPCAP_RAW_SHORT_END && start == 0) ||
	    (first.kind == HPCAP_RAW_CUT_PADDING && start == 0)) {
		snprintf(report->fault, sizeof(report->fault), "not one whole record: not RAW, or cut in its first frame");
		return -1;
	}
	if (sound && first.kind == HPCAP_RAW_FRAME) {
		second = hpcap_raw_scan(data, size, first.next_offset);
		if (second.kind == HPCAP_RAW_FRAME || second.kind == HPCAP_RAW_CUT_FRAME)
			sound = hpcap_raw_seconds_between(first.seconds, second.seconds) <= SECONDS_APART_MAX;
	}
	if (!sound)
		snprintf(report->fault, sizeof(report->fault),
			 "no chain of records at offset %llu: not RAW, or the file begins in the middle of a frame",
			 (unsigned long long)start);
	return sound ? 0 : -1;
}

static int write_pending(struct conversion *conversion)
{
	const struct hpcap_raw_item *frame = &conversion->pending;
	int error;

	if (frame->kind != HPCAP_RAW_FRAME)
		return 0;
	error = pcap_write_frame(conversion->out, frame->seconds, frame->nanoseconds,
				 conversion->data + frame->offset + HPCAPVF_RECORD_BYTES, frame->caplen, frame->len);
	conversion->report->frames++;
	conversion->report->bytes += frame->caplen;
	conversion->pending.kind = HPCAP_RAW_END;
	return error;
}

/* A frame far in time from the one before: the clock was set if what follows hangs together, else a fault. */
static bool breaks_the_chain(struct conversion *conversion, const struct hpcap_raw_item *item)
{
	if (item->kind != HPCAP_RAW_FRAME && item->kind != HPCAP_RAW_CUT_FRAME)
		return item->kind == HPCAP_RAW_IMPLAUSIBLE;
	if (conversion->pending.kind != HPCAP_RAW_FRAME ||
	    hpcap_raw_seconds_between(conversion->pending.seconds, item->seconds) <= SECONDS_APART_MAX)
		return false;
	if (item->kind == HPCAP_RAW_CUT_FRAME ||
	    !hpcap_raw_chain_is_sound(conversion->data, conversion->size, item->offset, JUMP_DEPTH, SECONDS_APART_MAX))
		return true;
	conversion->clock_jumps++;
	snprintf(conversion->report->note, sizeof(conversion->report->note),
		 "the clock jumps %llu times by more than a day, last at offset %llu",
		 (unsigned long long)conversion->clock_jumps, (unsigned long long)item->offset);
	return false;
}

static void describe_end(const struct hpcap_raw_item *item, bool padded, struct convert_report *report)
{
	const unsigned long long at = item->offset;

	if (item->kind == HPCAP_RAW_CUT_FRAME)
		snprintf(report->fault, sizeof(report->fault), "the last frame, at offset %llu, is cut", at);
	else if (item->kind == HPCAP_RAW_CUT_PADDING)
		snprintf(report->fault, sizeof(report->fault), "the padding at offset %llu is cut", at);
	else if (!padded && !report->note[0])
		snprintf(report->note, sizeof(report->note), "no padding at the end");
}

static enum convert_result stop_at_fault(struct conversion *conversion, const struct hpcap_raw_item *item)
{
	snprintf(conversion->report->fault, sizeof(conversion->report->fault),
		 "no record at offset %llu: the rest, %llu bytes, is left out%s", (unsigned long long)item->offset,
		 (unsigned long long)(conversion->size - item->offset),
		 conversion->pending.kind == HPCAP_RAW_FRAME ? ", and so is the frame before, which cannot be trusted" : "");
	return CONVERT_FAULTS;
}

enum convert_result convert_frames(const uint8_t *data, uint64_t size, FILE *out, struct convert_report *report)
{
	struct conversion conversion = {
		.data = data, .size = size, .out = out, .report = report, .pending = { .kind = HPCAP_RAW_END },
	};
	bool padded = false;
	uint64_t offset = 0;

	for (;;) {
		struct hpcap_raw_item item = hpcap_raw_scan(data, size, offset);

		if (breaks_the_chain(&conversion, &item))
			return stop_at_fault(&conversion, &item);
		if (write_pending(&conversion))
			return CONVERT_OUTPUT;
		if (item.kind != HPCAP_RAW_FRAME && item.kind != HPCAP_RAW_PADDING) {
			describe_end(&item, padded, report);
			return report->fault[0] ? CONVERT_FAULTS : CONVERT_OK;
		}
		padded = item.kind == HPCAP_RAW_PADDING;
		if (item.kind == HPCAP_RAW_FRAME)
			conversion.pending = item;
		offset = item.next_offset;
	}
}
