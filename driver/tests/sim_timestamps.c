// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tables 4.1 and 4.2 of the thesis in simulation: frames arrive on a 10 Gb/s link at times known exactly, a polling
 * thread finds them, and the module's own code stamps them. The error is the observed gap between two frames less
 * the true one. Prints the tables beside the thesis' figures.
 *
 * What is simulated: a frame is seen DELIVERY_NS after its last bit, and up to DELIVERY_JITTER_NS later, in order. An
 * empty look takes EMPTY_POLL_NS, a frame frame_ns and BYTE_NS for each byte. Every TICK_NS the thread is away for up
 * to TICK_AWAY_NS. Methods that stamp a burst wait until BATCH frames are there, as the thesis' rows with batch 32 do;
 * those per frame take what is there. The real trace is not public, so sizes are drawn from SIZES and, at original
 * speed, gaps are exponential for 564 Mb/s; like there, 5500 frames.
 */
#include <math.h>
#include <stdlib.h>

#include "core/stamp.h"
#include "tests/check.h"

#define NS_PER_BYTE 0.8	/* 10 Gb/s */
#define DELIVERY_NS 800.0
#define DELIVERY_JITTER_NS 400.0
#define EMPTY_POLL_NS 40.0
#define BYTE_NS 0.05
#define TICK_NS 4e6
#define TICK_AWAY_NS 8000.0
#define BATCH 32u
#define FRAMES_MAX 812744u
#define BEGIN_NS 1e15

enum method {
	BATCH_STAMP,	/* each frame when the batch is copied: what the thesis calls driver-level batch */
	UDTS,
	WDTS,
	KPT,
	AUTO,
};

static const char *const names[] = { "driver-level batch", "UDTS", "WDTS", "KPT", "auto" };

struct traffic {
	unsigned int count;
	double arrival[FRAMES_MAX];	/* last bit on the wire */
	double visible[FRAMES_MAX];
	__u32 bytes[FRAMES_MAX];
};

static double frame_ns = 40;
static struct traffic traffic;
static double stamped[FRAMES_MAX];

struct error {
	double mean;
	double deviation;
};

static double random_0_to_1(void)
{
	return (rand() + 0.5) / (RAND_MAX + 1.0);
}

/* A mix as on a backbone: acknowledgements, full segments, and everything in between. */
static __u32 random_size(void)
{
	double r = random_0_to_1();

	if (r < 0.40)
		return 60;
	if (r < 0.80)
		return 1514;
	return 60 + (__u32)(random_0_to_1() * 1454);
}

/* bytes 0: a mix. load: share of the link that is used. */
static void make_traffic(unsigned int count, __u32 bytes, double load)
{
	double now = BEGIN_NS, idle_ns, seen = 0;
	unsigned int i;

	srand(4);
	traffic.count = count;
	for (i = 0; i < count; i++) {
		double wire_ns;

		traffic.bytes[i] = bytes ? bytes : random_size();
		wire_ns = (traffic.bytes[i] + HPCAP_LINK_OVERHEAD_BYTES) * NS_PER_BYTE;
		idle_ns = load < 1 ? -log(random_0_to_1()) * (815 * NS_PER_BYTE) * (1 / load - 1) : 0;
		now += idle_ns + wire_ns;
		traffic.arrival[i] = now;
		traffic.visible[i] = now + DELIVERY_NS + DELIVERY_JITTER_NS * random_0_to_1();
		if (traffic.visible[i] < seen)
			traffic.visible[i] = seen;
		seen = traffic.visible[i];
	}
}

struct thread {
	double now;
	double next_tick;
};

static void spend(struct thread *thread, double ns)
{
	thread->now += ns;
	if (thread->now >= thread->next_tick) {
		thread->now += TICK_AWAY_NS * random_0_to_1();
		thread->next_tick += TICK_NS;
	}
}

static void take_burst(struct thread *thread, struct hpcap_stamper *stamper, unsigned int first, unsigned int count)
{
	const struct hpcap_weighing weighing = hpcap_stamp_weighing(stamper);
	bool shared = hpcap_stamp_shares(stamper, count == BATCH);
	__u64 total = 0;
	unsigned int i;

	for (i = first; i < first + count; i++)
		total += hpcap_weigh(weighing, traffic.bytes[i]);
	if (shared)
		hpcap_stamp_begin(stamper, (__u64)thread->now, total);
	for (i = first; i < first + count; i++) {
		__u64 ns = shared ? hpcap_stamp_share(stamper, hpcap_weigh(weighing, traffic.bytes[i])) :
				    (__u64)thread->now;
		__u32 nanoseconds = hpcap_stamp_take(stamper, ns);

		stamped[i] = stamper->second * 1e9 + nanoseconds;
		spend(thread, frame_ns + BYTE_NS * traffic.bytes[i]);
	}
}

static struct error simulate(enum method method)
{
	static const enum hpcap_stamp_method methods[] = { HPCAP_STAMP_FRAME, HPCAP_STAMP_UDTS, HPCAP_STAMP_WDTS,
							   HPCAP_STAMP_FRAME, HPCAP_STAMP_AUTO };
	struct hpcap_stamper stamper = { .method = methods[method] };
	struct thread thread = { .now = BEGIN_NS, .next_tick = BEGIN_NS + TICK_NS };
	unsigned int wanted = method == KPT || method == AUTO ? 1 : BATCH, first = 0, count, i;
	double sum = 0, squares = 0;

