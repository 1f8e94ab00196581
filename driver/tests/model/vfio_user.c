// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/model/vfio_user.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define FLAG_TYPE 0xfu
#define FLAG_REPLY 0x1u
#define FLAG_NO_REPLY 0x10u
#define FLAG_ERROR 0x20u
#define PAYLOAD_MAX 8192u
#define TRANSFER_MAX 4096u
#define PATIENCE_S 10
#define CAPABILITIES "{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":4096}}"

enum command {
	VERSION = 1,
	DMA_MAP,
	DMA_UNMAP,
	GET_INFO,
	GET_REGION_INFO,
	GET_REGION_IO_FDS,
	GET_IRQ_INFO,
	SET_IRQS,
	REGION_READ,
	REGION_WRITE,
	DEVICE_RESET = 13,
};

struct header {
	uint16_t id;
	uint16_t command;
	uint32_t bytes;		/* with this header */
	uint32_t flags;
	uint32_t error;
};

struct version {
	uint16_t major;
	uint16_t minor;
};

struct dma_map {
	uint32_t argsz;
	uint32_t flags;
	uint64_t offset;
	uint64_t address;
	uint64_t bytes;
};

struct dma_unmap {
	uint32_t argsz;
	uint32_t flags;
	uint64_t address;
	uint64_t bytes;
};

struct device_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t regions;
	uint32_t irqs;
};

struct transfer {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
	uint8_t data[TRANSFER_MAX];
};
#define TRANSFER_HEAD (sizeof(struct transfer) - TRANSFER_MAX)

struct message {
	struct header header;
	union {
		uint8_t bytes[PAYLOAD_MAX];
		struct version version;
		struct dma_map map;
		struct dma_unmap unmap;
		struct device_info info;
		struct vfio_region_info region;
		struct vfio_irq_info irq;
		struct vfio_irq_set irqs;
		struct transfer transfer;
	} payload;
	uint32_t payload_bytes;
	int fds[VFIO_USER_VECTORS_MAX];
	unsigned int fd_count;
};

