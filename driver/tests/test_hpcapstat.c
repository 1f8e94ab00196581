// SPDX-License-Identifier: GPL-2.0-or-later
/* hpcapstat as a program, with a folder of counters as sysfs has them. */
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/ring_device.h"
#include "tests/sandbox.h"

#define STAT "build/tests/hpcapstat"

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

/* The module was loaded anew between two looks: its counters begin at 0, and no rate is below that or absurd. */
static void stat_survives_counters_that_begin_anew(void)
{
	const char *line, *folder = sandbox_create();
	double rx_bps = 0, rx_pps = 0, sum = 0;
	size_t size, i;
	char *text;
	pid_t stat;

	for (i = 0; i < sizeof(counters) / sizeof(*counters); i++)
		set_counter(counters[i], "1000000");
	stat = sandbox_start((const char *const[]){ STAT, "-i", "300", "-c", "5", folder, NULL });
	sandbox_wait_for_output(sizeof("# time rx_bps") + 70);
	for (i = 0; i < sizeof(counters) / sizeof(*counters); i++)
		set_counter(counters[i], "300");
	CHECK_EQUAL(sandbox_wait(stat), 0);
	text = (char *)sandbox_read(sandbox_path("stdout"), &size);
	for (line = strchr(text, '\n') + 1; *line; line = strchr(line, '\n') + 1) {
		CHECK_EQUAL(sscanf(line, "%*f %lf %lf", &rx_bps, &rx_pps), 2);
		CHECK(rx_bps >= 0 && rx_bps < 100000);
		sum += rx_pps;
	}
	CHECK(sum > 500 && sum < 10000);	/* 300 in about 0.3 s */
	free(text);
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
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, NULL }), 2);
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, "-i", "0", "/dev/hpcap_t0_3", NULL }), 2);
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, RING_DEVICE_MISSING, NULL }), 3);
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, "--help", NULL }), 0);
	sandbox_remove();
}

int main(void)
{
	RUN(stat_prints_rates);
	RUN(stat_appends_to_files_of_the_week);
	RUN(stat_says_which_file_cannot_be_written);
	RUN(stat_tells_what_is_wrong_with_the_counters);
	RUN(stat_survives_counters_that_begin_anew);
	RUN(stat_ends_when_the_device_goes);
	RUN(wrong_use_is_explained);
	return 0;
}
