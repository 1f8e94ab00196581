// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/module.h>

#include "device.h"
#include "main/interfaces.h"
#include "main/parameters.h"
#include "main/pci.h"
#include "version.h"

static int __init hpcapvf_init(void)
{
	int error = parameters_check();

	if (error)
		return error;
	capture_clock_check_counter();
	error = pci_start();
	if (error)
		return error;
	error = interfaces_start();
	if (error)
		pci_stop();
	return error;
}
module_init(hpcapvf_init);

static void __exit hpcapvf_exit(void)
{
	interfaces_stop();
	pci_stop();
}
module_exit(hpcapvf_exit);

MODULE_DESCRIPTION("Capture of whole links on SR-IOV virtual functions and other network devices");
MODULE_AUTHOR("The hpcapvf authors");
MODULE_LICENSE("GPL");
MODULE_VERSION(HPCAPVF_RELEASE);
