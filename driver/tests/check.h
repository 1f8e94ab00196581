/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A failed check says where and ends the test: what comes after would only confuse. */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                   \
	do {                                                                               \
		if (!(condition)) {                                                        \
			fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
			exit(1);                                                           \
		}                                                                          \
	} while (0)

#define CHECK_EQUAL(actual, expected)                                                                        \
	do {                                                                                                 \
		unsigned long long check_a = (unsigned long long)(actual);                                   \
		unsigned long long check_b = (unsigned long long)(expected);                                 \
		if (check_a != check_b) {                                                                    \
			fprintf(stderr, "%s:%d: %s is %llu, expected %llu\n", __FILE__, __LINE__, #actual, check_a, \
				check_b);                                                                    \
			exit(1);                                                                             \
		}                                                                                            \
	} while (0)

#define RUN(test)                       \
	do {                            \
		printf("  " #test "\n"); \
		fflush(stdout);         \
		test();                 \
	} while (0)

#endif /* TESTS_CHECK_H */
