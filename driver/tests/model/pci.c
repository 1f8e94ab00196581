// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/model/pci.h"

#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <string.h>

#define MSIX_AT 0x70
#define EXPRESS_AT 0xA0
#define MSIX_BAR 3
#define MSIX_BAR_BYTES 0x4000u
#define MSIX_PBA_OFFSET 0x2000u

static void put16(uint8_t *config, unsigned int offset, uint16_t value)
{
	config[offset] = (uint8_t)value;
	config[offset + 1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *config, unsigned int offset, uint32_t value)
{
	put16(config, offset, (uint16_t)value);
	put16(config, offset + 2, (uint16_t)(value >> 16));
}

static void fill_config(uint8_t *config, uint16_t device_id)
{
	memset(config, 0, PCI_CONFIG_BYTES);
	put16(config, PCI_VENDOR_ID, 0x8086);
	put16(config, PCI_DEVICE_ID, device_id);
	put16(config, PCI_STATUS, PCI_STATUS_CAP_LIST);
	config[PCI_REVISION_ID] = 1;
	put16(config, PCI_CLASS_DEVICE, 0x0200);
	put32(config, PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_MEM_TYPE_64);
	put32(config, PCI_BASE_ADDRESS_3, PCI_BASE_ADDRESS_MEM_TYPE_64);
	put16(config, PCI_SUBSYSTEM_VENDOR_ID, 0x8086);
	config[PCI_CAPABILITY_LIST] = MSIX_AT;

	config[MSIX_AT] = PCI_CAP_ID_MSIX;
	config[MSIX_AT + PCI_CAP_LIST_NEXT] = EXPRESS_AT;
	put16(config, MSIX_AT + PCI_MSIX_FLAGS, VF_VECTORS - 1);
	put32(config, MSIX_AT + PCI_MSIX_TABLE, MSIX_BAR);
	put32(config, MSIX_AT + PCI_MSIX_PBA, MSIX_PBA_OFFSET | MSIX_BAR);

	config[EXPRESS_AT] = PCI_CAP_ID_EXP;
	put16(config, EXPRESS_AT + PCI_EXP_FLAGS, 2 | PCI_EXP_TYPE_ENDPOINT << 4);
	put32(config, EXPRESS_AT + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_FLR | PCI_EXP_DEVCAP_RBER);
	put32(config, EXPRESS_AT + PCI_EXP_LNKCAP, PCI_EXP_LNKCAP_SLS_5_0GB | 8 << 4);
}

static void read_region(void *owner, unsigned int region, uint64_t offset, void *data, uint32_t bytes)
{
	struct pci *pci = owner;
	uint32_t value;

	memset(data, 0, bytes);
	if (region == VFIO_PCI_CONFIG_REGION_INDEX) {
		memcpy(data, pci->config + offset, bytes);
	} else if (region == VFIO_PCI_BAR0_REGION_INDEX && bytes == sizeof(value) && offset % sizeof(value) == 0) {
		value = vf_read(pci->vf, (uint32_t)offset);
		memcpy(data, &value, sizeof(value));
	}
}

/* What a guest may change: command (memory, bus master), MSI-X control, and the express capability's control. */
static void write_config(struct pci *pci, uint64_t offset, const uint8_t *data, uint32_t bytes)
{
	uint32_t i;

	for (i = 0; i < bytes; i++) {
		const uint64_t at = offset + i;

		if (at == EXPRESS_AT + PCI_EXP_DEVCTL + 1 && data[i] & PCI_EXP_DEVCTL_BCR_FLR >> 8)
			vf_reset(pci->vf);
		else if (at == PCI_COMMAND || at == PCI_COMMAND + 1 || at == MSIX_AT + PCI_MSIX_FLAGS + 1 ||
			 at == EXPRESS_AT + PCI_EXP_DEVCTL || at == EXPRESS_AT + PCI_EXP_DEVCTL + 1)
			pci->config[at] = data[i];
	}
	pci->vf->bus_master = pci->config[PCI_COMMAND] & PCI_COMMAND_MASTER;
}

static void write_region(void *owner, unsigned int region, uint64_t offset, const void *data, uint32_t bytes)
{
	struct pci *pci = owner;
	uint32_t value;

	if (region == VFIO_PCI_CONFIG_REGION_INDEX)
		write_config(pci, offset, data, bytes);
	if (region != VFIO_PCI_BAR0_REGION_INDEX || bytes != sizeof(value) || offset % sizeof(value))
		return;
	memcpy(&value, data, sizeof(value));
	vf_write(pci->vf, (uint32_t)offset, value);
}

static void reset(void *owner)
{
	struct pci *pci = owner;

	fill_config(pci->config, pci->vf->device_id);
	pci->vf->bus_master = false;
	vf_reset(pci->vf);
}

void pci_init(struct pci *pci, struct vf *vf, struct vfio_user_device *device)
{
	pci->vf = vf;
	fill_config(pci->config, vf->device_id);
	*device = (struct vfio_user_device){
		.region_bytes = {
			[VFIO_PCI_BAR0_REGION_INDEX] = VF_BAR_BYTES,
			[VFIO_PCI_BAR3_REGION_INDEX] = MSIX_BAR_BYTES,
			[VFIO_PCI_CONFIG_REGION_INDEX] = PCI_CONFIG_BYTES,
		},
		.vectors = VF_VECTORS,
		.read = read_region,
		.write = write_region,
		.reset = reset,
		.owner = pci,
	};
}
