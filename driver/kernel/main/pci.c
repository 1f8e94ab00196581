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

#include "device.h"
#include "main/parameters.h"
#include "main/pci.h"

/* PCI resources: released by the device core, also when probe fails. */
static int enable(struct capture_device *device)
{
	struct pci_dev *pci = device->hw.pci;
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

static int probe(struct pci_dev *pci, const struct pci_device_id *id)
{
	const struct hw_ops *ops = hw_find(pci);
	char interface[HPCAPVF_INTERFACE_BYTES];
	struct capture_device *device;
	int error;

	if (!ops) {
		pci_err(pci, "%04x:%04x is not a virtual function that hpcapvf drives\n", pci->vendor, pci->device);
		return -ENODEV;
	}
	parameters_interface_name(pci, interface);
	device = capture_device_create(&pci->dev, &pci->dev, ops, interface);
	if (IS_ERR(device))
		return PTR_ERR(device);
	device->hw.pci = pci;
	error = enable(device);
	pci_set_drvdata(pci, device);
	if (!error)
		error = capture_device_start(device);
	if (error) {
		pci_set_drvdata(pci, NULL);
		capture_device_put(device);
	}
	return error;
}

static void shutdown(struct pci_dev *pci)
{
	capture_device_stop(pci_get_drvdata(pci));
	pci_clear_master(pci);
}

static void remove(struct pci_dev *pci)
{
	shutdown(pci);
	capture_device_remove(pci_get_drvdata(pci));
}

static struct pci_driver driver = {
	.name = KBUILD_MODNAME,
	.probe = probe,
	.remove = remove,
	.shutdown = shutdown,
	.dev_groups = capture_attribute_groups,
};

int pci_start(void)
{
	return pci_register_driver(&driver);
}

void pci_stop(void)
{
	pci_unregister_driver(&driver);
}
