// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE 0666

bool output_file_is_stdout(const char *name)
{
	return strcmp(name, "-") == 0;
}

static int identify(const char *name, int standard, struct stat *out)
{
	return strcmp(name, "-") == 0 ? fstat(standard, out) : stat(name, out);
}

bool output_file_is_input(const char *name, char *const *inputs, int count)
{
	struct stat output, input;

	if (identify(name, STDOUT_FILENO, &output) || !S_ISREG(output.st_mode))
		return false;
	for (; count; count--, inputs++)
		if (identify(*inputs, STDIN_FILENO, &input) == 0 && input.st_dev == output.st_dev &&
		    input.st_ino == output.st_ino)
			return true;
	return false;
}

void output_file_open(struct byte_output *output, const char *name)
{
	int fd = STDOUT_FILENO;
	int error = 0;

	*output = (struct byte_output){ .fd = -1 };
	if (!output_file_is_stdout(name))
		fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
	if (fd < 0)
		error = -errno;
	else
		error = byte_output_open(output, fd);
	output->error = error;
}

int output_file_close(struct byte_output *output)
{
	if (!output->error)
		byte_output_flush(output);
	/* some file systems tell of a failed write only here */
	if (output->fd >= 0 && close(output->fd) && !output->error)
		output->error = -errno;
	output->fd = -1;
	byte_output_free(output);
	return output->error;
}
