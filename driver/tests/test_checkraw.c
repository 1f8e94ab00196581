// SPDX-License-Identifier: GPL-2.0-or-later
/* checkraw as a program: verdicts, positions, exit codes. What is found is the business of test_raw_reader. */
#include <stdlib.h>
#include <string.h>

#include "tests/check.h"
#include "tests/frames.h"
#include "tests/raw_file.h"
#include "tests/sandbox.h"

#define PROGRAM "build/tests/checkraw"

static int run(const char *a, const char *b, const char *c)
{
	const char *arguments[] = { PROGRAM, a, b, c, NULL };

	return sandbox_run(arguments);
}

static int printed(const char *text)
{
	size_t size;
	char *output = (char *)sandbox_read(sandbox_path("stdout"), &size);
	int found = strstr(output, text) != NULL;

	if (!found)
		fprintf(stderr, "not printed: \"%s\", but: %s\n", text, output);
	free(output);
	return found;
}

static void save(const char *name)
{
	sandbox_write(sandbox_path(name), raw_file, raw_file_size);
}

/*
 * The known variant with records of 20 bytes (8 more behind ours). RAW cannot say which it is; it must not come out
 * as frames that are shifted by 8 bytes, whatever the frames hold.
 */
static void longer_records_are_unusable(void)
{
	static const uint8_t contents[] = { 0x00, 0xff, 0x45 };
	unsigned int kind, i;

	for (kind = 0; kind <= 3; kind++) {
		raw_file_begin();
		for (i = 0; i < 1000; i++) {
			const uint16_t length = (uint16_t)(kind < 3 ? 60 : frame_length(i));
			const struct { uint32_t second, nanosecond; uint16_t caplen, len, more[2]; uint32_t hash; } record = {
				RAW_FILE_SECOND, i, length, length, { 0, 0 }, i * 2654435761u };
			uint8_t frame[FRAME_BYTES_MAX];

			CHECK_EQUAL(sizeof(record), 20);
			frame_fill(frame, i);
			raw_file_add_bytes(&record, sizeof(record));
			if (kind < 3)
				raw_file_add_fill(contents[kind], length);
			else
				raw_file_add_bytes(frame, length);
		}
		save("longer.raw");
		CHECK_EQUAL(run(sandbox_path("longer.raw"), NULL, NULL), 2);
		CHECK(printed("unusable: 0 frames"));
	}
}

static void verdicts_and_positions(void)
{
	char wanted[256];

	raw_file_begin();
	raw_file_add_frames(0, 40);
	raw_file_add_padding(100);
	save("sound.raw");
	CHECK_EQUAL(run(sandbox_path("sound.raw"), NULL, NULL), 0);
	CHECK(printed("sound: 40 frames"));
	raw_file_behead(3);
	save("headless.raw");
	CHECK_EQUAL(run(sandbox_path("headless.raw"), NULL, NULL), 1);
	snprintf(wanted, sizeof(wanted), "byte 0: the file does not begin with a record (%u bytes skipped)",
		 12 + frame_length(0) - 3);
	CHECK(printed(wanted));
	CHECK_EQUAL(run("--json", sandbox_path("headless.raw"), sandbox_path("sound.raw")), 1);
	CHECK(printed("{\"offset\":0,\"kind\":\"no-record-at-start\",\"fault\":true,"));
	CHECK(printed("],\"verdict\":\"faults\",\"error\":\"\",\"frames\":39,"));
	CHECK(printed("\"findings\":[],\"verdict\":\"sound\",\"error\":\"\",\"frames\":40,"));
	CHECK(printed("\"first_ns\":1700000000000000000,\"last_ns\":1700000000000000039}"));
	CHECK_EQUAL(run("-q", sandbox_path("headless.raw"), NULL), 1);
}

static void unusable_and_wrong_use(void)
{
	sandbox_write(sandbox_path("text.raw"), "This is no capture, and will never be one.", 42);
	sandbox_write(sandbox_path("empty.raw"), "", 0);
	CHECK_EQUAL(run(sandbox_path("text.raw"), sandbox_path("sound.raw"), NULL), 2);
	CHECK(printed("unusable") && printed("sound: 40"));
	CHECK_EQUAL(run(sandbox_path("empty.raw"), NULL, NULL), 2);
	CHECK(printed("the file is empty"));
	CHECK_EQUAL(run(sandbox_path("missing.raw"), NULL, NULL), 2);
	CHECK(printed("No such file"));
	CHECK_EQUAL(run(sandbox_path(""), NULL, NULL), 2);
	CHECK(printed("Is a directory"));
	CHECK_EQUAL(run("/dev/zero", NULL, NULL), 2);
	CHECK_EQUAL(run(NULL, NULL, NULL), 2);
	CHECK_EQUAL(run("--nonsense", NULL, NULL), 2);
	CHECK_EQUAL(run("--help", NULL, NULL), 0);
}

int main(void)
{
	sandbox_create();
	RUN(verdicts_and_positions);
	RUN(longer_records_are_unusable);
	RUN(unusable_and_wrong_use);
	sandbox_remove();
	return 0;
}
