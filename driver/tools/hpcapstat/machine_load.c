// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/hpcapstat/machine_load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 4096
#define TIMES 8	/* user nice system idle iowait irq softirq steal; what guests use is in user already */

static void take_cpu(struct machine_load *load, const char *line)
{
	unsigned long long times[TIMES] = { 0 }, total = 0;
	unsigned int number, i;

	if (sscanf(line, "cpu%u %llu %llu %llu %llu %llu %llu %llu %llu", &number, &times[0], &times[1], &times[2],
		   &times[3], &times[4], &times[5], &times[6], &times[7]) < 5 ||
	    number >= MACHINE_CPUS_MAX)
		return;
	for (i = 0; i < TIMES; i++)
		total += times[i];
	load->cpus[number].total = total;
	load->cpus[number].busy = total - times[3] - times[4];
}

static void take_memory(struct machine_load *load, const char *line)
{
	unsigned long long kib;

	if (sscanf(line, "MemTotal: %llu", &kib) == 1)
		load->memory_kib = kib;
	else if (sscanf(line, "MemFree: %llu", &kib) == 1)
		load->free_kib = kib;
	else if (sscanf(line, "Cached: %llu", &kib) == 1)
		load->cached_kib = kib;
}

static int for_each_line(const char *path, struct machine_load *load,
			 void (*take)(struct machine_load *load, const char *line))
{
	char line[LINE_MAX_BYTES];
	FILE *file = fopen(path, "re");

	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file))
		take(load, line);
	fclose(file);
	return 0;
}

int machine_load_read(struct machine_load *out)
{
	int error;

	memset(out, 0, sizeof(*out));
	error = for_each_line("/proc/stat", out, take_cpu);
	return error ? error : for_each_line("/proc/meminfo", out, take_memory);
}

int machine_load_text(const struct machine_load *now, const struct machine_load *before, char *out, size_t size)
{
	size_t at = 0;
	unsigned int i;

	for (i = 0; i < MACHINE_CPUS_MAX && at < size; i++) {
		const uint64_t total = now->cpus[i].total - before->cpus[i].total;
		const uint64_t busy = now->cpus[i].busy - before->cpus[i].busy;

		if (!now->cpus[i].total)
			continue;
		/* the kernel's sum of waiting for the disk may go back a little */
		at += (size_t)snprintf(out + at, size - at, " %.1f",
				       total && busy <= total ? 100.0 * (double)busy / (double)total : 0.0);
	}
	if (at < size)
		at += (size_t)snprintf(out + at, size - at, " %llu %llu %llu %llu", (unsigned long long)now->memory_kib,
				       (unsigned long long)(now->memory_kib - now->free_kib - now->cached_kib),
				       (unsigned long long)now->free_kib, (unsigned long long)now->cached_kib);
	return at < size ? 0 : -ENOBUFS;
}