int vfio_user_listen(struct vfio_user *server, const struct vfio_user_device *device, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	memset(server, 0, sizeof(*server));
	memset(server->vectors, 0xff, sizeof(server->vectors));
	server->device = device;
	server->connection = -1;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (server->listener < 0 || bind(server->listener, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(server->listener, 1))
		return -errno;
	return 0;
}

void vfio_user_accept(struct vfio_user *server)
{
	/* a client that stops in the middle of a message must not hold up the rest of the model for good */
	const struct timeval patience = { .tv_sec = PATIENCE_S };

	server->connection = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
	if (server->connection < 0)
		return;
	setsockopt(server->connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(server->connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

static void forget_vector(struct vfio_user *server, unsigned int vector)
{
	if (server->vectors[vector] >= 0)
		close(server->vectors[vector]);
	server->vectors[vector] = -1;
}

static void hang_up(struct vfio_user *server)
{
	unsigned int i;

	close(server->connection);
	server->connection = -1;
	for (i = 0; i < VFIO_USER_VECTORS_MAX; i++)
		forget_vector(server, i);
	guest_memory_unmap_all(&server->memory);
	server->device->reset(server->device->owner);
}

/* File descriptors come with the first byte of a message. */
static bool receive_header(int connection, struct message *message)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(message->fds))];
	} control;
	struct iovec part = { .iov_base = &message->header, .iov_len = sizeof(message->header) };
	struct msghdr envelope = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
				   .msg_controllen = sizeof(control) };
	struct cmsghdr *extra;

	if (recvmsg(connection, &envelope, MSG_WAITALL | MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(message->header))
		return false;
	for (extra = CMSG_FIRSTHDR(&envelope); extra; extra = CMSG_NXTHDR(&envelope, extra)) {
		if (extra->cmsg_level != SOL_SOCKET || extra->cmsg_type != SCM_RIGHTS)
			continue;
		message->fd_count = (unsigned int)((extra->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(message->fds, CMSG_DATA(extra), message->fd_count * sizeof(int));
	}
	return true;
}

static bool receive(int connection, struct message *message)
{
	message->fd_count = 0;
	if (!receive_header(connection, message) || message->header.bytes < sizeof(message->header))
		return false;
	message->payload_bytes = message->header.bytes - (uint32_t)sizeof(message->header);
	if ((message->header.flags & FLAG_TYPE) || message->payload_bytes > PAYLOAD_MAX)
		return false;
	memset(&message->payload, 0, sizeof(message->payload));
	return !message->payload_bytes || recv(connection, message->payload.bytes, message->payload_bytes, MSG_WAITALL) ==
						  (ssize_t)message->payload_bytes;
}

static int answer_version(struct message *message)
{
	struct version *version = &message->payload.version;

	if (message->payload_bytes < sizeof(*version) || version->major)
		return -ENOTSUP;
	version->minor = 0;
	memcpy(message->payload.bytes + sizeof(*version), CAPABILITIES, sizeof(CAPABILITIES));
	return sizeof(*version) + sizeof(CAPABILITIES);
}

static int answer_map(struct vfio_user *server, struct message *message)
{
	const struct dma_map *map = &message->payload.map;

	if (message->payload_bytes < sizeof(*map))
		return -EINVAL;
	return guest_memory_map(&server->memory, map->address, map->bytes, map->flags & VFIO_DMA_MAP_FLAG_WRITE,
				message->fd_count ? message->fds[0] : -1, map->offset);
}

static int answer_unmap(struct vfio_user *server, struct message *message)
{
	const struct dma_unmap *unmap = &message->payload.unmap;
	int error = 0;

	if (message->payload_bytes < sizeof(*unmap))
		return -EINVAL;
	if (unmap->flags & VFIO_DMA_UNMAP_FLAG_ALL)
		guest_memory_unmap_all(&server->memory);
	else
		error = guest_memory_unmap(&server->memory, unmap->address, unmap->bytes);
	return error ? error : (int)sizeof(*unmap);
}

static int answer_info(struct message *message)
{
	message->payload.info = (struct device_info){
		.argsz = sizeof(struct device_info),
		.flags = VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI,
		.regions = VFIO_USER_REGIONS,
		.irqs = VFIO_PCI_NUM_IRQS,
	};
	return sizeof(struct device_info);
}

static int answer_region_info(struct vfio_user *server, struct message *message)
{
	const uint32_t index = message->payload.region.index;

	if (index >= VFIO_USER_REGIONS)
		return -EINVAL;
	message->payload.region = (struct vfio_region_info){
		.argsz = sizeof(struct vfio_region_info),
		.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE,
		.index = index,
		.size = server->device->region_bytes[index],
	};
	return sizeof(struct vfio_region_info);
}

static int answer_irq_info(struct vfio_user *server, struct message *message)
{
	const uint32_t index = message->payload.irq.index;

	if (index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	message->payload.irq = (struct vfio_irq_info){
		.argsz = sizeof(struct vfio_irq_info),
		.flags = VFIO_IRQ_INFO_EVENTFD,
		.index = index,
		.count = index == VFIO_PCI_MSIX_IRQ_INDEX ? server->device->vectors : 0,
	};
	return sizeof(struct vfio_irq_info);
}

static int set_irqs(struct vfio_user *server, struct message *message)
{
	const struct vfio_irq_set *set = &message->payload.irqs;
	uint32_t i;

	if (set->index != VFIO_PCI_MSIX_IRQ_INDEX)
		return set->flags & VFIO_IRQ_SET_DATA_NONE ? 0 : -EINVAL;
	if (set->start > server->device->vectors || set->count > server->device->vectors - set->start)
		return -EINVAL;
	if (!set->count && set->flags & VFIO_IRQ_SET_DATA_NONE) {
		for (i = 0; i < server->device->vectors; i++)
			forget_vector(server, i);
		return 0;
	}
	if (!(set->flags & VFIO_IRQ_SET_DATA_EVENTFD) || !(set->flags & VFIO_IRQ_SET_ACTION_TRIGGER))
		return -ENOTSUP;
	for (i = 0; i < set->count; i++) {
		forget_vector(server, set->start + i);
		if (i >= message->fd_count)
			continue;
		server->vectors[set->start + i] = message->fds[i];
		message->fds[i] = -1;
	}
	return 0;
}

static int answer_transfer(struct vfio_user *server, struct message *message, bool write)
{
	const struct vfio_user_device *device = server->device;
	struct transfer *transfer = &message->payload.transfer;
	uint64_t bytes;

	if (message->payload_bytes < TRANSFER_HEAD || transfer->region >= VFIO_USER_REGIONS)
		return -EINVAL;
	bytes = device->region_bytes[transfer->region];
	if (transfer->count > TRANSFER_MAX || transfer->offset > bytes || transfer->count > bytes - transfer->offset)
		return -EINVAL;
	if (transfer->region != VFIO_PCI_CONFIG_REGION_INDEX && transfer->count > sizeof(uint64_t))
		return -EINVAL;
	if (!write) {
		device->read(device->owner, transfer->region, transfer->offset, transfer->data, transfer->count);
		return (int)(TRANSFER_HEAD + transfer->count);
	}
	if (message->payload_bytes < TRANSFER_HEAD + transfer->count)
		return -EINVAL;
	device->write(device->owner, transfer->region, transfer->offset, transfer->data, transfer->count);
	return TRANSFER_HEAD;
}

/* Bytes of the answer's payload, or negative errno. */
static int answer(struct vfio_user *server, struct message *message)
{
	switch (message->header.command) {
	case VERSION:
		return answer_version(message);
	case DMA_MAP:
		return answer_map(server, message);
	case DMA_UNMAP:
		return answer_unmap(server, message);
	case GET_INFO:
		return answer_info(message);
	case GET_REGION_INFO:
		return answer_region_info(server, message);
	case GET_IRQ_INFO:
		return answer_irq_info(server, message);
	case SET_IRQS:
		return set_irqs(server, message);
	case REGION_READ:
	case REGION_WRITE:
		return answer_transfer(server, message, message->header.command == REGION_WRITE);
	case DEVICE_RESET:
		server->device->reset(server->device->owner);
		return 0;
	default:
		return -ENOTSUP;
	}
}

static bool reply(int connection, struct message *message, int result)
{
	struct header *header = &message->header;

	if (header->flags & FLAG_NO_REPLY)
		return true;
	header->flags = FLAG_REPLY | (result < 0 ? FLAG_ERROR : 0);
	header->error = result < 0 ? (uint32_t)-result : 0;
	header->bytes = (uint32_t)(sizeof(*header) + (result > 0 ? (size_t)result : 0));
	return send(connection, message, header->bytes, MSG_NOSIGNAL) == (ssize_t)header->bytes;
}

bool vfio_user_serve(struct vfio_user *server)
{
	static struct message message;
	bool goes_on = receive(server->connection, &message);
	unsigned int i;

	if (goes_on) {
		int result = answer(server, &message);

		if (result < 0)
			fprintf(stderr, "vfio-user: command %u: %s\n", message.header.command, strerror(-result));
		goes_on = reply(server->connection, &message, result);
	}
	for (i = 0; i < message.fd_count; i++)
		if (message.fds[i] >= 0)
			close(message.fds[i]);
	if (!goes_on)
		hang_up(server);
	return goes_on;
}

void vfio_user_interrupt(struct vfio_user *server, unsigned int vector)
{
	const uint64_t once = 1;

	if (vector < VFIO_USER_VECTORS_MAX && server->vectors[vector] >= 0 &&
	    write(server->vectors[vector], &once, sizeof(once)) != (ssize_t)sizeof(once))
		fprintf(stderr, "vfio-user: vector %u: %s\n", vector, strerror(errno));
}
