// SPDX-License-Identifier: GPL-2.0-or-later
/* hpcapdd and its disk: rotation by time, the null target, a disk that is full or read-only, and the guard. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/bad_disk.h"
#include "tests/check.h"
#include "tests/hpcapdd_program.h"
#include "tests/ring_device.h"
#include "tests/sandbox.h"

#define SECOND 1000000000ull

static char disk[4096];

static char *events(void)
{
	size_t size;

	return (char *)sandbox_read(sandbox_path("status.jsonl"), &size);
}

static unsigned int count_of(const char *text, const char *wanted)
{
	unsigned int count = 0;

	for (; (text = strstr(text, wanted)); text++)
		count++;
	return count;
}

static void files_are_closed_after_a_time(void)
{
	char *text;

	hpcapdd_start((const char *const[]){ "--file-seconds", "5", NULL });
	hpcapdd_tell(RING_DEVICE_APPEND, 0, 10);
	hpcapdd_tell(RING_DEVICE_APPEND, 4 * SECOND, 10);	/* the same file */
	hpcapdd_tell(RING_DEVICE_APPEND, 5 * SECOND, 10);
	hpcapdd_tell(RING_DEVICE_APPEND, 900 * SECOND, 10);	/* the next half hour's folder */
	CHECK_EQUAL(hpcapdd_finish(SIGTERM), 0);
	text = events();
	CHECK_EQUAL(count_of(text, "\"reason\":\"time\""), 2);
	CHECK_EQUAL(count_of(text, "\"event\":\"closed\""), 3);
	CHECK(strstr(text, "1699999200/1700000000_hpcapt0_3.raw\",\"reason\":\"time\",\"frames\":20,"));
	CHECK(strstr(text, "1699999200/1700000005_hpcapt0_3.raw\",\"reason\":\"time\",\"frames\":10,"));
	CHECK(strstr(text, "1699999200/1700000900_hpcapt0_3.raw") || strstr(text, "1700001000/1700000900_hpcapt0_3.raw"));
	free(text);
	sandbox_remove();
	hpcapdd_start((const char *const[]){ "--file-seconds", "1", NULL });
	hpcapdd_tell(RING_DEVICE_APPEND, 0, 10);
	wait_for_event("closed", 1);	/* though no frame comes any more */
	CHECK_EQUAL(hpcapdd_finish(SIGTERM), 0);
	sandbox_remove();
}

static void null_target_keeps_nothing(void)
{
	char *text;

	sandbox_create();
	hpcapdd_start_in("null", (const char *const[]){ "--file-mib", "1", "--block-kib", "4", NULL });
	hpcapdd_tell(RING_DEVICE_APPEND, 0, 3000);
	CHECK_EQUAL(hpcapdd_finish(SIGTERM), 0);
	text = events();
	CHECK_EQUAL(count_of(text, "\"file\":\"null\",\"reason\":\"full\""), 2);
	CHECK(strstr(text, "\"frames_total\":3000,"));
	free(text);
	CHECK_EQUAL(access("null", F_OK), -1);
	sandbox_remove();
}

/* A file system of its own, or the reason why not. */
static int have_disk(const char *options)
{
	sandbox_create();
	snprintf(disk, sizeof(disk), "%s", sandbox_path("disk"));
	CHECK_EQUAL(mkdir(disk, 0755), 0);
	if (mount("tmpfs", disk, "tmpfs", 0, options) == 0)
		return 1;
	printf("    skipped: no file system can be mounted here: %s\n", strerror(errno));
	sandbox_remove();
	return 0;
}

static void remove_disk(void)
{
	CHECK_EQUAL(umount(disk), 0);
	sandbox_remove();
}

static int check_raw(const char *path)
{
	return sandbox_run((const char *const[]){ "build/tests/checkraw", path, NULL });
}

