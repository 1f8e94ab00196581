// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "libhpcapvf.h"

#define CLASS_FOLDER "/sys/class/misc"
#define FIELD(name) { #name, offsetof(struct hpcapvf_stats, name) }

static const struct {
	const char *name;
	size_t offset;
} fields[] = {
	FIELD(received),	  FIELD(received_bytes),    FIELD(published),	      FIELD(published_bytes),
	FIELD(ring_full_drops),	  FIELD(ring_full_bytes),   FIELD(no_listener_drops), FIELD(no_listener_bytes),
	FIELD(errors),		  FIELD(error_bytes),	    FIELD(duplicates),	      FIELD(duplicate_bytes),
	FIELD(queue_full_drops),  FIELD(queue_full_bytes),  FIELD(vlan_reinserted),   FIELD(resets),
	FIELD(clock_steps_back),  FIELD(clock_stepped_back_ns),
};

static int read_counter(const char *folder, const char *name, uint64_t *out)
{
	char path[PATH_MAX], text[32];
	unsigned long long value;
	char *end, *line;
	FILE *file;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	file = fopen(path, "re");
	if (!file)
		return -errno;
	line = fgets(text, sizeof(text), file);
	fclose(file);
	if (!line)
		return -ENODEV;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || (*end && *end != '\n'))
		return -EPROTO;
	*out = value;
	return 0;
}

/* Where the counters of a device node are; a folder stands for itself. */
static int find_folder(const char *path, char out[PATH_MAX])
{
	char real[PATH_MAX];
	struct stat status;

	if (!realpath(path, real) || stat(real, &status))
		return -errno;
	if (S_ISDIR(status.st_mode))
		strcpy(out, real);
	else if (snprintf(out, PATH_MAX, CLASS_FOLDER "/%s/hpcapvf", strrchr(real, '/') + 1) >= PATH_MAX)
		return -ENAMETOOLONG;
	return 0;
}

int hpcapvf_counters(const char *path, struct hpcapvf_stats *out)
{
	struct hpcapvf_stats found = { 0 };
	char folder[PATH_MAX];
	int error = find_folder(path, folder);
	size_t i;

	for (i = 0; !error && i < sizeof(fields) / sizeof(*fields); i++)
		error = read_counter(folder, fields[i].name, (uint64_t *)((char *)&found + fields[i].offset));
	if (!error)
		*out = found;
	return error;
}
