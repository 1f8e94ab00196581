// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Table 4.7 of the thesis in simulation: which share of known duplicates is found (TPR) and which share of other
 * frames is taken for one (FPR), for each size of the table and number of pools. Prints it beside the thesis'.
 *
 * The thesis' traces are not public. Here trace A has its rate of 2.03 and trace B of 9.56 thousand frames a second,
 * with its share of duplicates (32.1 % of all frames; of B 1 %, as 0.014 % would be too few to count), which follow
 * after DELAY_FRAMES other frames on average. A flow's next frame comes later than that. Of the other frames 2 % are
 * sent again with another IP identification, and 1 % are the same as one that was sent a quarter longer ago than the window.
 */
#include <math.h>
#include <stdlib.h>

#include "core/dedup.h"
#include "tests/check.h"

#define FRAMES 120000u
#define FLOWS 2048u
#define DELAY_FRAMES 20.0
#define WINDOW_US 200000u
#define BYTES 70u
#define FRAME_BYTES_MAX 256u

struct packet {
	double at_ns;
	__u32 number;	/* of the frame: what it holds */
	__u16 identification;
	bool duplicate;
};

struct rates {
	double tpr;
	double fpr;
};

static struct packet packets[2 * FRAMES];
static unsigned int packet_count;

static double random_0_to_1(void)
{
	return (rand() + 0.5) / (RAND_MAX + 1.0);
}

static int by_time(const void *a, const void *b)
{
	const struct packet *left = a, *right = b;

	return (left->at_ns > right->at_ns) - (left->at_ns < right->at_ns);
}

static void add(double at_ns, __u32 number, __u16 identification, bool duplicate)
{
	CHECK(packet_count < 2 * FRAMES);
	packets[packet_count++] = (struct packet){ at_ns, number, identification, duplicate };
}

static void make_trace(double frames_per_second, double duplicate_share)
{
	double gap_ns = 1e9 / frames_per_second, now = 1e15, chance = duplicate_share / (1 - duplicate_share);
	__u32 number;

	srand(7);
	packet_count = 0;
	for (number = 0; number < FRAMES; number++) {
		__u16 identification = (__u16)number;
		double r = random_0_to_1();

		now += -log(random_0_to_1()) * gap_ns;
		add(now, number, identification, false);
		if (r < 0.02)
			add(now + 50 * gap_ns, number, (__u16)(identification + 1), false);
		else if (r < 0.03)
			add(now + WINDOW_US * 1250.0, number, identification, false);
		if (random_0_to_1() < chance)
			add(now + 2 * DELAY_FRAMES * gap_ns * random_0_to_1(), number, identification, true);
	}
	qsort(packets, packet_count, sizeof(packets[0]), by_time);
}

/* UDP over IPv4. A flow has every FLOWS-th frame, so its frames are alike but for identification and payload. */
static __u32 fill(__u8 *data, const struct packet *packet)
{
	__u32 flow = packet->number % FLOWS, word = flow * 2654435761u;

	memset(data, 0, FRAME_BYTES_MAX);
	memset(data, 2, 12);
	data[12] = 8;
	data[14] = 0x45;
	data[18] = (__u8)(packet->identification >> 8);
	data[19] = (__u8)packet->identification;
	data[23] = 17;
	memcpy(data + 26, &word, 4);
	memcpy(data + 30, "\x0a\x00\x00\x01", 4);
	memcpy(data + 34, &flow, 2);
	memcpy(data + 42, &packet->number, 4);
	return 80 + packet->number % 128;
}

static struct rates classify(__u32 entries, __u32 pools, bool nic_hash)
{
	struct hpcap_dedup_config config = { entries, pools, WINDOW_US, BYTES };
	void *memory = aligned_alloc(CORE_CACHE_LINE, hpcap_dedup_memory(&config));
	double counts[2][2] = { { 0 } };
	struct hpcap_dedup dedup;
	unsigned int i;

	CHECK(memory && !hpcap_dedup_check_config(&config));
	memset(memory, 0, hpcap_dedup_memory(&config));
	hpcap_dedup_init(&dedup, &config, memory);
	for (i = 0; i < packet_count; i++) {
		__u8 data[FRAME_BYTES_MAX];
		struct hpcap_dedup_key key = { .data = data, .ns = (__u64)packets[i].at_ns };
		struct hpcap_dedup_entry *entry;

		key.length = fill(data, &packets[i]);
		key.hash = nic_hash ? packets[i].number % FLOWS * 0x85ebca6bu : hpcap_flow_hash(data, key.length);
		counts[packets[i].duplicate][hpcap_dedup_seen(&dedup, &key, &entry)]++;
		hpcap_dedup_remember(&dedup, &key, entry);
	}
	free(memory);
	return (struct rates){ counts[1][1] / (counts[1][0] + counts[1][1]),
			       counts[0][1] / (counts[0][0] + counts[0][1]) };
}

/* The thesis' figures depend on entries / pools only: 1 K to 32 K. */
static const double thesis_a[] = { 0.957, 0.994, 0.999, 0.999, 1.000, 1.000 };
static const double thesis_b[] = { 0.935, 0.974, 0.995, 0.996, 0.998, 1.000 };

