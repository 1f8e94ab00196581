/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LIB_INPUT_FILE_H
#define LIB_INPUT_FILE_H

/*
 * A file, FIFO or socket to read from; "-" is standard input, whatever that is. The file descriptor, or negative
 * errno: -EISDIR for a folder, -ENODEV for a device (some of them never end).
 */
int input_file_open(const char *name);

/* What a person calls it. */
const char *input_file_label(const char *name);

#endif /* LIB_INPUT_FILE_H */
