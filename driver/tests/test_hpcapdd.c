// SPDX-License-Identifier: GPL-2.0-or-later
/* hpcapdd as a program: signals, events, files on the disk, exit codes. */
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/raw_scan.h"
#include "tests/check.h"
#include "tests/frames.h"
#include "tests/hpcapdd_program.h"
#include "tests/ring_device.h"
#include "tests/sandbox.h"

struct stored {
	uint64_t files;
	uint64_t full_files;
	uint64_t frames;	/* numbered 0 .. frames - 1 without a gap */
	uint64_t unsaved;
	char last_path[4096];
	bool padded;		/* the last file ends with padding */
};

static uint64_t check_file(const char *path, uint64_t first, uint64_t file_bytes, bool *padded)
{
	size_t size;
	uint8_t *data = sandbox_read(path, &size);
	struct hpcap_raw_item item = hpcap_raw_scan(data, size, 0);
	uint64_t number = first;

	CHECK_EQUAL(size, file_bytes);
	for (; item.kind == HPCAP_RAW_FRAME; item = hpcap_raw_scan(data, size, item.next_offset)) {
		CHECK_EQUAL(item.nanoseconds, number);
		CHECK_EQUAL(item.len, frame_length(number));
		CHECK(frame_matches(data + item.offset + 12, item.caplen, number));
		number++;
	}
	*padded = item.kind == HPCAP_RAW_PADDING;
	while (item.kind == HPCAP_RAW_PADDING)
		item = hpcap_raw_scan(data, size, item.next_offset);
	CHECK_EQUAL(item.kind, HPCAP_RAW_END);
	free(data);
	return number - first;
}

/* Reads the files in the order in which they were closed; what the events say must be what is there. */
static struct stored read_stored(void)
{
	struct stored stored = { 0 };
	size_t size;
	char *text = (char *)sandbox_read(sandbox_path("status.jsonl"), &size);
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n"))) {
		uint64_t frames;

		if (!strstr(line, "\"event\":\"closed\""))
			continue;
		CHECK_EQUAL(sscanf(strstr(line, "\"file\":\""), "\"file\":\"%4095[^\"]\"", stored.last_path), 1);
		frames = check_file(stored.last_path, stored.frames, number_after(line, "\"file_bytes\":"),
				    &stored.padded);
		CHECK_EQUAL(frames, number_after(line, "\"frames\":"));
		if (frames) {
			CHECK_EQUAL(number_after(line, "\"first_ns\":"), 1700000000000000000ull + stored.frames);
			CHECK_EQUAL(number_after(line, "\"last_ns\":"), 1700000000000000000ull + stored.frames + frames - 1);
		}
		stored.files++;
		stored.full_files += strstr(line, "\"reason\":\"full\"") != NULL;
		stored.frames += frames;
		stored.unsaved += number_after(line, "\"unsaved_frames\":");
	}
	free(text);
	return stored;
}

static const char *const no_options[] = { NULL };
static const char *const small_files[] = { "--file-mib", "1", "--block-kib", "4", NULL };

static void tail_is_saved_on(int signal_number)
{
	struct stored stored;

	hpcapdd_start(no_options);
	wait_for_event("started", 1);
	hpcapdd_tell(RING_DEVICE_APPEND, 0, 1000);
	CHECK_EQUAL(hpcapdd_finish(signal_number), 0);
	stored = read_stored();
	CHECK_EQUAL(stored.files, 1);
	CHECK_EQUAL(stored.frames, 1000);
	CHECK(stored.padded);
	CHECK(strstr(stored.last_path, "/captures/1699999200/1700000000_hpcapt0_3.raw"));
	sandbox_remove();
}

static void tail_is_saved_on_sigterm_and_sigint(void)
{
	tail_is_saved_on(SIGTERM);
	tail_is_saved_on(SIGINT);
}

static void nothing_captured_makes_no_file(void)
{
	hpcapdd_start(no_options);
	wait_for_event("started", 1);
	CHECK_EQUAL(hpcapdd_finish(SIGTERM), 0);
	CHECK_EQUAL(read_stored().files, 0);
	CHECK_EQUAL(access(sandbox_path("captures/1699999200"), F_OK), -1);
	sandbox_remove();
}

static void full_files_follow_each_other_without_a_gap(void)
{
	struct stored stored;

	hpcapdd_start(small_files);
	hpcapdd_tell(RING_DEVICE_APPEND, 0, 10000);
	CHECK_EQUAL(hpcapdd_finish(SIGTERM), 0);
	stored = read_stored();
	CHECK_EQUAL(stored.frames, 10000);
	CHECK(stored.full_files >= 7);
	CHECK_EQUAL(stored.files, stored.full_files + 1);
	/* all frames have the same second: names got numbers */
	CHECK(strstr(stored.last_path, "/1700000000_hpcapt0_3_7.raw"));
	sandbox_remove();
}

static void hangup_puts_everything_on_the_disk(void)
{
	const char *const label[] = { "--iface-label", "probe-1", NULL };
	struct stored stored;
	uint64_t round;

	hpcapdd_start(label);
	wait_for_event("started", 1);
	CHECK_EQUAL(kill(hpcapdd_pid, SIGHUP), 0);
	wait_for_event("flushed", 1);
	CHECK_EQUAL(read_stored().files, 0);
	for (round = 0; round < 5; round++) {
		hpcapdd_tell(RING_DEVICE_APPEND, round * 10, 10);
		CHECK_EQUAL(kill(hpcapdd_pid, SIGHUP), 0);
		wait_for_event("flushed", 2 + (unsigned int)round);
		stored = read_stored();	/* while it runs on */
		CHECK_EQUAL(stored.files, round + 1);
		CHECK_EQUAL(stored.frames, 10 * (round + 1));
		CHECK(stored.padded);
	}
	CHECK(strstr(stored.last_path, "/1700000000_hpcapprobe-1_3_4.raw"));
	CHECK_EQUAL(hpcapdd_finish(SIGTERM), 0);
	sandbox_remove();
}

