// SPDX-License-Identifier: GPL-2.0-or-later
/* hpcapdump and hpcapstat as programs, with a ring device. */
#include <dlfcn.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/frames.h"
#include "tests/hpcapdd_program.h"
#include "tests/ring_device.h"
#include "tests/sandbox.h"

#define DUMP "build/tests/hpcapdump"
#define STAT "build/tests/hpcapstat"
#define DEVICE "/dev/hpcap_t0_3"

static uint32_t le32_at(const uint8_t *data)
{
	return data[0] | data[1] << 8 | data[2] << 16 | (uint32_t)data[3] << 24;
}

/* Reads "stdout" as pcap: frames in rising order, each as it was captured. Returns how many. */
static uint64_t check_pcap(uint32_t shortest, uint32_t snaplen)
{
	size_t size, at = 24;
	uint8_t *data = sandbox_read(sandbox_path("stdout"), &size);
	uint64_t frames = 0, next = 0;

	CHECK(size >= 24);
	CHECK_EQUAL(le32_at(data), 0xa1b23c4d);
	for (; at < size; frames++) {
		const uint32_t number = le32_at(data + at + 4), caplen = le32_at(data + at + 8);

		while (next < number)
			CHECK(frame_length(next++) < shortest);
		CHECK_EQUAL(number, next);
		next++;
		CHECK_EQUAL(le32_at(data + at + 12), frame_length(number));
		CHECK_EQUAL(caplen, frame_length(number) < snaplen ? frame_length(number) : snaplen);
		CHECK(frame_matches(data + at + 16, caplen, number));
		at += 16 + caplen;
	}
	CHECK_EQUAL(at, size);
	free(data);
	return frames;
}

static void dump_writes_what_comes(void)
{
	size_t bytes = 24;
	uint64_t i;

	sandbox_create();
	device_program_start((const char *const[]){ DUMP, DEVICE, NULL });
	sandbox_wait_for_output(24);	/* before the first frame */
	hpcapdd_tell(RING_DEVICE_APPEND, 0, 100);
	for (i = 0; i < 100; i++)
		bytes += 16 + frame_length(i);
	sandbox_wait_for_output(bytes);	/* while it runs: nothing waits in a buffer */
	CHECK_EQUAL(hpcapdd_finish(SIGTERM), 0);
	CHECK_EQUAL(check_pcap(0, 65535), 100);
	sandbox_remove();
}

static void dump_ends_after_a_count(void)
{
	sandbox_create();
	device_program_start((const char *const[]){ DUMP, "-c", "7", "--snaplen", "64", DEVICE, NULL });
	hpcapdd_ask(RING_DEVICE_APPEND, 0, 100);
	CHECK_EQUAL(hpcapdd_finish(0), 0);
	CHECK_EQUAL(check_pcap(0, 64), 7);
	sandbox_remove();
	sandbox_create();
	device_program_start((const char *const[]){ DUMP, DEVICE, NULL });
	sandbox_wait_for_output(24);
	hpcapdd_tell(RING_DEVICE_APPEND, 0, 5);
	hpcapdd_tell(RING_DEVICE_VANISH, 0, 0);
	CHECK_EQUAL(hpcapdd_finish(0), 5);
	CHECK_EQUAL(check_pcap(0, 65535), 5);
	sandbox_remove();
}

static void dump_filters(void)
{
	uint64_t i, long_ones = 0, bytes = 24;
	void *library = dlopen("libpcap.so.0.8", RTLD_LAZY);

	sandbox_create();
	if (!library) {
		printf("    skipped: no libpcap here\n");
		CHECK_EQUAL(sandbox_run((const char *const[]){ DUMP, DEVICE, "greater 1000", NULL }), 2);
		CHECK(sandbox_complained_of("a filter needs libpcap"));
		sandbox_remove();
		return;
	}
	for (i = 0; i < 300; i++) {
		long_ones += frame_length(i) >= 1000;
		bytes += frame_length(i) >= 1000 ? 16 + frame_length(i) : 0;
	}
	device_program_start((const char *const[]){ DUMP, DEVICE, "greater", "1000", NULL });
	sandbox_wait_for_output(24);
	hpcapdd_tell(RING_DEVICE_APPEND, 0, 300);
	sandbox_wait_for_output(bytes);
	CHECK_EQUAL(hpcapdd_finish(SIGINT), 0);
	CHECK_EQUAL(check_pcap(1000, 65535), long_ones);
	CHECK_EQUAL(sandbox_run((const char *const[]){ DUMP, DEVICE, "no", "filter", "at", "all", NULL }), 2);
	CHECK(sandbox_complained_of("filter \"no filter at all\": "));
	sandbox_remove();
}

