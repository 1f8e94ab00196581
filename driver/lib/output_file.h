/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LIB_OUTPUT_FILE_H
#define LIB_OUTPUT_FILE_H

#include <stdbool.h>

#include "lib/byte_output.h"

/* Is it "-", standard output? */
bool output_file_is_stdout(const char *name);

/* Is the regular file of that name among the inputs (- as standard input)? Opening it would empty it unread. */
bool output_file_is_input(const char *name, char *const *inputs, int count);

/* Creates or empties a file. output->error says what went wrong; 0: ready. */
void output_file_open(struct byte_output *output, const char *name);

/* Writes what is left and closes. The output's error, or 0. */
int output_file_close(struct byte_output *output);

#endif /* LIB_OUTPUT_FILE_H */
