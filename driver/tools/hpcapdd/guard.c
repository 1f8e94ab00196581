// SPDX-License-Identifier: GPL-2.0-or-later
#include "guard.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "raw_path.h"

struct own_file {
	unsigned long epoch;
	unsigned long suffix;
	char *path;
	uint64_t bytes;
};

struct listing {
	struct own_file *files;
	size_t count;
	size_t room;
};

static bool read_number(const char **text, unsigned long *number)
{
	char *end;

	if (!isdigit((unsigned char)**text))
		return false;
	errno = 0;
	*number = strtoul(*text, &end, 10);
	*text = end;
	return errno == 0;
}

/* <epoch>_hpcap<label>_<queue>[_<suffix>].raw of this interface and queue, in the folder of its half hour? */
static bool is_own(const struct guard *guard, unsigned long folder, const char *name, struct own_file *file)
{
	char middle[64];
	int length = snprintf(middle, sizeof(middle), "_hpcap%s_%u", guard->label, guard->queue);

	file->suffix = 0;
	if (length < 0 || (size_t)length >= sizeof(middle) || !read_number(&name, &file->epoch) ||
	    strncmp(name, middle, (size_t)length) != 0 || file->epoch - file->epoch % RAW_PATH_FOLDER_SECONDS != folder)
		return false;
	name += length;
	if (*name == '_') {
		name++;
		if (!read_number(&name, &file->suffix))
			return false;
	}
	return strcmp(name, ".raw") == 0;
}

static int add(struct listing *listing, const struct own_file *file)
{
	if (listing->count == listing->room) {
		size_t room = listing->room ? 2 * listing->room : 64;
		struct own_file *files = realloc(listing->files, room * sizeof(*files));

		if (!files)
			return -ENOMEM;
		listing->files = files;
		listing->room = room;
	}
	listing->files[listing->count++] = *file;
	return 0;
}

static int list_folder(const struct guard *guard, const char *folder, unsigned long epoch, struct listing *listing)
{
	struct dirent *entry;
	int error = 0;
	DIR *open_folder = opendir(folder);

	if (!open_folder)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	while (!error && (entry = readdir(open_folder))) {
		struct own_file file;
		struct stat status;

		if (!is_own(guard, epoch, entry->d_name, &file) ||
		    fstatat(dirfd(open_folder), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) || !S_ISREG(status.st_mode))
			continue;
		file.bytes = (uint64_t)status.st_blocks * 512;
		if (asprintf(&file.path, "%s/%s", folder, entry->d_name) < 0)
			error = -ENOMEM;
		else
			error = add(listing, &file);
	}
	closedir(open_folder);
	return error;
}

static int list_own(const struct guard *guard, struct listing *listing)
{
	struct dirent *entry;
	int error = 0;
	DIR *top = opendir(guard->directory);

	if (!top)
		return -errno;
	while (!error && (entry = readdir(top))) {
		const char *rest = entry->d_name;
		char folder[PATH_MAX];
		unsigned long epoch;

		if (!read_number(&rest, &epoch) || *rest || epoch % RAW_PATH_FOLDER_SECONDS)
			continue;
		if ((size_t)snprintf(folder, sizeof(folder), "%s/%s", guard->directory, entry->d_name) < sizeof(folder))
			error = list_folder(guard, folder, epoch, listing);
	}
	closedir(top);
	return error;
}

static int by_age(const void *a, const void *b)
{
	const struct own_file *x = a, *y = b;

	if (x->epoch != y->epoch)
		return x->epoch < y->epoch ? -1 : 1;
	return x->suffix < y->suffix ? -1 : x->suffix > y->suffix;
}

static int remove_oldest(struct guard *guard, struct listing *listing, const char *current, uint64_t wanted)
{
	uint64_t removed = 0;
	size_t i;

	qsort(listing->files, listing->count, sizeof(*listing->files), by_age);
	for (i = 0; i < listing->count && removed < wanted; i++) {
		struct own_file *file = &listing->files[i];

		if (strcmp(file->path, current) == 0)
			continue;
		if (unlink(file->path)) {
			if (errno == ENOENT)	/* somebody else was faster: room was made */
				continue;
			return -errno;
		}
		removed += file->bytes;
		guard->removed_files++;
		guard->removed_bytes += file->bytes;
		guard->removed(guard->context, file->path, file->bytes);
		*strrchr(file->path, '/') = '\0';
		/* stays as long as something is in it */
		(void)rmdir(file->path);
	}
	return 0;
}

int guard_check(struct guard *guard, const char *current)
{
	struct listing listing = { 0 };
	const uint64_t removed_before = guard->removed_files;
	uint64_t used, usable, allowed;
	struct statvfs space;
	int error;

	if (!guard->high_percent)
		return 0;
	if (statvfs(guard->directory, &space))
		return -errno;
	/* as df counts: without what is kept for root */
	used = (space.f_blocks - space.f_bfree) * space.f_frsize;
	usable = used + space.f_bavail * space.f_frsize;
	if (used < usable / 100 * guard->high_percent || used < guard->in_vain_below)
		return 0;
	allowed = usable / 100 * guard->low_percent;
	error = list_own(guard, &listing);
	if (!error && listing.count)
		error = remove_oldest(guard, &listing, current, used > allowed ? used - allowed : 0);
	guard->in_vain_below = guard->removed_files == removed_before ? used + usable / 100 : 0;
	while (listing.count)
		free(listing.files[--listing.count].path);
	free(listing.files);
	return error;
}
