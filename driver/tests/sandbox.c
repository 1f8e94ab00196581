// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/sandbox.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/check.h"

static char folder[PATH_MAX];

const char *sandbox_create(void)
{
	snprintf(folder, sizeof(folder), "%s", "build/tests/sandbox-XXXXXX");
	CHECK(mkdtemp(folder));
	return folder;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
	(void)status;
	(void)kind;
	(void)where;
	return remove(path);
}

void sandbox_remove(void)
{
	CHECK_EQUAL(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

const char *sandbox_path(const char *name)
{
	static char paths[8][PATH_MAX];
	static unsigned int next;
	char *path = paths[next++ % 8];

	CHECK(snprintf(path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX);
	return path;
}

static void redirect(const char *name, int to)
{
	int fd = open(sandbox_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || dup2(fd, to) < 0)
		_exit(126);
	close(fd);
}

pid_t sandbox_start(const char *const *arguments)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		redirect("stdout", STDOUT_FILENO);
		redirect("stderr", STDERR_FILENO);
		execv(arguments[0], (char *const *)(uintptr_t)arguments);
		_exit(127);
	}
	return pid;
}

int sandbox_wait(pid_t pid)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	int status, ticks;

	for (ticks = 0; ticks < SANDBOX_DEADLINE_S * 100; ticks++) {
		pid_t ended = waitpid(pid, &status, WNOHANG);

		CHECK(ended >= 0);
		if (ended == pid) {
			CHECK(WIFEXITED(status));
			return WEXITSTATUS(status);
		}
		nanosleep(&pause, NULL);
	}
	kill(pid, SIGKILL);
	fprintf(stderr, "program %d did not end in %d s\n", (int)pid, SANDBOX_DEADLINE_S);
	exit(1);
}

int sandbox_run(const char *const *arguments)
{
	return sandbox_wait(sandbox_start(arguments));
}

uint8_t *sandbox_read(const char *path, size_t *size)
{
	struct stat status;
	uint8_t *data;
	FILE *file = fopen(path, "rb");

	CHECK(file && fstat(fileno(file), &status) == 0);
	*size = (size_t)status.st_size;
	data = malloc(*size + 1);
	CHECK(data && fread(data, 1, *size, file) == *size);
	data[*size] = 0;
	fclose(file);
	return data;
}

void sandbox_write(const char *path, const void *data, size_t size)
{
	FILE *file = fopen(path, "wb");

	CHECK(file && fwrite(data, 1, size, file) == size);
	CHECK_EQUAL(fclose(file), 0);
}

int sandbox_complained_of(const char *text)
{
	size_t size;
	char *output = (char *)sandbox_read(sandbox_path("stderr"), &size);
	int found = strstr(output, text) != NULL;

	if (!found)
		fprintf(stderr, "not said: \"%s\", but: %s\n", text, output);
	free(output);
	return found;
}

void sandbox_wait_for_output(size_t bytes)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	struct stat status = { 0 };
	int ticks;

	for (ticks = 0; ticks < SANDBOX_DEADLINE_S * 200; ticks++) {
		if (stat(sandbox_path("stdout"), &status) == 0 && (size_t)status.st_size >= bytes)
			return;
		nanosleep(&pause, NULL);
	}
	fprintf(stderr, "only %lld bytes came\n", (long long)status.st_size);
	exit(1);
}