static void grid(const char *title, const double *thesis)
{
	unsigned int size, pool;

	printf("  %s: %u frames\n  | entries | pools | TPR   | FPR | thesis TPR |\n", title, packet_count);
	for (size = 0; size < 6; size++)
		for (pool = 0; pool <= size; pool++) {
			struct rates rates = classify(1024u << size, 1u << pool, false);

			printf("  | %4uK   | %5u | %.3f | %.0f   | %.3f      |\n", 1u << size, 1u << pool, rates.tpr,
			       rates.fpr, thesis[size - pool]);
			CHECK(rates.fpr == 0);
			CHECK(rates.tpr > 0.95);
			if (size == 5 && pool == 0)
				CHECK(rates.tpr >= 0.999);
			if (size == 0)
				CHECK(rates.tpr < 0.99);	/* the trace is hard enough to tell tables apart */
		}
}

static void few_bytes_take_others_for_duplicates(void)
{
	struct hpcap_dedup_config config = { 1024, 1, WINDOW_US, 34 };
	const struct packet first = { .number = 1, .identification = 9 };
	struct packet other = { .number = 1 + 128 * FLOWS, .identification = 9 };
	__u8 *memory = aligned_alloc(CORE_CACHE_LINE, 2 * hpcap_dedup_memory(&config)), data[FRAME_BYTES_MAX];
	struct hpcap_dedup_entry *entry;
	struct hpcap_dedup dedup;
	__u32 bytes;

	CHECK(memory);
	for (bytes = 34; bytes <= 70; bytes += 36) {
		struct hpcap_dedup_key key = { .data = data, .ns = 1000 };

		config.bytes = bytes;
		memset(memory, 0, hpcap_dedup_memory(&config));
		hpcap_dedup_init(&dedup, &config, memory);
		key.length = fill(data, &first);
		CHECK(!hpcap_dedup_seen(&dedup, &key, &entry));
		hpcap_dedup_remember(&dedup, &key, entry);
		CHECK_EQUAL(fill(data, &other), key.length);
		CHECK_EQUAL(hpcap_dedup_seen(&dedup, &key, &entry), bytes == 34);
		fill(data, &first);
		key.ns += WINDOW_US * 1000u;
		CHECK(hpcap_dedup_seen(&dedup, &key, &entry));
		key.length--;
		CHECK(!hpcap_dedup_seen(&dedup, &key, &entry));
		key.length++;
		key.vlan_tci = 5;
		CHECK(!hpcap_dedup_seen(&dedup, &key, &entry));
		key.vlan_tci = 0;
		key.ns++;
		CHECK(!hpcap_dedup_seen(&dedup, &key, &entry));
	}
	free(memory);
}

static void the_oldest_of_a_place_makes_room(void)
{
	struct hpcap_dedup_config config = { 64, 4, WINDOW_US, BYTES };
	__u8 *memory = aligned_alloc(CORE_CACHE_LINE, hpcap_dedup_memory(&config)), data[8][FRAME_BYTES_MAX];
	struct hpcap_dedup_entry *entry;
	struct hpcap_dedup dedup;
	__u32 i;

	CHECK(memory);
	memset(memory, 0, hpcap_dedup_memory(&config));
	hpcap_dedup_init(&dedup, &config, memory);
	for (i = 0; i < 6; i++) {
		const struct packet packet = { .number = i };
		struct hpcap_dedup_key key = { .data = data[i], .hash = 9, .ns = 1000 + i };

		key.length = fill(data[i], &packet);
		CHECK(!hpcap_dedup_seen(&dedup, &key, &entry));
		hpcap_dedup_remember(&dedup, &key, entry);
	}
	for (i = 0; i < 6; i++) {
		struct hpcap_dedup_key key = { .data = data[i], .length = 80 + i, .hash = 9, .ns = 2000 };

		CHECK_EQUAL(hpcap_dedup_seen(&dedup, &key, &entry), i >= 2);
	}
	free(memory);
}

static void wrong_settings_are_named(void)
{
	static const struct hpcap_dedup_config wrong[] = {
		{ 1000, 1, 1, 70 }, { 32, 1, 1, 70 }, { 1u << 21, 1, 1, 70 }, { 1024, 3, 1, 70 }, { 1024, 0, 1, 70 },
		{ 1024, 128, 1, 70 }, { 1024, 1, 0, 70 }, { 1024, 1, 10000001, 70 }, { 1024, 1, 1, 13 }, { 1024, 1, 1, 241 },
	};
	unsigned int i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		CHECK(hpcap_dedup_check_config(&wrong[i]) != NULL);
}

/* Each length of frame, in memory of exactly that length: the sanitizer sees a byte too many. */
static void hash_reads_no_further_than_the_frame(void)
{
	static const __u8 types[][2] = { { 8, 0 }, { 0x86, 0xdd }, { 0x81, 0 }, { 8, 6 } };
	__u32 length, type;

	for (length = 0; length < 100; length++)
		for (type = 0; type < 4; type++) {
			__u8 *data = malloc(length ? length : 1);

			CHECK(data);
			memset(data, 0x4f, length);
			if (length > 13)
				memcpy(data + 12, types[type], 2);
			if (length > 23)
				data[20] = data[21] = 0, data[23] = 17;
			hpcap_flow_hash(data, length);
			free(data);
		}
}

int main(void)
{
	RUN(wrong_settings_are_named);
	RUN(hash_reads_no_further_than_the_frame);
	RUN(few_bytes_take_others_for_duplicates);
	RUN(the_oldest_of_a_place_makes_room);
	make_trace(2030, 0.321);
	grid("Table 4.7, trace A", thesis_a);
	CHECK(classify(32768, 1, true).tpr >= 0.999);
	make_trace(9560, 0.01);
	grid("Table 4.7, trace B", thesis_b);
	return 0;
}
