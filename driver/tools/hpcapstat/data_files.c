// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/hpcapstat/data_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What was there stays whole, also if the disk is full in the middle of the line. */
static int append_whole(int fd, const char *line)
{
	const size_t size = strlen(line);
	struct stat before;
	ssize_t written;

	if (fstat(fd, &before))
		return -errno;
	written = write(fd, line, size);
	if (written == (ssize_t)size)
		return 0;
	if (written < 0)
		return -errno;
	return ftruncate(fd, before.st_size) ? -errno : -ENOSPC;
}

static int make_folder(const char *path)
{
	return mkdir(path, 0755) && errno != EEXIST ? -errno : 0;
}

int data_files_append(const char *folder, time_t when, const char *name, const char *line, char path[PATH_MAX])
{
	char week[16];
	struct tm date;
	int fd, error, length;

	if (!gmtime_r(&when, &date) || !strftime(week, sizeof(week), "%G-%V", &date))
		return -EINVAL;
	length = snprintf(path, PATH_MAX, "%s/%s/%s", folder, week, name);
	if (length >= PATH_MAX)
		return -ENAMETOOLONG;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 && errno == ENOENT) {
		char *slash = path + length - strlen(name) - 1;

		*slash = 0;
		error = make_folder(folder);
		if (!error)
			error = make_folder(path);
		*slash = '/';
		if (error)
			return error;
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	}
	if (fd < 0)
		return -errno;
	error = append_whole(fd, line);
	if (close(fd) && !error)
		error = -errno;
	return error;
}

int data_files_name(const char *device, char name[NAME_MAX + 1])
{
	char real[PATH_MAX], *slash;

	if (!realpath(device, real))
		return -errno;
	slash = strrchr(real, '/');
	if (strcmp(slash + 1, "hpcapvf") == 0 && slash != real) {
		*slash = 0;
		slash = strrchr(real, '/');
	}
	if (!slash[1])
		return -EINVAL;
	return snprintf(name, NAME_MAX + 1, "%s", slash + 1) > NAME_MAX ? -ENAMETOOLONG : 0;
}
