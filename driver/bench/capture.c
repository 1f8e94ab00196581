// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What capturing a 60-byte frame costs: descriptor, time, copy, publish, as the polling thread does it with the
 * module's own core, beside loops over the same buffers that only copy the same bytes to the same places of the ring
 * (of the record, so 72; copy_frame: without the 12 of its header), without and with a reading of the time-stamp
 * counter for each. Descriptors and buffers exceed the last-level cache. No NIC; the ring is emptied by moving the
 * read offset. Medians of several rounds, the loops taking turns; prints JSON.
 *
 * The core is compiled without vector registers, as for a kernel; the bare loops are not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/capture.h"
#include "tests/check.h"
#include "tests/ring_memory.h"

#define FRAME_BYTES 60u
#define RECORD_BYTES (HPCAPVF_RECORD_BYTES + FRAME_BYTES)
#define BUFFER_BYTES 2048u
#define FRAMES (1u << 20)
#define RING_BYTES (64u << 20)
#define BURST 64u
#define ROUNDS 21

/* As a NIC writes them back: the fields that the capture path reads, in the places where they are. */
struct descriptor {
	__u32 info;
	__u32 hash;
	__u32 status;
	__u16 length;
	__u16 vlan;
};

#define STATUS_DONE 3u

enum subject {
	COPY_FRAME,
	COPY,
	COPY_AND_COUNTER,
	CAPTURE_FRAME,
	CAPTURE_WDTS,
	CAPTURE_AUTO,
	DEDUP_FRAME,
	DEDUP_WDTS,
	SUBJECTS,
};

static const char *const names[SUBJECTS] = { "copy_frame", "copy", "copy_and_counter", "frame", "wdts", "auto", "dedup_frame",
					     "dedup_wdts" };

static struct descriptor *descriptors;
static __u8 *buffers;
static struct test_ring *memory;
static struct hpcap_capture capture;
static struct hpcapvf_control control;
static struct hpcap_dedup dedup;
static unsigned int listener;
static __u64 counter_sum;

static __u64 real_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (__u64)now.tv_sec * 1000000000u + (__u64)now.tv_nsec;
}

static __u64 ticks_now(void)
{
	return core_ticks();
}

/* Of this thread: the machine may be shared. */
static double spent_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void *allocate(size_t bytes)
{
	void *address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(address != MAP_FAILED);
	madvise(address, bytes, MADV_HUGEPAGE);	/* as in the kernel's own mapping of memory */
	return address;
}

/* The NIC's part, not measured: every frame of another flow, so no duplicates. */
static void deliver(__u32 round)
{
	__u32 i;

	for (i = 0; i < FRAMES; i++) {
		__u8 *data = buffers + (__u64)i * BUFFER_BYTES;
		__u32 source = i * 2654435761u + round;

		memset(data, 0, FRAME_BYTES);
		data[12] = 8;
		data[14] = 0x45;
		data[23] = 17;
		memcpy(data + 26, &source, sizeof(source));
		descriptors[i] = (struct descriptor){ .status = STATUS_DONE, .length = FRAME_BYTES };
	}
}

static unsigned int receive(__u32 next, struct hpcap_arrival *arrivals)
{
	unsigned int count;

	for (count = 0; count < BURST && next + count < FRAMES; count++) {
		const struct descriptor *descriptor = &descriptors[next + count];
		const __u8 *data = buffers + (__u64)(next + count) * BUFFER_BYTES;

		if (!(core_load(&descriptor->status) & 1u))
			break;
		core_read_barrier();
		arrivals[count] = (struct hpcap_arrival){
			.data = data,
			.ahead = data + HPCAP_FRAMES_AHEAD * BUFFER_BYTES,
			.length = descriptor->length,
		};
	}
	return count;
}

static void give_back(__u32 next, unsigned int count)
{
	unsigned int i;

	for (i = next; i < next + count; i++) {
		descriptors[i].status = 0;
		descriptors[i].length = 0;
		descriptors[i].vlan = 0;
	}
}

static void run_capture(void)
{
	struct hpcap_arrival arrivals[BURST];
	__u32 next = 0;

	while (next < FRAMES) {
		unsigned int count = receive(next, arrivals);

		hpcap_capture_burst(&capture, arrivals, count, count == BURST);
		give_back(next, count);
		next += count;
		/* a reader that keeps up: it moves once in a while, for which this does not pay */
		core_store_release(&capture.ring.listeners[listener].read_offset,
				   hpcap_ring_published_offset(&capture.ring));
	}
}

/* The same bytes to the same places of the ring as capturing writes; with_header: those of the record's header, too. */
static core_always_inline void run_copy(bool with_header, bool read_counter)
{
	static const __u8 header[HPCAPVF_RECORD_BYTES];
	__u8 *to = memory->ring.data;
	__u64 position = 0;
	__u32 i;

	for (i = 0; i < FRAMES; i++) {
		if (with_header)
			memcpy(to + position, header, sizeof(header));
		memcpy(to + position + HPCAPVF_RECORD_BYTES, buffers + (__u64)i * BUFFER_BYTES, FRAME_BYTES);
		if (read_counter)
			counter_sum += core_ticks();
		__asm__ volatile("" ::: "memory");
		position += RECORD_BYTES;
		if (position >= RING_BYTES)
			position -= RING_BYTES;
	}
}

