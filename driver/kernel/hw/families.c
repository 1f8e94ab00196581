// SPDX-License-Identifier: GPL-2.0-or-later
#include "hw/hw.h"

struct hw_id {
	u16 vendor;
	u16 device;
	const struct hw_ops *ops;
};

static const struct hw_id known[] = {
	{ PCI_VENDOR_ID_INTEL, 0x10ca, &hw_82576_ops },
	{ PCI_VENDOR_ID_INTEL, 0x1520, &hw_82576_ops },	/* I350 */
	{ PCI_VENDOR_ID_INTEL, 0x10ed, &hw_82599_ops },
	{ PCI_VENDOR_ID_INTEL, 0x1515, &hw_82599_ops },	/* X540 */
	{ PCI_VENDOR_ID_INTEL, 0x1565, &hw_82599_ops },	/* X550 */
	{ PCI_VENDOR_ID_INTEL, 0x15a8, &hw_82599_ops },	/* X550EM_x */
	{ PCI_VENDOR_ID_INTEL, 0x15c5, &hw_82599_ops },	/* X553 */
};

const struct hw_ops *hw_find(const struct pci_dev *pci)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].vendor == pci->vendor && known[i].device == pci->device)
			return known[i].ops;
	return NULL;
}