/* After a fault of the disk: what is stored is what is said to be stored, and the last file lacks its padding only. */
static void check_that_whole_records_are_left(void)
{
	char *text, *line, path[4096];
	uint64_t saved = 0, unsaved = 0, last = 0;

	CHECK(sandbox_complained_of("could not be saved"));
	text = events();
	CHECK(strstr(text, "\"event\":\"stopped\",\"exit_code\":4"));
	for (line = text; (line = strstr(line, "{\"event\":\"closed\"")); line++) {
		last = number_after(line, "\"frames\":");
		saved += last;
		unsaved += number_after(line, "\"unsaved_frames\":");
		CHECK_EQUAL(sscanf(strstr(line, "\"file\":\""), "\"file\":\"%4095[^\"]\"", path), 1);
	}
	CHECK(saved > 1000 && unsaved > 0);
	CHECK_EQUAL(number_after(text, "\"frames_total\":"), saved);
	/* no padding, and nothing else; a file of which nothing could be written is empty */
	CHECK_EQUAL(check_raw(path), last ? 1 : 2);
	free(text);
	text = (char *)sandbox_read(sandbox_path("stdout"), &(size_t){ 0 });
	CHECK_EQUAL(count_of(text, ": byte "), 1);
	CHECK(strstr(text, last ? "no padding at the end" : "empty"));
	free(text);
}

static void full_disk_leaves_whole_records(void)
{
	if (!have_disk("size=2500k"))
		return;
	hpcapdd_start_in(disk, (const char *const[]){ "--file-mib", "1", "--block-kib", "64", NULL });
	hpcapdd_ask(RING_DEVICE_APPEND, 0, 10000);
	CHECK_EQUAL(hpcapdd_finish(0), 4);
	CHECK(sandbox_complained_of("cannot write") && sandbox_complained_of("No space left on device"));
	check_that_whole_records_are_left();
	remove_disk();
}

/* 16 MiB, of which the last 10 cannot be written any more; the file system's own blocks are in the first. */
static void failing_disk_leaves_whole_records(void)
{
	struct bad_disk bad = { .loop = -1 };
	int error;

	sandbox_create();
	snprintf(disk, sizeof(disk), "%s", sandbox_path("disk"));
	CHECK_EQUAL(mkdir(disk, 0755), 0);
	error = bad_disk_create(&bad, disk, 16 << 20);
	if (error) {
		printf("    skipped: no block device can be made here: %s\n", strerror(-error));
		sandbox_remove();
		return;
	}
	bad_disk_break(&bad, 6 << 20);
	hpcapdd_start_in(disk, (const char *const[]){ "--file-mib", "1", "--block-kib", "4", NULL });
	hpcapdd_ask(RING_DEVICE_APPEND, 0, 20000);
	CHECK_EQUAL(hpcapdd_finish(0), 4);
	CHECK(sandbox_complained_of("cannot write") && sandbox_complained_of("Input/output error"));
	check_that_whole_records_are_left();
	bad_disk_remove(&bad);
	sandbox_remove();
}

static void read_only_disk_is_named(void)
{
	if (!have_disk("size=2m"))
		return;
	CHECK_EQUAL(mount("tmpfs", disk, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), 0);
	hpcapdd_start_in(disk, (const char *const[]){ NULL });
	hpcapdd_ask(RING_DEVICE_APPEND, 0, 10);
	CHECK_EQUAL(hpcapdd_finish(0), 4);
	CHECK(sandbox_complained_of("cannot create") && sandbox_complained_of("Read-only file system"));
	remove_disk();
}

static void put_file(const char *name, size_t bytes)
{
	char path[8192];
	void *data = calloc(1, bytes);

	CHECK(data);
	snprintf(path, sizeof(path), "%s/%s", disk, name);
	sandbox_write(path, data, bytes);
	free(data);
}

static int is_there(const char *name)
{
	char path[8192];

	snprintf(path, sizeof(path), "%s/%s", disk, name);
	return access(path, F_OK) == 0;
}

