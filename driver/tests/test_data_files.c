// SPDX-License-Identifier: GPL-2.0-or-later
/* The files of hpcapstat --data: which week a line belongs to, lines that are whole, and names. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/check.h"
#include "tests/sandbox.h"
#include "tools/hpcapstat/data_files.h"
#include "tools/hpcapstat/machine_load.h"

#define DAY 86400

static void check_content(const char *path, const char *expected)
{
	size_t size;
	char *text = (char *)sandbox_read(path, &size);

	CHECK(strcmp(text, expected) == 0);
	free(text);
}

/* Times from date(1): date --utc --date 2026-11-23T12:00 +%s; the weeks from its +%G-%V. */
static void each_week_has_a_folder(void)
{
	static const struct {
		time_t when;
		const char *week;
	} cases[] = {
		{ 1795435200, "2026-48" },	/* 2026-11-23, a Monday */
		{ 1795435200 - DAY, "2026-47" },
		{ 1795435200 + 6 * DAY, "2026-48" },
		{ 1798804800, "2026-53" },	/* 2027-01-01, a Friday */
		{ 1735560000, "2025-01" },	/* 2024-12-30, a Monday */
	};
	char path[PATH_MAX], expected[PATH_MAX];
	const char *folder = sandbox_create();
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		CHECK_EQUAL(data_files_append(folder, cases[i].when, "hpcap0", "a line\n", path), 0);
		snprintf(expected, sizeof(expected), "%s/%s/hpcap0", folder, cases[i].week);
		CHECK(strcmp(path, expected) == 0);
	}
	CHECK_EQUAL(data_files_append(folder, cases[0].when, "hpcap0", "one more\n", path), 0);
	check_content(path, "a line\na line\none more\n");
	sandbox_remove();
}

/* A limit on the file's size stands for a disk that is full in the middle of a line. */
static void no_part_of_a_line_stays(void)
{
	const char *folder = sandbox_create();
	struct rlimit limit;
	char path[PATH_MAX];

	CHECK_EQUAL(data_files_append(folder, DAY, "hpcap0", "123456\n", path), 0);
	signal(SIGXFSZ, SIG_IGN);
	CHECK_EQUAL(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = 10;
	CHECK_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
	CHECK_EQUAL(-data_files_append(folder, DAY, "hpcap0", "789012\n", path), ENOSPC);
	limit.rlim_cur = limit.rlim_max;
	CHECK_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
	check_content(path, "123456\n");
	sandbox_remove();
}

static void a_device_names_its_file(void)
{
	char name[NAME_MAX + 1];

	CHECK_EQUAL(data_files_name("/dev/./null", name), 0);
	CHECK(strcmp(name, "null") == 0);
	CHECK_EQUAL(data_files_name("/proc/..", name), -EINVAL);
	CHECK_EQUAL(data_files_name("/dev/there/is/none", name), -ENOENT);
}

static void load_is_told_in_per_cent_and_kib(void)
{
	static struct machine_load before = { .cpus = { [0] = { 100, 1000 }, [2] = { 5, 10 } } };
	static struct machine_load now = { .cpus = { [0] = { 150, 1200 }, [2] = { 5, 10 } },
					   .memory_kib = 1000, .free_kib = 300, .cached_kib = 200 };
	char text[64];

	CHECK_EQUAL(machine_load_text(&now, &before, text, sizeof(text)), 0);
	CHECK(strcmp(text, " 25.0 0.0 1000 500 300 200") == 0);
	CHECK_EQUAL(-machine_load_text(&now, &before, text, 20), ENOBUFS);
	CHECK_EQUAL(machine_load_read(&now), 0);
	CHECK(now.cpus[0].total >= now.cpus[0].busy && now.memory_kib > now.free_kib && now.cached_kib);
}

int main(void)
{
	RUN(each_week_has_a_folder);
	RUN(no_part_of_a_line_stays);
	RUN(a_device_names_its_file);
	RUN(load_is_told_in_per_cent_and_kib);
	return 0;
}
