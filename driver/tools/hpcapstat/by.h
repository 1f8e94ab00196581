/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames and bytes by header fields: of a device as they come, or of RAW files. */
#ifndef HPCAPSTAT_BY_H
#define HPCAPSTAT_BY_H

#include <signal.h>

#include "tools/hpcapstat/options.h"

/*
 * The first name decides: a file, FIFO or "-" is RAW, as the others must be; all else is one device, whose capture is
 * never held up: what is not taken in time is counted as lost. Says what is wrong on standard error.
 */
enum stat_exit by_run(const struct options *options, const volatile sig_atomic_t *stop);

#endif /* HPCAPSTAT_BY_H */