/* Four times the ring is captured while nobody reads the pipe: the device must not be held up. */
static void slow_reader_holds_nobody_up(void)
{
	char path[4096];
	int fd;

	sandbox_create();
	snprintf(path, sizeof(path), "%s", sandbox_path("stdout"));
	CHECK_EQUAL(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	CHECK(fd >= 0);
	device_program_start((const char *const[]){ DUMP, DEVICE, NULL });
	alarm(SANDBOX_DEADLINE_S);
	hpcapdd_tell(RING_DEVICE_APPEND, 0, 5000);
	alarm(0);
	CHECK_EQUAL(hpcapdd_finish(SIGTERM), 0);
	CHECK(!sandbox_complained_of(" 0 bytes given up") && sandbox_complained_of("bytes given up"));
	close(fd);
	sandbox_remove();
}

static const char *const counters[] = {
	"received", "received_bytes", "published", "published_bytes", "ring_full_drops", "ring_full_bytes",
	"no_listener_drops", "no_listener_bytes", "errors", "error_bytes", "duplicates", "duplicate_bytes",
	"queue_full_drops", "queue_full_bytes", "vlan_reinserted", "resets", "clock_steps_back", "clock_stepped_back_ns",
};

/* Puts a number there as a whole, as sysfs shows it. */
static void set_counter(const char *name, const char *value)
{
	const char *beside = sandbox_path("new"), *place = sandbox_path(name);
	FILE *file = fopen(beside, "w");

	CHECK(file);
	fprintf(file, "%s\n", value);
	CHECK_EQUAL(fclose(file), 0);
	CHECK_EQUAL(rename(beside, place), 0);
}

static void stat_prints_rates(void)
{
	const char *line, *folder = sandbox_create();
	double rx_pps = 0, lost_pps = 0, rx_sum = 0, lost_sum = 0;
	char *text;
	size_t size, i;
	pid_t stat;

	for (i = 0; i < sizeof(counters) / sizeof(*counters); i++)
		set_counter(counters[i], "0");
	set_counter("received", "18446744073709550000");
	stat = sandbox_start((const char *const[]){ STAT, "--json", "-i", "500", "-c", "4", folder, NULL });
	set_counter("received", "18446744073709551000");
	set_counter("ring_full_drops", "100");
	set_counter("no_listener_drops", "20");
	set_counter("queue_full_drops", "3");
	CHECK_EQUAL(sandbox_wait(stat), 0);
	text = (char *)sandbox_read(sandbox_path("stdout"), &size);
	for (line = text; (line = strstr(line, "\"rx_pps\":")); line++) {
		CHECK_EQUAL(sscanf(line, "\"rx_pps\":%lf,\"lost_bps\":%*f,\"lost_pps\":%lf", &rx_pps, &lost_pps), 2);
		rx_sum += rx_pps;
		lost_sum += lost_pps;
	}
	/* half a second each; the program may have started after a number was put there */
	CHECK(rx_sum <= 2000 && lost_sum <= 246);
	CHECK(strstr(text, "\"received\":18446744073709551000,\"lost\":123}"));
	free(text);
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, "-i", "100", "-c", "1", folder, NULL }), 0);
	text = (char *)sandbox_read(sandbox_path("stdout"), &size);
	CHECK(strncmp(text, "# time rx_bps rx_pps", 20) == 0);
	free(text);
	sandbox_remove();
}

/* Reads FOLDER/<week>/NAME; there must be one week's folder. */
static char *read_data(const char *name)
{
	char path[4096];
	glob_t found;
	size_t size;
	char *text;

	snprintf(path, sizeof(path), "%s/*-*/%s", sandbox_path("data"), name);
	CHECK_EQUAL(glob(path, 0, NULL, &found), 0);
	CHECK_EQUAL(found.gl_pathc, 1);
	text = (char *)sandbox_read(found.gl_pathv[0], &size);
	globfree(&found);
	return text;
}

static unsigned int words_of(const char *line)
{
	unsigned int words = 0;

	for (; *line && *line != '\n'; line++)
		words += *line != ' ' && (line[1] == ' ' || line[1] == '\n');
	return words;
}

