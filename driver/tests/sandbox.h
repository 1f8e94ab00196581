/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs under test: a folder of their own, started with a deadline, ended by pid. */
#ifndef TESTS_SANDBOX_H
#define TESTS_SANDBOX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SANDBOX_ARGUMENTS_MAX 16
#define SANDBOX_DEADLINE_S 60

/* A fresh folder below the build folder (O_DIRECT needs a real file system); its path. */
const char *sandbox_create(void);
void sandbox_remove(void);

/* Path of a name in the sandbox; a few calls later the text is overwritten. */
const char *sandbox_path(const char *name);

/* Starts arguments[0] (NULL at the end), with its output in the files "stdout" and "stderr". */
pid_t sandbox_start(const char *const *arguments);

/* The exit code; a signal or the deadline fails the test. */
int sandbox_wait(pid_t pid);

/* Start and wait. */
int sandbox_run(const char *const *arguments);

/* A whole file, with a 0 behind it; ends the test if it cannot be read. free() it. */
uint8_t *sandbox_read(const char *path, size_t *size);
void sandbox_write(const char *path, const void *data, size_t size);

/* Waits until the program that runs has written so many bytes to "stdout". */
void sandbox_wait_for_output(size_t bytes);

/* Does "stderr" contain the text? */
int sandbox_complained_of(const char *text);

#endif /* TESTS_SANDBOX_H */
