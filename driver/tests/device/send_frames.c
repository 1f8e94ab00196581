// SPDX-License-Identifier: GPL-2.0-or-later
/* Sends numbered broadcast frames: send_frames INTERFACE FIRST COUNT [BYTES [TCI [PAUSE_US]]] */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/device/numbered.h"

int main(int argc, char **argv)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(NUMBERED_TYPE) };
	struct numbered_kind kind;
	uint64_t number;
	long pause_us;
	int fd;

	CHECK(argc >= 4);
	kind = numbered_kind_of(argc - 2, argv + 2);
	pause_us = argc > 6 ? strtol(argv[6], NULL, 0) : 0;
	to.sll_ifindex = (int)if_nametoindex(argv[1]);
	CHECK(to.sll_ifindex > 0);
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	CHECK(fd >= 0);
	CHECK_EQUAL(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	for (number = kind.first; number < kind.first + kind.count; number++) {
		uint8_t frame[NUMBERED_BYTES_MAX];
		uint32_t bytes = numbered_build(frame, &kind, number);

		CHECK_EQUAL(write(fd, frame, bytes), bytes);
		if (pause_us)
			usleep((useconds_t)pause_us);
	}
	close(fd);
	return 0;
}
