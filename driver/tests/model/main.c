// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vf-model: a virtual function of the 82599 family for QEMU's vfio-user-pci, with its physical function and the wire.
 * One thread, one poll loop.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tests/model/control.h"
#include "tests/model/pci.h"

struct model {
	struct vf vf;
	struct pci pci;
	struct feed feed;
	struct vfio_user server;
	struct vfio_user_device device;
	struct control control;
	int control_listener;
	int control_connection;
	int frames;		/* a datagram is a frame; -1: no such socket */
	char line[CONTROL_LINE_BYTES];
	size_t line_bytes;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static void interrupt(void *owner, unsigned int vector)
{
	vfio_user_interrupt(owner, vector);
}

static int bind_at(const char *path, int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    (type == SOCK_STREAM && listen(fd, 1)))
		return -errno;
	return fd;
}

static void answer_line(struct model *model)
{
	char answer[CONTROL_ANSWER_BYTES];

	control_line(&model->control, model->line, answer);
	if (send(model->control_connection, answer, strlen(answer), MSG_NOSIGNAL) < 0)
		perror("control");
}

static void read_control(struct model *model)
{
	const ssize_t got = recv(model->control_connection, model->line + model->line_bytes,
				 sizeof(model->line) - 1 - model->line_bytes, 0);
	char *end;

	if (got <= 0) {
		close(model->control_connection);
		model->control_connection = -1;
		model->line_bytes = 0;
		return;
	}
	model->line_bytes += (size_t)got;
	model->line[model->line_bytes] = '\0';
	while ((end = strchr(model->line, '\n'))) {
		const size_t used = (size_t)(end - model->line) + 1;

		*end = '\0';
		answer_line(model);
		memmove(model->line, model->line + used, model->line_bytes - used + 1);
		model->line_bytes -= used;
	}
}

static void read_frame(struct model *model)
{
	static uint8_t frame[65536];
	const ssize_t bytes = recv(model->frames, frame, sizeof(frame), MSG_DONTWAIT);

	if (bytes > 0)
		vf_receive(&model->vf, frame, (size_t)bytes);
}

/* How long the loop may sleep. */
static int tick(struct model *model)
{
	const uint64_t now = now_ns();
	const int vf_ms = vf_tick(&model->vf, now);
	const int feed_ms = feed_tick(&model->feed, &model->vf, now);

	if (vf_ms < 0 || feed_ms < 0)
		return vf_ms > feed_ms ? vf_ms : feed_ms;
	return vf_ms < feed_ms ? vf_ms : feed_ms;
}

static void serve(struct model *model)
{
	while (!model->control.quit) {
		struct pollfd fds[] = {
			{ model->server.connection < 0 ? model->server.listener : model->server.connection, POLLIN, 0 },
			{ model->control_connection < 0 ? model->control_listener : model->control_connection, POLLIN, 0 },
			{ model->frames, POLLIN, 0 },
		};

		if (poll(fds, sizeof(fds) / sizeof(*fds), tick(model)) < 0 && errno != EINTR) {
			perror("poll");
			return;
		}
		if (fds[0].revents && model->server.connection < 0)
			vfio_user_accept(&model->server);
		else if (fds[0].revents)
			vfio_user_serve(&model->server);
		if (fds[1].revents && model->control_connection < 0)
			model->control_connection = accept4(model->control_listener, NULL, NULL, SOCK_CLOEXEC);
		else if (fds[1].revents)
			read_control(model);
		if (fds[2].revents)
			read_frame(model);
	}
}

static int usage(void)
{
	fputs("usage: vf-model DEVICE-ID DEVICE-SOCKET CONTROL-SOCKET [FRAME-SOCKET]\n"
	      "DEVICE-ID: 10ed (82599), 1515 (X540), 1565 (X550), 15a8, 15c5 (X553)\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	static struct model model = { .control_connection = -1, .frames = -1 };
	int error;

	if (argc < 4 || argc > 5)
		return usage();
	vf_init(&model.vf, (uint16_t)strtoul(argv[1], NULL, 16));
	pci_init(&model.pci, &model.vf, &model.device);
	feed_init(&model.feed);
	model.control = (struct control){ .vf = &model.vf, .feed = &model.feed };
	error = vfio_user_listen(&model.server, &model.device, argv[2]);
	model.vf.memory = &model.server.memory;
	model.vf.interrupt = interrupt;
	model.vf.owner = &model.server;
	model.control_listener = bind_at(argv[3], SOCK_STREAM);
	if (argc == 5)
		model.frames = bind_at(argv[4], SOCK_DGRAM);
	if (error || model.control_listener < 0 || model.frames < -1) {
		fprintf(stderr, "vf-model: a socket cannot be bound: do they exist already?\n");
		return 1;
	}
	serve(&model);
	return 0;
}