static void records_of_unknown_kind_are_left_out(void)
{
	hpcapdd_start(no_options);
	hpcapdd_tell(RING_DEVICE_APPEND, 0, 5);
	hpcapdd_tell(RING_DEVICE_SPECIAL, 0, 0);
	hpcapdd_tell(RING_DEVICE_APPEND, 5, 5);
	CHECK_EQUAL(hpcapdd_finish(SIGTERM), 0);
	CHECK_EQUAL(read_stored().frames, 10);
	sandbox_remove();
}

/* The limit is more than the ring's memory file needs. */
static void full_disk_ends_with_a_clean_file(void)
{
	struct rlimit before, small = { .rlim_cur = 1300 * 1024, .rlim_max = RLIM_INFINITY };
	struct stored stored;

	CHECK_EQUAL(getrlimit(RLIMIT_FSIZE, &before), 0);
	CHECK_EQUAL(setrlimit(RLIMIT_FSIZE, &small), 0);
	hpcapdd_start((const char *const[]){ "--block-kib", "64", NULL });
	CHECK_EQUAL(setrlimit(RLIMIT_FSIZE, &before), 0);
	hpcapdd_ask(RING_DEVICE_APPEND, 0, 2000);
	CHECK_EQUAL(hpcapdd_finish(0), 4);
	CHECK(sandbox_complained_of("cannot write"));
	CHECK(sandbox_complained_of("File too large"));
	CHECK(sandbox_complained_of("could not be saved"));
	stored = read_stored();
	CHECK_EQUAL(stored.files, 1);
	CHECK(stored.frames > 1300 && stored.unsaved > 0);
	CHECK(!stored.padded);
	sandbox_remove();
}

static void vanished_device_loses_nothing(void)
{
	hpcapdd_start(no_options);
	hpcapdd_tell(RING_DEVICE_APPEND, 0, 100);
	hpcapdd_tell(RING_DEVICE_VANISH, 0, 0);
	CHECK_EQUAL(hpcapdd_finish(0), 5);
	CHECK(sandbox_complained_of("device is gone"));
	CHECK_EQUAL(read_stored().frames, 100);
	sandbox_remove();
}

static void totals_are_json_on_request(void)
{
	size_t size;
	char *output;

	hpcapdd_start((const char *const[]){ "--json", "--cpu", "0", NULL });
	hpcapdd_tell(RING_DEVICE_APPEND, 0, 3);
	CHECK_EQUAL(hpcapdd_finish(SIGTERM), 0);
	output = (char *)sandbox_read(sandbox_path("stdout"), &size);
	CHECK(strstr(output, "\"frames\":3,") && strstr(output, "\"exit_code\":0}"));
	CHECK(strstr(output, "\"received\":3,"));
	free(output);
	sandbox_remove();
}

static int run(const char *a, const char *b, const char *c, const char *d)
{
	const char *arguments[] = { HPCAPDD_PROGRAM, a, b, c, d, NULL };

	return sandbox_run(arguments);
}

static void wrong_use_is_explained(void)
{
	sandbox_create();
	CHECK_EQUAL(run(NULL, NULL, NULL, NULL), 2);
	CHECK(sandbox_complained_of("usage:"));
	CHECK_EQUAL(run(HPCAPDD_DEVICE, sandbox_path(""), "--file-mib", "0"), 2);
	CHECK(sandbox_complained_of("--file-mib 0"));
	CHECK_EQUAL(run(HPCAPDD_DEVICE, sandbox_path(""), "--block-kib", "7"), 2);
	CHECK(sandbox_complained_of("multiple"));
	CHECK_EQUAL(run(HPCAPDD_DEVICE, sandbox_path(""), "--iface-label", "../x"), 2);
	CHECK_EQUAL(run(HPCAPDD_DEVICE, sandbox_path(""), "--cpu", "9999"), 2);
	CHECK_EQUAL(run(HPCAPDD_DEVICE, sandbox_path(""), "--nonsense", NULL), 2);
	CHECK_EQUAL(run(HPCAPDD_DEVICE, sandbox_path("missing"), NULL, NULL), 4);
	CHECK(sandbox_complained_of("No such file"));
	CHECK_EQUAL(run(HPCAPDD_DEVICE, HPCAPDD_PROGRAM, NULL, NULL), 4);
	CHECK_EQUAL(run(RING_DEVICE_MISSING, sandbox_path(""), NULL, NULL), 3);
	CHECK(sandbox_complained_of("is hpcapvf loaded"));
	CHECK_EQUAL(run("--help", NULL, NULL, NULL), 0);
	sandbox_remove();
}

int main(void)
{
	RUN(tail_is_saved_on_sigterm_and_sigint);
	RUN(nothing_captured_makes_no_file);
	RUN(full_files_follow_each_other_without_a_gap);
	RUN(hangup_puts_everything_on_the_disk);
	RUN(records_of_unknown_kind_are_left_out);
	RUN(full_disk_ends_with_a_clean_file);
	RUN(vanished_device_loses_nothing);
	RUN(totals_are_json_on_request);
	RUN(wrong_use_is_explained);
	return 0;
}
