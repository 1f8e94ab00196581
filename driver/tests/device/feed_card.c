// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Numbered frames into an emulated card, at a pace: feed_card SOCKET DESTINATION-MAC BYTES FRAMES FRAMES-A-SECOND
 *
 * SOCKET is where QEMU's "-netdev dgram" takes frames. A card that cannot follow holds the sender up, and no frame is lost
 * on the way: what was really sent in a second is in the answer, one JSON object. Time that was lost so is not made good.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/device/numbered.h"

#define SECOND_NS 1000000000ull
/* A wait for the card that is longer than that counts as held up. */
#define PATIENCE_NS 1000000ull
/* Longest lateness that is made good, as the wire of the lab has it: a burst would overrun the card. */
#define CATCH_UP_NS (4 * PATIENCE_NS)
/* The card takes nothing any more. */
#define STALL_SECONDS 30

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static int connect_to(const char *path)
{
	struct timeval stall = { .tv_sec = STALL_SECONDS };
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	CHECK(fd >= 0);
	CHECK(strlen(path) < sizeof(to.sun_path));
	memcpy(to.sun_path, path, strlen(path) + 1);
	CHECK_EQUAL(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	CHECK_EQUAL(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof(stall)), 0);
	return fd;
}

static void wait_until(uint64_t due_ns)
{
	struct timespec due = { .tv_sec = (time_t)(due_ns / SECOND_NS), .tv_nsec = (long)(due_ns % SECOND_NS) };

	if (now_ns() < due_ns)
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

int main(int argc, char **argv)
{
	uint8_t frame[NUMBERED_BYTES_MAX], to[6];
	struct numbered_kind kind = { 0 };
	uint64_t first_ns = 0, last_ns = 0, due_ns, held_ns = 0, number;
	double gap_ns;
	int fd;

	CHECK_EQUAL(argc, 6);
	CHECK_EQUAL(sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &to[0], &to[1], &to[2], &to[3], &to[4], &to[5]), 6);
	kind.bytes = (uint32_t)strtoul(argv[3], NULL, 0);
	kind.count = strtoull(argv[4], NULL, 0);
	gap_ns = (double)SECOND_NS / strtod(argv[5], NULL);
	CHECK(kind.bytes >= NUMBERED_BYTES_MIN && kind.bytes <= 1518);
	fd = connect_to(argv[1]);
	due_ns = now_ns();
	for (number = 0; number < kind.count; number++) {
		uint64_t before_ns;

		numbered_build(frame, &kind, number);
		memcpy(frame, to, sizeof(to));
		wait_until(due_ns);
		before_ns = now_ns();
		if (send(fd, frame, kind.bytes, 0) != (ssize_t)kind.bytes) {
			perror(argv[1]);
			return 1;
		}
		last_ns = now_ns();
		if (last_ns - before_ns > PATIENCE_NS)
			held_ns += last_ns - before_ns;
		if (!number)
			first_ns = last_ns;
		due_ns += (uint64_t)gap_ns;
		if (last_ns > due_ns + CATCH_UP_NS)
			due_ns = last_ns - CATCH_UP_NS;
	}
	printf("{\"sent\": %llu, \"seconds\": %.6f, \"held_up_s\": %.3f}\n", (unsigned long long)number,
	       (double)(last_ns - first_ns) / (double)SECOND_NS, (double)held_ns / (double)SECOND_NS);
	close(fd);
	return 0;
}
