/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files of lines that grow for ever, a folder a week: FOLDER/<year>-<week>/<name>, as in the thesis' appendix B.1.4.
 * Years and weeks are those of ISO 8601 in UTC, so that every day of a week is in one folder.
 */
#ifndef HPCAPSTAT_DATA_FILES_H
#define HPCAPSTAT_DATA_FILES_H

#include <limits.h>
#include <time.h>

/*
 * Appends a line (with its newline) as a whole or not at all; makes the folders. The file is opened for each line, so the
 * first line of a week makes that week's. 0 or a negative errno; path is the file's, also if it failed.
 */
int data_files_append(const char *folder, time_t when, const char *name, const char *line, char path[PATH_MAX]);

/* The name of a device for its file: /dev/NAME, or FOLDER/NAME/hpcapvf. 0 or a negative errno. */
int data_files_name(const char *device, char name[NAME_MAX + 1]);

#endif /* HPCAPSTAT_DATA_FILES_H */
