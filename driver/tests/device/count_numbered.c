// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How many of the numbered frames are in captures, for comparing capture programs: count_numbered raw|pcap FILE...
 * One JSON object. distinct: different numbers, which is what was stored; a frame that is there twice counts once.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/input_file.h"
#include "lib/pcap_reader.h"
#include "lib/raw_reader.h"
#include "tests/check.h"
#include "tests/device/numbered.h"

#define NUMBERS_MAX (1u << 24)

struct count {
	uint64_t frames;
	uint64_t numbered;
	uint64_t distinct;
	uint64_t cut;	/* numbered frames that are shorter than they were */
	uint64_t faults;
	uint8_t seen[NUMBERS_MAX / 8];
};

static void look_at(struct count *count, const uint8_t *data, uint64_t kept, uint64_t length)
{
	static const uint8_t type[2] = { NUMBERED_TYPE >> 8, NUMBERED_TYPE & 0xff };
	uint64_t number;

	count->frames++;
	if (kept < NUMBERED_BYTES_MIN || memcmp(data + 12, type, sizeof(type)) != 0)
		return;
	count->numbered++;
	count->cut += kept < length;
	number = numbered_number(data);
	if (number >= NUMBERS_MAX || count->seen[number / 8] & 1u << number % 8)
		return;
	count->seen[number / 8] |= (uint8_t)(1u << number % 8);
	count->distinct++;
}

static void count_raw(struct count *count, int fd)
{
	struct raw_reader reader;
	struct raw_event event;
	int result;

	CHECK_EQUAL(raw_reader_open(&reader, fd), 0);
	while ((result = raw_reader_next(&reader, &event)) == 1) {
		if (event.is_frame)
			look_at(count, event.data, event.caplen, event.len);
		else
			count->faults += raw_finding_is_fault(event.finding);
	}
	CHECK_EQUAL(result, 0);
	raw_reader_close(&reader);
}

static void count_pcap(struct count *count, int fd)
{
	static struct pcap_reader reader;
	struct pcap_frame frame;
	enum pcap_got got;

	CHECK_EQUAL(pcap_reader_open(&reader, fd), 0);
	got = pcap_reader_start(&reader);
	while (got != PCAP_BROKEN && (got = pcap_reader_next(&reader, &frame)) != PCAP_END) {
		if (got == PCAP_FRAME)
			look_at(count, (const uint8_t *)frame.data, frame.caplen, frame.len);
		else
			count->faults++;
	}
	count->faults += got == PCAP_BROKEN;
	pcap_reader_close(&reader);
}

int main(int argc, char **argv)
{
	static struct count count;
	int file, fd;

	CHECK(argc >= 2);
	for (file = 2; file < argc; file++) {
		fd = input_file_open(argv[file]);
		CHECK(fd >= 0);
		if (strcmp(argv[1], "raw") == 0)
			count_raw(&count, fd);
		else
			count_pcap(&count, fd);
		close(fd);
	}
	printf("{\"frames\": %llu, \"numbered\": %llu, \"distinct\": %llu, \"cut\": %llu, \"faults\": %llu}\n",
	       (unsigned long long)count.frames, (unsigned long long)count.numbered, (unsigned long long)count.distinct,
	       (unsigned long long)count.cut, (unsigned long long)count.faults);
	return 0;
}
