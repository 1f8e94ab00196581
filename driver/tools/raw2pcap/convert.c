// SPDX-License-Identifier: GPL-2.0-or-later
#include "convert.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/input_file.h"
#include "lib/output_file.h"
#include "lib/raw_reader.h"

#define NANOSECONDS_PER_SECOND 1000000000ull

static void open_output(struct conversion *conversion)
{
	conversion->opened = true;
	output_file_open(&conversion->output, conversion->output_name);
	if (!conversion->output.error)
		pcap_write_header(&conversion->output, conversion->format);
}

static bool is_wanted(const struct conversion *conversion, const struct raw_event *event)
{
	const uint64_t ns = event->seconds * NANOSECONDS_PER_SECOND + event->nanoseconds;

	return ns >= conversion->from_ns && ns < conversion->to_ns &&
	       filter_passes(conversion->filter, event->data, event->caplen, event->len);
}

static void say(const char *name, const struct raw_event *event)
{
	fprintf(stderr, "raw2pcap: %s: %s: byte %llu: %s", input_file_label(name),
		raw_finding_is_fault(event->finding) ? "fault" : "note", (unsigned long long)event->offset,
		raw_finding_text(event->finding));
	if (event->skipped)
		fprintf(stderr, ", %llu bytes left out", (unsigned long long)event->skipped);
	fputc('\n', stderr);
}

/* What raw_reader_next said last. */
static int convert_events(struct conversion *conversion, struct raw_reader *reader, const char *name,
			  uint64_t *written)
{
	struct raw_event event;
	int got;

	while ((got = raw_reader_next(reader, &event)) == 1) {
		if (!event.is_frame) {
			say(name, &event);
			continue;
		}
		if (!conversion->opened)
			open_output(conversion);
		if (conversion->output.error)
			break;
		if (is_wanted(conversion, &event)) {
			const struct pcap_frame frame = { .data = event.data, .seconds = event.seconds,
							  .nanoseconds = event.nanoseconds,
							  .caplen = event.caplen, .len = event.len };

			pcap_write_frame(&conversion->output, conversion->format, &frame);
			++*written;
		}
	}
	return got;
}

static enum convert_result judge(struct conversion *conversion, const struct raw_reader *reader, const char *name,
				 int error)
{
	if (conversion->opened && conversion->output.error)
		return CONVERT_OUTPUT;
	if (error < 0) {
		fprintf(stderr, "raw2pcap: %s: %s\n", input_file_label(name), strerror(-error));
		return CONVERT_UNUSABLE;
	}
	if (raw_reader_is_unusable(reader)) {
		fprintf(stderr, "raw2pcap: %s: unusable: no frame can be told apart\n", input_file_label(name));
		return CONVERT_UNUSABLE;
	}
	if (!conversion->opened)	/* nothing but padding */
		open_output(conversion);
	return reader->totals.faults ? CONVERT_FAULTS : CONVERT_OK;
}

enum convert_result convert_file(struct conversion *conversion, const char *name)
{
	struct raw_reader reader = { 0 };
	enum convert_result result;
	uint64_t written = 0;
	int fd = input_file_open(name);
	int error = fd < 0 ? fd : raw_reader_open(&reader, fd);

	if (!error) {
		error = convert_events(conversion, &reader, name, &written);
		raw_reader_close(&reader);
	}
	if (fd >= 0)
		close(fd);
	result = judge(conversion, &reader, name, error);
	if (result == CONVERT_OK || result == CONVERT_FAULTS)
		fprintf(stderr, "raw2pcap: %s: %llu of %llu frames\n", input_file_label(name),
			(unsigned long long)written, (unsigned long long)reader.totals.frames);
	return result;
}

enum convert_result convert_end(struct conversion *conversion)
{
	if (!conversion->opened)
		return CONVERT_OK;
	return output_file_close(&conversion->output) ? CONVERT_OUTPUT : CONVERT_OK;
}