static void prepare(enum subject subject)
{
	static const enum hpcap_stamp_method methods[SUBJECTS] = {
		[CAPTURE_WDTS] = HPCAP_STAMP_WDTS, [CAPTURE_AUTO] = HPCAP_STAMP_AUTO, [DEDUP_WDTS] = HPCAP_STAMP_WDTS,
	};

	capture.stamper.method = methods[subject];
	capture.dedup = subject >= DEDUP_FRAME ? &dedup : NULL;
	hpcap_capture_sync(&capture);
}

static double measure(enum subject subject, __u32 round)
{
	double begin;

	deliver(round);
	prepare(subject);
	begin = spent_ns();
	if (subject == COPY_FRAME)
		run_copy(false, false);
	else if (subject == COPY)
		run_copy(true, false);
	else if (subject == COPY_AND_COUNTER)
		run_copy(true, true);
	else
		run_capture();
	return (spent_ns() - begin) / FRAMES;
}

static int by_value(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static double median_of(double values[ROUNDS])
{
	qsort(values, ROUNDS, sizeof(double), by_value);
	return values[ROUNDS / 2];
}

/* Of neighbours in time: what else the machine does concerns both. */
static double ratio_of(const double of[ROUNDS], const double to[ROUNDS])
{
	double ratios[ROUNDS];
	__u32 round;

	for (round = 0; round < ROUNDS; round++)
		ratios[round] = of[round] / to[round];
	return median_of(ratios);
}

static void print_ratios(double ns[SUBJECTS][ROUNDS])
{
	printf("\"ratio\":{\"frame_to_copy_and_counter\":%.3f,\"wdts_to_copy\":%.3f,\"wdts_to_copy_frame\":%.3f},",
	       ratio_of(ns[CAPTURE_FRAME], ns[COPY_AND_COUNTER]), ratio_of(ns[CAPTURE_WDTS], ns[COPY]),
	       ratio_of(ns[CAPTURE_WDTS], ns[COPY_FRAME]));
}

static void print_times(double ns[SUBJECTS][ROUNDS])
{
	__u32 subject;

	printf("\"ns_per_frame\":{");
	for (subject = 0; subject < SUBJECTS; subject++) {
		const double median = median_of(ns[subject]);

		printf("%s\"%s\":{\"median\":%.2f,\"best\":%.2f,\"worst\":%.2f}", subject ? "," : "", names[subject],
		       median, ns[subject][0], ns[subject][ROUNDS - 1]);
	}
	printf("},");
}

static void set_up(void)
{
	const struct hpcap_dedup_config config = { 32768, 1, 200000, 70 };

	memory = test_ring_create(RING_BYTES, 0, 0);
	CHECK_EQUAL(hpcap_ring_init(&capture.ring, memory->ring.data, RING_BYTES, &control, 0, 0), 0);
	listener = (unsigned int)hpcap_ring_attach(&capture.ring);
	hpcap_dedup_init(&dedup, &config, allocate(hpcap_dedup_memory(&config)));
	descriptors = allocate((__u64)FRAMES * sizeof(*descriptors));
	buffers = allocate(((__u64)FRAMES + HPCAP_FRAMES_AHEAD) * BUFFER_BYTES);
	hpcap_clock_begin(&capture.clock, ticks_now, real_now);
	deliver(0);
	hpcap_clock_start(&capture.clock);
}

int main(void)
{
	double ns[SUBJECTS][ROUNDS];
	struct hpcapvf_stats stats;
	__u32 round, subject;

	set_up();
	for (round = 0; round < ROUNDS; round++)
		for (subject = 0; subject < SUBJECTS; subject++)
			ns[subject][round] = measure(subject, round * SUBJECTS + subject);
	hpcap_ring_stats(&capture.ring, &stats);
	CHECK_EQUAL(stats.published, (__u64)FRAMES * ROUNDS * (SUBJECTS - CAPTURE_FRAME));
	printf("{\"frame_bytes\":%u,\"frames_per_round\":%u,\"rounds\":%d,\"last_level_cache_bytes\":%ld,"
	       "\"touched_bytes\":%llu,",
	       FRAME_BYTES, FRAMES, ROUNDS, sysconf(_SC_LEVEL3_CACHE_SIZE),
	       FRAMES * (unsigned long long)(CORE_CACHE_LINE + sizeof(struct descriptor)));
	print_ratios(ns);
	print_times(ns);
	printf("\"limit\":{\"ns\":16.8,\"frame_to_copy_and_counter\":1.25,\"wdts_to_copy\":1.15,\"dedup_ns\":67.2}}\n");
	return 0;
}
