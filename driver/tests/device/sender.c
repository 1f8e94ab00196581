// SPDX-License-Identifier: GPL-2.0-or-later
/* Frames into a card: sender INTERFACE DESTINATION-MAC FRAMES PAUSE-US; 0 frames: until it is killed. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAME_BYTES 200
#define ETHERTYPE_LOCAL 0x88b5	/* for experiments (IEEE 802) */

int main(int argc, char **argv)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = ETH_ALEN };
	unsigned char frame[FRAME_BYTES] = { 0 };
	unsigned long number, count;
	unsigned int pause_us;
	int fd;

	if (argc != 5 || sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &frame[0], &frame[1], &frame[2], &frame[3],
				&frame[4], &frame[5]) != 6)
		return 2;
	count = strtoul(argv[3], NULL, 10);
	pause_us = (unsigned int)strtoul(argv[4], NULL, 10);
	frame[6] = 2;
	frame[12] = ETHERTYPE_LOCAL >> 8;
	frame[13] = ETHERTYPE_LOCAL & 0xff;
	to.sll_ifindex = (int)if_nametoindex(argv[1]);
	memcpy(to.sll_addr, frame, ETH_ALEN);
	fd = socket(AF_PACKET, SOCK_RAW, htons(ETHERTYPE_LOCAL));
	if (fd < 0 || !to.sll_ifindex) {
		perror(argv[1]);
		return 1;
	}
	for (number = 0; !count || number < count; number++) {
		memcpy(frame + ETH_HLEN, &number, sizeof(number));
		/* a card that is down or busy is part of the test */
		(void)!sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to));
		usleep(pause_us);
	}
	return 0;
}
