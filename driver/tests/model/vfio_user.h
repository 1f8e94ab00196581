/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Serves one PCI device to a virtual machine monitor over a unix socket: the part of the vfio-user protocol
 * (version 0.0, described in QEMU's docs/interop/vfio-user.rst) that QEMU's client vfio-user-pci needs. Regions are
 * read and written by message, guest memory is mapped, interrupts are MSI-X by eventfd.
 */
#ifndef MODEL_VFIO_USER_H
#define MODEL_VFIO_USER_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/model/guest_memory.h"

#define VFIO_USER_VECTORS_MAX 8u
#define VFIO_USER_REGIONS 9u	/* as <linux/vfio.h> numbers them for PCI: BAR 0 to 5, ROM, configuration, VGA */

/* What is served. Offsets and sizes were checked against region_bytes; at most 8 bytes outside the configuration. */
struct vfio_user_device {
	uint64_t region_bytes[VFIO_USER_REGIONS];
	unsigned int vectors;
	void (*read)(void *owner, unsigned int region, uint64_t offset, void *data, uint32_t bytes);
	void (*write)(void *owner, unsigned int region, uint64_t offset, const void *data, uint32_t bytes);
	void (*reset)(void *owner);
	void *owner;
};

struct vfio_user {
	const struct vfio_user_device *device;
	struct guest_memory memory;
	int listener;
	int connection;		/* -1: nobody is there */
	int vectors[VFIO_USER_VECTORS_MAX];	/* eventfds, or -1 */
};

/* Listens at path, which must not exist. 0 or negative errno. */
int vfio_user_listen(struct vfio_user *server, const struct vfio_user_device *device, const char *path);

/* Takes a waiting connection; while there is one, others wait. */
void vfio_user_accept(struct vfio_user *server);

/* Answers one message. false: the client is gone, its memory and eventfds are given back, and the device was reset. */
bool vfio_user_serve(struct vfio_user *server);

void vfio_user_interrupt(struct vfio_user *server, unsigned int vector);

#endif /* MODEL_VFIO_USER_H */