/* 10 MiB; files that look like ours but are not, and more capture than there is room. */
static void guard_removes_the_oldest_own_files_only(void)
{
	static const char *const others[] = { "1599998400/1599998400_hpcapt1_3.raw", "1599998400/1599998400_hpcapt0_2.raw",
					      "1599998400/notes.raw", "1599998400/1600999999_hpcapt0_3.raw",
					      "1599998400/1599998400_hpcapt0_3.raw.bak" };
	char folder[8192], *text;
	unsigned int i;

	if (!have_disk("size=10m"))
		return;
	snprintf(folder, sizeof(folder), "%s/1600001000", disk);
	/* no half hour: nothing in there is ours */
	CHECK_EQUAL(mkdir(folder, 0755), 0);
	put_file("1600001000/1600001000_hpcapt0_3.raw", 4096);
	snprintf(folder, sizeof(folder), "%s/1599998400", disk);
	CHECK_EQUAL(mkdir(folder, 0755), 0);
	for (i = 0; i < 5; i++)
		put_file(others[i], 4096);
	put_file("1599998400/1599998400_hpcapt0_3.raw", 1 << 20);
	put_file("1599998400/1599998400_hpcapt0_3_1.raw", 1 << 20);
	put_file("1599998400/1599998400_hpcapt0_33.raw", 4096);
	hpcapdd_start_in(disk, (const char *const[]){ "--file-mib", "1", "--block-kib", "64", "--guard", "50:30", NULL });
	for (i = 0; i < 60; i++)
		hpcapdd_tell(RING_DEVICE_APPEND, i * 1000, 1000);	/* 48 MiB */
	CHECK_EQUAL(hpcapdd_finish(SIGTERM), 0);
	text = events();
	CHECK(count_of(text, "\"event\":\"removed\"") > 20);
	free(text);
	CHECK(!is_there("1599998400/1599998400_hpcapt0_3.raw") && !is_there("1599998400/1599998400_hpcapt0_3_1.raw"));
	CHECK(is_there("1599998400/1599998400_hpcapt0_33.raw") && is_there("1600001000/1600001000_hpcapt0_3.raw"));
	for (i = 0; i < 5; i++)
		CHECK(is_there(others[i]));
	CHECK(!is_there("1699999200/1700000000_hpcapt0_3.raw"));
	remove_disk();
}

static void totals_that_cannot_be_written_are_said(void)
{
	sandbox_create();
	sandbox_stdout = open("/dev/full", O_WRONLY | O_CLOEXEC);
	CHECK(sandbox_stdout >= 0);
	hpcapdd_start_in("null", (const char *const[]){ "--json", NULL });
	close(sandbox_stdout);
	sandbox_stdout = -1;
	wait_for_event("started", 1);
	CHECK_EQUAL(hpcapdd_finish(SIGTERM), 0);
	CHECK(sandbox_complained_of("cannot write the totals: No space left"));
	sandbox_remove();
}

static void wrong_percentages_are_refused(void)
{
	const char *const wrong[] = { "90", "70:90", "101:50", "90:70x", "90:90", "a:b" };
	unsigned int i;

	sandbox_create();
	for (i = 0; i < 6; i++)
		CHECK_EQUAL(sandbox_run((const char *const[]){ HPCAPDD_PROGRAM, HPCAPDD_DEVICE, "null", "--guard", wrong[i],
							       NULL }), 2);
	sandbox_remove();
}

int main(void)
{
	RUN(files_are_closed_after_a_time);
	RUN(null_target_keeps_nothing);
	RUN(full_disk_leaves_whole_records);
	RUN(failing_disk_leaves_whole_records);
	RUN(read_only_disk_is_named);
	RUN(guard_removes_the_oldest_own_files_only);
	RUN(totals_that_cannot_be_written_are_said);
	RUN(wrong_percentages_are_refused);
	return 0;
}
