// SPDX-License-Identifier: GPL-2.0-or-later
#include "raw_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX_MAX 9999
#define FILE_MODE 0640
#define FOLDER_MODE 0755

static int sync_directory(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd))
		error = -errno;
	close(fd);
	return error;
}

static int create_folder(const char *directory, const char *folder)
{
	if (mkdir(folder, FOLDER_MODE) == 0)
		return sync_directory(directory);
	return errno == EEXIST ? 0 : -errno;
}

static int create_new(const char *path, bool *direct)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
	int fd = open(path, flags | O_DIRECT, FILE_MODE);

	*direct = true;
	if (fd >= 0)
		return fd;
	if (errno != EINVAL)
		return -errno;
	/* The file system has no O_DIRECT. Some kernels create the file before they say so. */
	*direct = false;
	fd = open(path, flags & ~O_EXCL, FILE_MODE);
	return fd < 0 ? -errno : fd;
}

static int name_of(char *path, size_t size, const char *folder, uint32_t epoch, const char *label,
		   unsigned int queue, unsigned int suffix)
{
	int length;

	if (suffix)
		length = snprintf(path, size, "%s/%u_hpcap%s_%u_%u.raw", folder, epoch, label, queue, suffix);
	else
		length = snprintf(path, size, "%s/%u_hpcap%s_%u.raw", folder, epoch, label, queue);
	return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}

int raw_path_create(const char *directory, const char *label, unsigned int queue, uint32_t epoch, char *path,
		    size_t path_size, bool *direct)
{
	char folder[PATH_MAX];
	unsigned int suffix;
	int error;
	int length = snprintf(folder, sizeof(folder), "%s/%u", directory, epoch - epoch % RAW_PATH_FOLDER_SECONDS);

	if (length < 0 || (size_t)length >= sizeof(folder) || (size_t)length >= path_size)
		return -ENAMETOOLONG;
	memcpy(path, folder, (size_t)length + 1);
	error = create_folder(directory, folder);
	if (error)
		return error;
	for (suffix = 0; suffix <= SUFFIX_MAX; suffix++) {
		int fd = name_of(path, path_size, folder, epoch, label, queue, suffix);

		if (fd == 0)
			fd = create_new(path, direct);
		if (fd != -EEXIST)
			return fd;
	}
	return -EEXIST;
}

int raw_path_sync_folder(const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;

	if (!length || length >= sizeof(folder))
		return -EINVAL;
	memcpy(folder, path, length);
	folder[length] = '\0';
	return sync_directory(folder);
}
