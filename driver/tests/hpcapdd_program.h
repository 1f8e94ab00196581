/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hpcapdd as a program, with a ring device (tests/ring_device.h) that does what it is told. */
#ifndef TESTS_HPCAPDD_PROGRAM_H
#define TESTS_HPCAPDD_PROGRAM_H

#include <stdint.h>
#include <sys/types.h>

#define HPCAPDD_PROGRAM "build/tests/hpcapdd"
#define HPCAPDD_DEVICE "/dev/hpcap_t0_3"

extern pid_t hpcapdd_pid;

/* Any program with a ring device; the functions below work for it, too. */
void device_program_start(const char *const *arguments);

/* In a new sandbox with a folder "captures"; events go to "status.jsonl". The options end with NULL. */
void hpcapdd_start(const char *const *options);

/* The same in a sandbox that is there, with another directory. */
void hpcapdd_start_in(const char *directory, const char *const *options);

/* Has the device do something (enum ring_device_operation), and waits until it is done. */
void hpcapdd_tell(uint64_t operation, uint64_t first, uint64_t count);

/* Without waiting: the program may end before. */
void hpcapdd_ask(uint64_t operation, uint64_t first, uint64_t count);

/* Sends a signal, if it is not 0, and waits for the end. The exit code. */
int hpcapdd_finish(int signal_number);

/* Waits until an event was written so many times. */
void wait_for_event(const char *event, unsigned int times);

/* The number behind a key. */
uint64_t number_after(const char *line, const char *key);

#endif /* TESTS_HPCAPDD_PROGRAM_H */
