/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ring memory in user space: a memory file, mapped twice back to back as the module does it. */
#ifndef TESTS_RING_MEMORY_H
#define TESTS_RING_MEMORY_H

#include <stdint.h>

#include "core/ring.h"

struct test_ring {
	struct hpcap_ring ring;
	struct hpcapvf_control control;
	uint64_t bytes;
};

/* Ends the test if there is no memory. bytes: a multiple of the page size. */
struct test_ring *test_ring_create(uint64_t bytes, uint32_t caplen, uint64_t start);
void test_ring_free(struct test_ring *ring);

/* Appends frame number n with a time of n ns after second 1700000000. */
enum hpcap_verdict test_ring_append(struct test_ring *ring, uint64_t number);

void test_ring_check_accounts(const struct hpcap_ring *ring, struct hpcapvf_stats *out);

#endif /* TESTS_RING_MEMORY_H */
