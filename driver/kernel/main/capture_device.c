// SPDX-License-Identifier: GPL-2.0-or-later
/* A captured device from its memory to its end, whatever family it is of. */
#include <linux/err.h>
#include <linux/slab.h>

#include "device.h"
#include "main/parameters.h"

static void capture_device_free(struct kref *references)
{
	struct capture_device *device = container_of(references, struct capture_device, references);

	capture_dedup_set(device, &(struct hpcap_dedup_config){ 0 });
	if (!IS_ERR_OR_NULL(device->memory))
		ring_memory_put(device->memory);
	if (device->spare)
		ring_memory_put(device->spare);
	if (device->control)
		__free_page(device->control);
	if (device->first != device)
		capture_device_put(device->first);
	kfree(device);
}

void capture_device_put(struct capture_device *device)
{
	kref_put(&device->references, capture_device_free);
}

/* Of further queues the next online CPUs of the node (of all, if it has none), around again if there are too few. */
static int choose_cpu(int numa_node, unsigned int queue)
{
	const struct cpumask *near = cpu_online_mask;
	unsigned int cpu;

	if (numa_node != NUMA_NO_NODE && cpumask_intersects(cpumask_of_node(numa_node), cpu_online_mask))
		near = cpumask_of_node(numa_node);
	cpu = parameters.cpu >= 0 ? (unsigned int)parameters.cpu : cpumask_first_and(near, cpu_online_mask);
	for (; queue; queue--) {
		cpu = cpumask_next_and((int)cpu, near, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first_and(near, cpu_online_mask);
	}
	return (int)cpu;
}

static void init_locks(struct capture_device *device)
{
	unsigned int i;

	kref_init(&device->references);
	mutex_init(&device->listeners_lock);
	mutex_init(&device->dedup_lock);
	mutex_init(&device->receiving);
	INIT_LIST_HEAD(&device->entry);
	for (i = 0; i < HPCAPVF_LISTENERS_MAX; i++) {
		init_waitqueue_head(&device->waits[i].queue);
		device->waits[i].wake_offset = U64_MAX;
	}
}

static int allocate_ring(struct capture_device *device)
{
	device->control = alloc_pages_node(device->numa_node, GFP_KERNEL | __GFP_ZERO, 0);
	device->memory = ring_memory_create(parameters.ring_bytes, device->numa_node);
	if (!device->control || IS_ERR(device->memory)) {
		dev_err(hw_of(device)->device, "no memory for a ring of %llu MiB: load the module with a smaller ring_mib, at most half of the memory\n",
			parameters.ring_bytes >> 20);
		return -ENOMEM;
	}
	return hpcap_ring_init(&device->capture.ring, device->memory->data, parameters.ring_bytes,
			       page_address(device->control), parameters.caplen, 0);
}

/* first: NULL if this is the first queue, whose owner and interface are named then. */
static struct capture_device *create_queue(struct capture_device *first, unsigned int queue, struct device *owner,
					   struct device *parent, const char *interface)
{
	struct capture_device *device = kzalloc(sizeof(*device), GFP_KERNEL);
	int error;

	if (!device)
		return ERR_PTR(-ENOMEM);
	init_locks(device);
	device->queue = queue;
	device->first = first ? first : device;
	if (first)
		kref_get(&first->references);
	else
		device->hw.device = owner;
	device->parent = parent;
	device->numa_node = parent ? dev_to_node(parent) : NUMA_NO_NODE;
	device->cpu = choose_cpu(device->numa_node, queue);
	strscpy(device->interface, interface, sizeof(device->interface));
	snprintf(device->node, sizeof(device->node), "hpcap_%s_%u", device->interface, queue);
	error = allocate_ring(device);
	if (!error)
		error = capture_dedup_set(device, &parameters.dedup);
	if (!error)
		return device;
	capture_device_put(device);
	return ERR_PTR(error);
}

struct capture_device *capture_device_create(struct device *owner, struct device *parent, const struct hw_ops *ops,
					     const char *interface)
{
	struct capture_device *device = create_queue(NULL, 0, owner, parent, interface);

	if (IS_ERR(device))
		return device;
	device->queues[0] = device;
	device->hw.ops = ops;
	device->hw.queues = parameters.queues;
	return device;
}

static void put_other_queues(struct capture_device *device)
{
	unsigned int queue;

	for (queue = 1; queue < HW_QUEUES_MAX; queue++) {
		if (device->queues[queue])
			capture_device_put(device->queues[queue]);
		device->queues[queue] = NULL;
	}
}

static int create_other_queues(struct capture_device *device)
{
	unsigned int queue;

	if (device->hw.queues < parameters.queues)
		dev_warn(device->hw.device, "%u receive queues asked for, %u there\n", parameters.queues,
			 device->hw.queues);
	for (queue = 1; queue < device->hw.queues; queue++) {
		struct capture_device *other = create_queue(device, queue, NULL, device->parent, device->interface);

		if (IS_ERR(other))
			return PTR_ERR(other);
		device->queues[queue] = other;
	}
	return 0;
}

/* The thread before the node: who can open a queue finds it captured, and its ring may be changed. */
static int start_queue(struct capture_device *device)
{
	const struct hw *hw = hw_of(device);
	int error = poll_start(device);

	if (error) {
		dev_err(hw->device, "no thread for /dev/%s: error %d\n", device->node, error);
		return error;
	}
	error = chardev_register(device);
	if (error) {
		dev_err(hw->device, "/dev/%s: error %d (is `name` used by another device?)\n", device->node, error);
		poll_stop(device);
		return error;
	}
	dev_info(hw->device, "%s %pM as /dev/%s: ring %llu MiB, %u descriptors, CPU %d, %s when idle, link %s\n",
		 hw->ops->family, hw->mac, device->node, parameters.ring_bytes >> 20, parameters.rx_descriptors,
		 device->cpu, parameters_idle_name(), hw->link ? "up" : "down");
	return 0;
}

static int start_queues(struct capture_device *device)
{
	unsigned int started;
	int error = 0;

	for (started = 0; !error && started < device->hw.queues; started++)
		error = start_queue(device->queues[started]);
	if (!error)
		return 0;
	for (started--; started; started--) {
		chardev_unregister(device->queues[started - 1]);
		poll_stop(device->queues[started - 1]);
	}
	return error;
}

int capture_device_start(struct capture_device *device)
{
	struct hw *hw = &device->hw;
	int error = hw->ops->allocate(hw, parameters.rx_descriptors);

	if (error) {
		dev_err(hw->device, "no memory for %u receive descriptors\n", parameters.rx_descriptors);
		goto free_hw;
	}
	error = hw->ops->bring_up(hw);
	if (error)
		goto shut_down;
	hw->queues_fixed = true;
	error = create_other_queues(device);
	if (!error)
		error = start_queues(device);
	if (!error)
		return 0;
	put_other_queues(device);
shut_down:
	hw->ops->shut_down(hw);
free_hw:
	hw->ops->free(hw);
	return error;
}

void capture_device_stop(struct capture_device *device)
{
	unsigned int queue;

	for (queue = 0; queue < device->hw.queues; queue++)
		poll_stop(device->queues[queue]);
	device->hw.ops->shut_down(&device->hw);
}

void capture_device_remove(struct capture_device *device)
{
	unsigned int queue;

	for (queue = 0; queue < device->hw.queues; queue++)
		chardev_unregister(device->queues[queue]);
	device->hw.ops->free(&device->hw);
	put_other_queues(device);
	capture_device_put(device);
}