static void stat_appends_to_files_of_the_week(void)
{
	const char *folder = sandbox_create();
	char device[4096], data[4096];
	double now, rx_bps, rx_pps, lost_bps, lost_pps;
	const char *line;
	char *text;
	size_t i;

	snprintf(data, sizeof(data), "%s", sandbox_path("data"));
	snprintf(device, sizeof(device), "%s/../%s", folder, strrchr(folder, '/') + 1);
	for (i = 0; i < sizeof(counters) / sizeof(*counters); i++)
		set_counter(counters[i], "0");
	for (i = 0; i < 2; i++)
		CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, "-i", "50", "-c", "2", "--data", data, "--cpus", device,
							       NULL }), 0);
	text = read_data(strrchr(folder, '/') + 1);
	for (i = 0, line = text; *line; i++, line = strchr(line, '\n') + 1) {
		CHECK_EQUAL(words_of(line), 5);
		CHECK_EQUAL(sscanf(line, "%lf %lf %lf %lf %lf", &now, &rx_bps, &rx_pps, &lost_bps, &lost_pps), 5);
		CHECK(now > 1.5e9 && rx_bps + rx_pps + lost_bps + lost_pps == 0);
	}
	CHECK_EQUAL(i, 4);
	free(text);
	text = read_data("cpus");
	for (i = 0, line = text; *line; i++, line = strchr(line, '\n') + 1)
		CHECK_EQUAL(words_of(line), 1 + sysconf(_SC_NPROCESSORS_ONLN) + 4);
	CHECK_EQUAL(i, 4);
	free(text);
	text = (char *)sandbox_read(sandbox_path("stdout"), &i);
	CHECK_EQUAL(i, 0);
	free(text);
	sandbox_remove();
}

static void stat_says_which_file_cannot_be_written(void)
{
	const char *folder = sandbox_create();
	size_t i;

	for (i = 0; i < sizeof(counters) / sizeof(*counters); i++)
		set_counter(counters[i], "0");
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, "-i", "10", "-c", "1", "-d", "/dev/null", folder, NULL }), 1);
	CHECK(sandbox_complained_of("cannot write /dev/null/"));
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, "--cpus", folder, NULL }), 2);
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, "--json", "-d", folder, folder, NULL }), 2);
	sandbox_remove();
}

static void stat_tells_what_is_wrong_with_the_counters(void)
{
	const char *folder = sandbox_create();
	size_t i;

	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, folder, NULL }), 3);
	CHECK(sandbox_complained_of("has no counters of hpcapvf: No such file"));
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, "/dev/null", NULL }), 3);
	for (i = 0; i < sizeof(counters) / sizeof(*counters); i++)
		set_counter(counters[i], "0");
	set_counter("errors", "many");
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, folder, NULL }), 3);
	CHECK(sandbox_complained_of("Protocol error"));
	sandbox_remove();
}

static void stat_ends_when_the_device_goes(void)
{
	const char *folder = sandbox_create();
	size_t i;
	pid_t stat;

	for (i = 0; i < sizeof(counters) / sizeof(*counters); i++)
		set_counter(counters[i], "0");
	stat = sandbox_start((const char *const[]){ STAT, "-i", "50", folder, NULL });
	sandbox_wait_for_output(sizeof("# time"));
	CHECK_EQUAL(unlink(sandbox_path("received")), 0);
	CHECK_EQUAL(sandbox_wait(stat), 5);
	CHECK(sandbox_complained_of("the device is gone"));
	sandbox_remove();
}

static void wrong_use_is_explained(void)
{
	sandbox_create();
	CHECK_EQUAL(sandbox_run((const char *const[]){ DUMP, NULL }), 2);
	CHECK_EQUAL(sandbox_run((const char *const[]){ DUMP, "-c", "0", DEVICE, NULL }), 2);
	CHECK_EQUAL(sandbox_run((const char *const[]){ DUMP, RING_DEVICE_MISSING, NULL }), 3);
	CHECK(sandbox_complained_of("No such file"));
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, NULL }), 2);
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, "-i", "0", DEVICE, NULL }), 2);
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, RING_DEVICE_MISSING, NULL }), 3);
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, "--help", NULL }), 0);
	sandbox_remove();
}

int main(void)
{
	RUN(dump_writes_what_comes);
	RUN(dump_ends_after_a_count);
	RUN(dump_filters);
	RUN(slow_reader_holds_nobody_up);
	RUN(stat_prints_rates);
	RUN(stat_appends_to_files_of_the_week);
	RUN(stat_says_which_file_cannot_be_written);
	RUN(stat_tells_what_is_wrong_with_the_counters);
	RUN(stat_ends_when_the_device_goes);
	RUN(wrong_use_is_explained);
	return 0;
}
