// SPDX-License-Identifier: GPL-2.0-or-later
/* Another ring while the device is captured; nobody may hold the old one. */
#include "device.h"

/* Returns the memory that is not used any more. */
static struct ring_memory *exchange(struct capture_device *device, struct ring_memory *memory)
{
	struct ring_memory *old = device->memory;

	hpcap_ring_move(&device->capture.ring, memory->data, (u64)memory->page_count << PAGE_SHIFT);
	device->memory = memory;
	return old;
}

/* Is the ring our own, and are these all who listen? */
static int check_free(struct capture_device *device, unsigned int listeners)
{
	lockdep_assert_held(&device->listeners_lock);
	return device->spare || hpcap_ring_listeners(&device->capture.ring) != listeners ? -EBUSY : 0;
}

/* Memory may be gigabytes: it is not asked for if the ring cannot be changed, and not under the lock. */
static int check_free_now(struct capture_device *device, unsigned int listeners)
{
	int error;

	mutex_lock(&device->listeners_lock);
	error = check_free(device, listeners);
	mutex_unlock(&device->listeners_lock);
	return error;
}

int capture_ring_resize(struct capture_device *device, u64 bytes)
{
	int error = check_free_now(device, 0);
	struct ring_memory *memory;

	if (error)
		return error;
	memory = ring_memory_create(bytes, device->numa_node);
	if (IS_ERR(memory))
		return PTR_ERR(memory);
	mutex_lock(&device->listeners_lock);
	error = check_free(device, 0);
	if (!error)
		error = poll_rest(device);
	if (!error) {
		memory = exchange(device, memory);
		poll_go_on(device);
		dev_info(hw_of(device)->device, "ring of %llu MiB\n", bytes >> 20);
	}
	mutex_unlock(&device->listeners_lock);
	ring_memory_put(memory);
	return error;
}

int capture_ring_lend(struct capture_device *device, u64 address, u64 bytes)
{
	struct ring_memory *memory;
	int error;

	if (!ring_memory_can_be_lent(address, bytes))
		return -EINVAL;
	error = check_free_now(device, 1);
	if (error)
		return error;
	/* without the lock: a page fault takes locks that mmap has when it asks for ours */
	memory = ring_memory_pin(address, bytes);
	if (IS_ERR(memory))
		return PTR_ERR(memory);
	mutex_lock(&device->listeners_lock);
	error = check_free(device, 1);
	if (!error)
		error = poll_rest(device);
	if (!error) {
		device->spare = exchange(device, memory);
		poll_go_on(device);
		dev_info(hw_of(device)->device, "ring of %llu MiB of huge pages of %s\n", bytes >> 20, current->comm);
	}
	mutex_unlock(&device->listeners_lock);
	if (error)
		ring_memory_put(memory);
	return error;
}

void capture_ring_give_back(struct capture_device *device)
{
	lockdep_assert_held(&device->listeners_lock);
	/* without a thread the memory goes with the device */
	if (!device->spare || hpcap_ring_listeners(&device->capture.ring) || poll_rest(device))
		return;
	ring_memory_put(exchange(device, device->spare));
	device->spare = NULL;
	poll_go_on(device);
	dev_info(hw_of(device)->device, "ring of kernel memory again: %lu MiB\n",
		 device->memory->page_count >> (20 - PAGE_SHIFT));
}
