/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How busy the machine is, from /proc/stat and /proc/meminfo (proc(5)). */
#ifndef HPCAPSTAT_MACHINE_LOAD_H
#define HPCAPSTAT_MACHINE_LOAD_H

#include <stddef.h>
#include <stdint.h>

#define MACHINE_CPUS_MAX 1024

struct cpu_time {
	uint64_t busy;
	uint64_t total;
};

struct machine_load {
	struct cpu_time cpus[MACHINE_CPUS_MAX];	/* by number; total 0: not there */
	uint64_t memory_kib, free_kib, cached_kib;
};

/* 0 or a negative errno. */
int machine_load_read(struct machine_load *out);

/*
 * " <% of each CPU in use since before> <memory> <used> <free> <cached>", memory in KiB, used: all but free and cached.
 * -ENOBUFS if it does not fit.
 */
int machine_load_text(const struct machine_load *now, const struct machine_load *before, char *out, size_t size);

#endif /* HPCAPSTAT_MACHINE_LOAD_H */