	while (first < traffic.count) {
		for (count = 0; count < BATCH && first + count < traffic.count; count++)
			if (traffic.visible[first + count] > thread.now)
				break;
		if (count < wanted && first + count < traffic.count) {
			stamper.was_full = stamper.was_full && count;
			spend(&thread, EMPTY_POLL_NS);
			continue;
		}
		take_burst(&thread, &stamper, first, count);
		first += count;
	}
	CHECK_EQUAL(stamper.went_back, 0);
	/* the first burst has nothing before it to be measured from */
	for (i = BATCH; i < traffic.count; i++) {
		double error = (stamped[i] - stamped[i - 1]) - (traffic.arrival[i] - traffic.arrival[i - 1]);

		CHECK(stamped[i] >= stamped[i - 1]);
		sum += error;
		squares += error * error;
	}
	sum /= traffic.count - BATCH;
	return (struct error){ .mean = sum, .deviation = sqrt(squares / (traffic.count - BATCH) - sum * sum) };
}

/* thesis: mean and deviation of a row, or NULL. */
static struct error row(enum method method, const char *thesis)
{
	struct error error = simulate(method);

	printf("  | %-18s | %7.1f | %8.0f | %-12s |\n", names[method], error.mean, error.deviation, thesis);
	return error;
}

static void head(const char *title)
{
	printf("  %s\n  | method             | mean ns |  s.d. ns | thesis       |\n", title);
}

static void auto_shares_from_the_second_full_burst_on(void)
{
	struct hpcap_stamper stamper = { .method = HPCAP_STAMP_AUTO };

	CHECK(!hpcap_stamp_shares(&stamper, true));	/* there may have been a gap before it */
	CHECK(hpcap_stamp_shares(&stamper, true));
	CHECK(!hpcap_stamp_shares(&stamper, false));
	CHECK(!hpcap_stamp_shares(&stamper, true));
}

static void times_never_go_back(void)
{
	struct hpcap_stamper stamper = { .method = HPCAP_STAMP_FRAME };

	CHECK_EQUAL(hpcap_stamp_take(&stamper, 1700000000999999999u), 999999999);
	CHECK_EQUAL(stamper.second, 1700000000);
	CHECK_EQUAL(hpcap_stamp_take(&stamper, 1700000001000000000u), 0);
	CHECK_EQUAL(stamper.second, 1700000001);
	CHECK_EQUAL(stamper.went_back, 0);
	CHECK_EQUAL(hpcap_stamp_take(&stamper, 1700000000000000000u), 0);
	CHECK_EQUAL(stamper.second, 1700000001);
	CHECK_EQUAL(stamper.went_back, 1);
}

int main(void)
{
	struct error batch, udts, wdts, kpt, automatic;

	RUN(auto_shares_from_the_second_full_burst_on);
	RUN(times_never_go_back);
	head("Table 4.1: 1514-byte frames at 10 Gb/s, one second");
	make_traffic(FRAMES_MAX, 1514, 1);
	batch = row(BATCH_STAMP, "2 / 3400");
	udts = row(UDTS, "2 / 167");
	wdts = row(WDTS, "2 / 170");
	kpt = row(KPT, "2 / 612");
	automatic = row(AUTO, "");
	CHECK(udts.deviation < kpt.deviation && wdts.deviation < kpt.deviation);
	CHECK(10 * kpt.deviation < batch.deviation);
	CHECK(fabs(kpt.mean) < 5 && fabs(wdts.mean) < 5 && fabs(automatic.deviation - kpt.deviation) < 20);

	head("Table 4.2: mixed sizes at wire speed, 5500 frames");
	make_traffic(5500, 0, 1);
	batch = row(BATCH_STAMP, "13 / 3171");
	udts = row(UDTS, "12 / 608");
	wdts = row(WDTS, "5 / 111");
	kpt = row(KPT, "-1 / 418");
	automatic = row(AUTO, "");
	CHECK(wdts.deviation < kpt.deviation && kpt.deviation < udts.deviation);
	CHECK(10 * wdts.deviation < batch.deviation && automatic.deviation < 1.1 * kpt.deviation);

	head("Table 4.2: mixed sizes at 564 Mb/s, 5500 frames");
	make_traffic(5500, 0, 0.0564);
	batch = row(BATCH_STAMP, "-26 / 19399");
	udts = row(UDTS, "-40 / 13671");
	wdts = row(WDTS, "-42 / 14893");
	kpt = row(KPT, "-43 / 1093");
	automatic = row(AUTO, "");
	CHECK(10 * kpt.deviation < udts.deviation && udts.deviation < wdts.deviation);
	CHECK(wdts.deviation < batch.deviation && automatic.deviation < 1.1 * kpt.deviation);

	/* 65 ns a frame of 67.2: each time the thread was away it finds full bursts for long */
	head("Not in the thesis: 60-byte frames at 10 Gb/s, and a thread that just keeps up");
	frame_ns = 62;
	make_traffic(200000, 60, 1);
	kpt = row(KPT, "");
	automatic = row(AUTO, "");
	CHECK(automatic.deviation <= kpt.deviation);
	return 0;
}
