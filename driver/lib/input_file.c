// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/input_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_standard_input(const char *name)
{
	return strcmp(name, "-") == 0;
}

int input_file_open(const char *name)
{
	struct stat status;
	int error = 0;
	int fd = is_standard_input(name) ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status))
		error = -errno;
	else if (S_ISDIR(status.st_mode))
		error = -EISDIR;
	else if ((S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) && !is_standard_input(name))
		error = -ENODEV;
	if (!error)
		return fd;
	close(fd);
	return error;
}

const char *input_file_label(const char *name)
{
	return is_standard_input(name) ? "standard input" : name;
}
