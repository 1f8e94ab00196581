// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Taking and giving back a virtual function.
 *
 * The driver has no table of IDs: other drivers claim the same functions, and this one must not take them by
 * surprise. It gets a device only if somebody writes its name into the device's driver_override, and then
 * looks whether it is one it knows.
 */
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "device.h"
#include "main/parameters.h"
#include "version.h"

static void capture_device_free(struct kref *references)
{
	struct capture_device *device = container_of(references, struct capture_device, references);

	capture_dedup_set(device, &(struct hpcap_dedup_config){ 0 });
	ring_memory_free(&device->memory);
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

static struct capture_device *create(struct pci_dev *pci, const struct hw_ops *ops)
{
	struct capture_device *device = kzalloc(sizeof(*device), GFP_KERNEL);
	unsigned int i;

	if (!device)
		return NULL;
	kref_init(&device->references);
	mutex_init(&device->listeners_lock);
	mutex_init(&device->dedup_lock);
	for (i = 0; i < HPCAPVF_LISTENERS_MAX; i++) {
		init_waitqueue_head(&device->waits[i].queue);
		device->waits[i].wake_offset = U64_MAX;
	}
	device->pci = pci;
	device->hw.pci = pci;
	device->hw.ops = ops;
	device->numa_node = dev_to_node(&pci->dev);
	device->cpu = choose_cpu(device->numa_node);
	parameters_interface_name(pci, device->interface);
	snprintf(device->node, sizeof(device->node), "hpcap_%s_%u", device->interface, HPCAPVF_QUEUE);
	return device;
}

static int allocate_ring(struct capture_device *device)
{
	int error = ring_memory_allocate(&device->memory, parameters.ring_bytes, device->numa_node);

	if (error) {
		pci_err(device->pci, "no memory for a ring of %llu MiB: load the module with a smaller ring_mib\n",
			parameters.ring_bytes >> 20);
		return error;
	}
	return hpcap_ring_init(&device->capture.ring, device->memory.data, parameters.ring_bytes,
			       page_address(device->memory.control), parameters.caplen, 0);
}

/* PCI resources: released by the device core, also when probe fails. */
static int enable(struct capture_device *device)
{
	struct pci_dev *pci = device->pci;
	int error = pcim_enable_device(pci);

	if (error)
		return error;
	if (pci_resource_len(pci, 0) < device->hw.ops->registers_bytes) {
		pci_err(pci, "BAR 0 has %llu bytes, expected %llu\n", (u64)pci_resource_len(pci, 0),
			(u64)device->hw.ops->registers_bytes);
		return -ENODEV;
	}
	error = pcim_iomap_regions(pci, BIT(0), KBUILD_MODNAME);
	if (error)
		return error;
	device->hw.registers = pcim_iomap_table(pci)[0];
	error = dma_set_mask_and_coherent(&pci->dev, DMA_BIT_MASK(64));
	if (error)
		return error;
	pci_set_master(pci);
	return 0;
}

static int start(struct capture_device *device)
{
	struct hw *hw = &device->hw;
	int error = hw->ops->allocate(hw, parameters.rx_descriptors);

	if (error) {
		pci_err(device->pci, "no memory for %u receive descriptors\n", parameters.rx_descriptors);
		goto free_hw;
	}
	error = hw->ops->bring_up(hw);
	if (error)
		goto shut_down;
	error = chardev_register(device);
	if (error) {
		pci_err(device->pci, "/dev/%s: error %d (is `name` used by another device?)\n", device->node, error);
		goto shut_down;
	}
	error = poll_start(device);
	if (!error)
		return 0;
	chardev_unregister(device);
shut_down:
	hw->ops->shut_down(hw);
free_hw:
	hw->ops->free(hw);
	return error;
}

static int probe(struct pci_dev *pci, const struct pci_device_id *id)
{
	const struct hw_ops *ops = hw_find(pci);
	struct capture_device *device;
	int error;

	if (!ops) {
		pci_err(pci, "%04x:%04x is not a virtual function that hpcapvf drives\n", pci->vendor, pci->device);
		return -ENODEV;
	}
	device = create(pci, ops);
	if (!device)
		return -ENOMEM;
	error = allocate_ring(device);
	if (!error)
		error = capture_dedup_set(device, &parameters.dedup);
	if (!error)
		error = enable(device);
	pci_set_drvdata(pci, device);
	if (!error)
		error = start(device);
	if (error) {
		pci_set_drvdata(pci, NULL);
		capture_device_put(device);
		return error;
	}
	pci_info(pci, "%s VF %pM as /dev/%s: ring %llu MiB, %u descriptors, CPU %d, %s when idle, link %s\n",
		 ops->family, device->hw.mac, device->node, parameters.ring_bytes >> 20, parameters.rx_descriptors,
		 device->cpu, parameters_idle_name(), device->hw.link ? "up" : "down");
	return 0;
}

static void stop(struct capture_device *device)
{
	poll_stop(device);
	device->hw.ops->shut_down(&device->hw);
	pci_clear_master(device->pci);
}

static void remove(struct pci_dev *pci)
{
	struct capture_device *device = pci_get_drvdata(pci);

	stop(device);
	chardev_unregister(device);
	device->hw.ops->free(&device->hw);
	capture_device_put(device);
}

static void shutdown(struct pci_dev *pci)
{
	stop(pci_get_drvdata(pci));
}

static struct pci_driver driver = {
	.name = KBUILD_MODNAME,
	.probe = probe,
	.remove = remove,
	.shutdown = shutdown,
	.dev_groups = capture_attribute_groups,
};

static int __init hpcapvf_init(void)
{
	int error = parameters_check();

	if (error)
		return error;
	capture_clock_check_counter();
	return pci_register_driver(&driver);
}
module_init(hpcapvf_init);

static void __exit hpcapvf_exit(void)
{
	pci_unregister_driver(&driver);
}
module_exit(hpcapvf_exit);

MODULE_DESCRIPTION("Capture of whole links on SR-IOV virtual functions");
MODULE_AUTHOR("The hpcapvf authors");
MODULE_LICENSE("GPL");
MODULE_VERSION(HPCAPVF_RELEASE);
