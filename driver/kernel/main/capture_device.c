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
	kfree(device);
}

void capture_device_put(struct capture_device *device)
{
	kref_put(&device->references, capture_device_free);
}

static int choose_cpu(int numa_node)
{
	unsigned int cpu = nr_cpu_ids;

	if (parameters.cpu >= 0)
		return parameters.cpu;
	if (numa_node != NUMA_NO_NODE)
		cpu = cpumask_first_and(cpumask_of_node(numa_node), cpu_online_mask);
	return cpu < nr_cpu_ids ? (int)cpu : (int)cpumask_first(cpu_online_mask);
}

static void init_locks(struct capture_device *device)
{
	unsigned int i;

	kref_init(&device->references);
	mutex_init(&device->listeners_lock);
	mutex_init(&device->dedup_lock);
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
		dev_err(device->hw.device, "no memory for a ring of %llu MiB: load the module with a smaller ring_mib\n",
			parameters.ring_bytes >> 20);
		return -ENOMEM;
	}
	return hpcap_ring_init(&device->capture.ring, device->memory->data, parameters.ring_bytes,
			       page_address(device->control), parameters.caplen, 0);
}

struct capture_device *capture_device_create(struct device *owner, struct device *parent, const struct hw_ops *ops,
					     const char *interface)
{
	struct capture_device *device = kzalloc(sizeof(*device), GFP_KERNEL);
	int error;

	if (!device)
		return ERR_PTR(-ENOMEM);
	init_locks(device);
	device->parent = parent;
	device->hw.device = owner;
	device->hw.ops = ops;
	device->numa_node = parent ? dev_to_node(parent) : NUMA_NO_NODE;
	device->cpu = choose_cpu(device->numa_node);
	strscpy(device->interface, interface, sizeof(device->interface));
	snprintf(device->node, sizeof(device->node), "hpcap_%s_%u", device->interface, HPCAPVF_QUEUE);
	error = allocate_ring(device);
	if (!error)
		error = capture_dedup_set(device, &parameters.dedup);
	if (!error)
		return device;
	capture_device_put(device);
	return ERR_PTR(error);
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
	error = chardev_register(device);
	if (error) {
		dev_err(hw->device, "/dev/%s: error %d (is `name` used by another device?)\n", device->node, error);
		goto shut_down;
	}
	error = poll_start(device);
	if (error) {
		chardev_unregister(device);
		goto shut_down;
	}
	dev_info(hw->device, "%s %pM as /dev/%s: ring %llu MiB, %u descriptors, CPU %d, %s when idle, link %s\n",
		 hw->ops->family, hw->mac, device->node, parameters.ring_bytes >> 20, parameters.rx_descriptors,
		 device->cpu, parameters_idle_name(), hw->link ? "up" : "down");
	return 0;
shut_down:
	hw->ops->shut_down(hw);
free_hw:
	hw->ops->free(hw);
	return error;
}

void capture_device_stop(struct capture_device *device)
{
	poll_stop(device);
	device->hw.ops->shut_down(&device->hw);
}

void capture_device_remove(struct capture_device *device)
{
	chardev_unregister(device);
	device->hw.ops->free(&device->hw);
	capture_device_put(device);
}
