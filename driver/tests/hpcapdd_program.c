// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/hpcapdd_program.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/ring_device.h"
#include "tests/sandbox.h"

static int control;	/* socket to the ring device */
pid_t hpcapdd_pid;

void device_program_start(const char *const *arguments)
{
	char variable[16];
	int ends[2];

	CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	snprintf(variable, sizeof(variable), "%d", ends[1]);
	setenv(RING_DEVICE_VARIABLE, variable, 1);
	hpcapdd_pid = sandbox_start(arguments);
	close(ends[1]);
	control = ends[0];
}

void hpcapdd_start_in(const char *directory, const char *const *options)
{
	const char *arguments[SANDBOX_ARGUMENTS_MAX] = { HPCAPDD_PROGRAM, HPCAPDD_DEVICE, directory, "--status" };
	unsigned int count = 4;
	char status[4096];

	snprintf(status, sizeof(status), "%s", sandbox_path("status.jsonl"));
	arguments[count++] = status;
	while (*options)
		arguments[count++] = *options++;
	arguments[count] = NULL;
	device_program_start(arguments);
}

void hpcapdd_start(const char *const *options)
{
	char directory[4096];

	sandbox_create();
	snprintf(directory, sizeof(directory), "%s", sandbox_path("captures"));
	CHECK_EQUAL(mkdir(directory, 0755), 0);
	hpcapdd_start_in(directory, options);
}

void hpcapdd_ask(uint64_t operation, uint64_t first, uint64_t count)
{
	struct ring_device_request request = { operation, first, count };

	CHECK_EQUAL(write(control, &request, sizeof(request)), sizeof(request));
}

void hpcapdd_tell(uint64_t operation, uint64_t first, uint64_t count)
{
	char answer;

	hpcapdd_ask(operation, first, count);
	CHECK_EQUAL(read(control, &answer, 1), 1);
}

int hpcapdd_finish(int signal_number)
{
	int code;

	if (signal_number)
		CHECK_EQUAL(kill(hpcapdd_pid, signal_number), 0);
	code = sandbox_wait(hpcapdd_pid);
	close(control);
	return code;
}

static unsigned int occurrences(const char *text, const char *wanted)
{
	unsigned int count = 0;

	while ((text = strstr(text, wanted))) {
		count++;
		text++;
	}
	return count;
}

void wait_for_event(const char *event, unsigned int times)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	char wanted[64];
	int ticks;

	snprintf(wanted, sizeof(wanted), "{\"event\":\"%s\"", event);
	for (ticks = 0; ticks < SANDBOX_DEADLINE_S * 200; ticks++) {
		unsigned int seen = 0;

		if (access(sandbox_path("status.jsonl"), R_OK) == 0) {
			size_t size;
			char *text = (char *)sandbox_read(sandbox_path("status.jsonl"), &size);

			seen = occurrences(text, wanted);
			free(text);
		}
		if (seen >= times)
			return;
		nanosleep(&pause, NULL);
	}
	fprintf(stderr, "event %s did not come %u times\n", event, times);
	exit(1);
}

uint64_t number_after(const char *line, const char *key)
{
	const char *at = strstr(line, key);

	CHECK(at);
	return strtoull(at + strlen(key), NULL, 10);
}
