/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HPCAPVF_PCI_H
#define HPCAPVF_PCI_H

int pci_start(void);
void pci_stop(void);

#endif /* HPCAPVF_PCI_H */
