/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HPCAPDD_RAW_PATH_H
#define HPCAPDD_RAW_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAW_PATH_FOLDER_SECONDS 1800u

/*
 * Creates <directory>/<epoch rounded down to 1800>/<epoch>_hpcap<label>_<queue>.raw and the folder in it, never
 * the directory itself (it may be a mount point that is not there). If the name exists, _1, _2 ... goes before
 * ".raw". Returns the file descriptor, or negative errno. path gets the name that was tried last; *direct
 * says whether the file system took O_DIRECT.
 */
int raw_path_create(const char *directory, const char *label, unsigned int queue, uint32_t epoch, char *path,
		    size_t path_size, bool *direct);

/* Makes the file's name durable: syncs the folder that holds it. 0 or negative errno. */
int raw_path_sync_folder(const char *path);

#endif /* HPCAPDD_RAW_PATH_H */
