// SPDX-License-Identifier: GPL-2.0-or-later
/* The guard of free space, when it is not alone: two captures of one queue, or a person, remove files as well. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/sandbox.h"
#include "tools/hpcapdd/guard.h"

#define FILES 4u
#define EPOCH 1599998400u

static unsigned int removed;

static const char *file_path(unsigned int number)
{
	char name[64];

	snprintf(name, sizeof(name), "1599998400/%u_hpcapt0_3.raw", EPOCH + number);
	return sandbox_path(name);
}

/* While the guard is at the first file, somebody takes the second one. */
static void on_removed(void *context, const char *path, uint64_t bytes)
{
	(void)context;
	(void)path;
	(void)bytes;
	if (!removed++)
		CHECK_EQUAL(unlink(file_path(1)), 0);
}

static void a_file_that_another_one_removed_is_no_error(void)
{
	struct guard guard = { .high_percent = 1, .low_percent = 0, .directory = sandbox_create(), .label = "t0", .queue = 3,
			       .removed = on_removed };
	unsigned int i;

	CHECK_EQUAL(mkdir(sandbox_path("1599998400"), 0755), 0);
	for (i = 0; i < FILES; i++)
		sandbox_write(file_path(i), "x", 1);
	CHECK_EQUAL(guard_check(&guard, file_path(3)), 0);
	CHECK_EQUAL(removed, 2);
	CHECK_EQUAL(access(file_path(2), F_OK), -1);
	CHECK_EQUAL(access(file_path(3), F_OK), 0);	/* the current one */
	sandbox_remove();
}

int main(void)
{
	RUN(a_file_that_another_one_removed_is_no_error);
	return 0;
}
