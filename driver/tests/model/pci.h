/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The function as a PCI device: configuration space, BAR 0 with the registers, BAR 3 with the MSI-X table. */
#ifndef MODEL_PCI_H
#define MODEL_PCI_H

#include "tests/model/vf.h"
#include "tests/model/vfio_user.h"

#define PCI_CONFIG_BYTES 4096u

struct pci {
	struct vf *vf;
	uint8_t config[PCI_CONFIG_BYTES];
};

/* Fills in device; both stay in use. */
void pci_init(struct pci *pci, struct vf *vf, struct vfio_user_device *device);

#endif /* MODEL_PCI_H */
