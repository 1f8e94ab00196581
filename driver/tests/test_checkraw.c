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
	RUN(unusable_and_wrong_use);
	sandbox_remove();
	return 0;
}
