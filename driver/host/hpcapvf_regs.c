// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hpcapvf_regs: the receive registers of a physical function, for the host's root only and from a list only.
 *
 * For hosts where BAR 0 cannot be mapped (strict device memory, lockdown). Each card named by the parameter pf gets
 * /dev/hpcapvf_regs-ADDRESS: four bytes are read or written at a register's offset, little-endian. Reading asks the
 * list; writing also asks its mask, reads back, and puts the old value back if the card did not keep the new one.
 * The card's own driver stays bound and is not told; it may rewrite what was set.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "allow_list.h"

#define MOST_CARDS 16

/* One card. gone: it was taken out; the memory stays until the module goes, since files may be open. */
struct served {
	struct list_head list;
	struct pci_dev *pdev;
	const struct regs_family *family;
	void __iomem *window;
	struct mutex lock;	/* a write is a read, a check, a write and a read */
	bool gone;
	struct miscdevice misc;
	char name[48];
};

static LIST_HEAD(cards);
static char *pf[MOST_CARDS];
static unsigned int pf_count;
module_param_array(pf, charp, &pf_count, 0444);
MODULE_PARM_DESC(pf, "PCI addresses of the physical functions to serve, such as 0000:05:00.0");

static const struct regs_allowed *find_allowed(const struct regs_family *family, u32 offset)
{
	const struct regs_allowed *at = family->allowed;
	size_t i;

	for (i = 0; i < family->count; i++, at++) {
		u32 distance = offset - at->offset;

		if (offset >= at->offset && distance % at->stride == 0 && distance / at->stride < at->count)
			return at;
	}
	return NULL;
}

/* Whether a load or a store would reach the card: it is there, awake, and decodes its memory. */
static bool reachable(struct served *card)
{
	u16 command = 0;

	if (card->gone || card->pdev->current_state != PCI_D0 || !pci_device_is_present(card->pdev))
		return false;
	pci_read_config_word(card->pdev, PCI_COMMAND, &command);
	return command & PCI_COMMAND_MEMORY;
}

static int check_place(struct served *card, size_t size, loff_t place, const struct regs_allowed **allowed)
{
	if (size != sizeof(u32) || place < 0 || place > U32_MAX || place % sizeof(u32))
		return -EINVAL;
	*allowed = find_allowed(card->family, place);
	return *allowed ? 0 : -EPERM;
}

static ssize_t regs_read(struct file *file, char __user *buffer, size_t size, loff_t *place)
{
	struct served *card = file->private_data;
	const struct regs_allowed *allowed;
	__le32 value = 0;
	int error = check_place(card, size, *place, &allowed);

	if (error)
		return error;
	mutex_lock(&card->lock);
	if (reachable(card))
		value = cpu_to_le32(ioread32(card->window + *place));
	else
		error = -ENODEV;
	mutex_unlock(&card->lock);
	if (error)
		return error;
	return copy_to_user(buffer, &value, sizeof(value)) ? -EFAULT : (ssize_t)sizeof(value);
}

/* With the lock held, on a card that is reachable. */
static int write_one(struct served *card, const struct regs_allowed *allowed, u32 offset, u32 value)
{
	void __iomem *at = card->window + offset;
	u32 held = allowed->reads_back ? ioread32(at) : 0;

	if ((value ^ held) & ~allowed->mask)
		return -EPERM;
	iowrite32(value, at);
	if (!allowed->reads_back || !((ioread32(at) ^ value) & allowed->mask))
		return 0;
	iowrite32(held, at);
	return -EIO;
}

static ssize_t regs_write(struct file *file, const char __user *buffer, size_t size, loff_t *place)
{
	struct served *card = file->private_data;
	const struct regs_allowed *allowed;
	__le32 value;
	int error = check_place(card, size, *place, &allowed);

	if (error)
		return error;
	if (!allowed->mask)
		return -EPERM;
	if (copy_from_user(&value, buffer, sizeof(value)))
		return -EFAULT;
	mutex_lock(&card->lock);
	error = reachable(card) ? write_one(card, allowed, *place, le32_to_cpu(value)) : -ENODEV;
	mutex_unlock(&card->lock);
	return error ? error : (ssize_t)sizeof(value);
}

static int regs_open(struct inode *inode, struct file *file)
{
	struct miscdevice *misc = file->private_data;

	if (!capable(CAP_SYS_RAWIO))
		return -EPERM;
	file->private_data = container_of(misc, struct served, misc);
	return 0;
}

static const struct file_operations regs_operations = {
	.owner = THIS_MODULE,
	.open = regs_open,
	.read = regs_read,
	.write = regs_write,
	.llseek = default_llseek,
};

static const struct regs_family *family_of(const struct pci_dev *pdev)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(regs_devices); i++)
		if (pdev->vendor == regs_devices[i].vendor && pdev->device == regs_devices[i].device)
			return regs_devices[i].family;
	return NULL;
}

/* Every register of the list lies inside BAR 0. */
static bool fits(const struct regs_family *family, resource_size_t length)
{
	size_t i;

	for (i = 0; i < family->count; i++) {
		const struct regs_allowed *at = &family->allowed[i];

		if (at->offset + (resource_size_t)at->stride * (at->count - 1) + sizeof(u32) > length)
			return false;
	}
	return true;
}

static struct pci_dev *find_card(const char *address)
{
	unsigned int domain, bus, slot, function;
	char rest;

	if (sscanf(address, "%x:%x:%x.%x%c", &domain, &bus, &slot, &function, &rest) != 4 || slot > 31 || function > 7)
		return ERR_PTR(-EINVAL);
	return pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, function));
}

static void stop_serving(struct served *card)
{
	misc_deregister(&card->misc);
	if (card->window)
		iounmap(card->window);
	pci_dev_put(card->pdev);
	list_del(&card->list);
	kfree(card);
}

/* Takes over the reference to pdev. */
static int serve(struct pci_dev *pdev, const struct regs_family *family)
{
	struct served *card = kzalloc(sizeof(*card), GFP_KERNEL);
	int error = -ENOMEM;

	if (!card)
		goto put;
	card->pdev = pdev;
	card->family = family;
	mutex_init(&card->lock);
	card->window = ioremap(pci_resource_start(pdev, 0), pci_resource_len(pdev, 0));
	if (!card->window)
		goto free;
	snprintf(card->name, sizeof(card->name), "hpcapvf_regs-%s", pci_name(pdev));
	card->misc.minor = MISC_DYNAMIC_MINOR;
	card->misc.name = card->name;
	card->misc.mode = 0600;
	card->misc.fops = &regs_operations;
	error = misc_register(&card->misc);
	if (error)
		goto unmap;
	list_add_tail(&card->list, &cards);
	pci_info(pdev, "hpcapvf_regs: receive registers of family %s served to root\n", family->name);
	return 0;
unmap:
	iounmap(card->window);
free:
	kfree(card);
put:
	pci_dev_put(pdev);
	return error;
}

static int serve_address(const char *address)
{
	const struct regs_family *family;
	struct pci_dev *pdev = find_card(address);

	if (IS_ERR_OR_NULL(pdev)) {
		pr_err("hpcapvf_regs: %s is no PCI function here\n", address);
		return pdev ? PTR_ERR(pdev) : -ENODEV;
	}
	family = pdev->is_virtfn ? NULL : family_of(pdev);
	if (!family || !fits(family, pci_resource_len(pdev, 0))) {
		pci_err(pdev, "hpcapvf_regs: %04x:%04x is no physical function of a family in the list\n",
			pdev->vendor, pdev->device);
		pci_dev_put(pdev);
		return -ENODEV;
	}
	return serve(pdev, family);
}

static int card_changed(struct notifier_block *block, unsigned long what, void *device)
{
	struct served *card;

	if (what != BUS_NOTIFY_DEL_DEVICE)
		return NOTIFY_DONE;
	list_for_each_entry(card, &cards, list) {
		if (&card->pdev->dev != device)
			continue;
		mutex_lock(&card->lock);
		card->gone = true;
		mutex_unlock(&card->lock);
	}
	return NOTIFY_OK;
}

static struct notifier_block watcher = { .notifier_call = card_changed };

static void stop_all(void)
{
	struct served *card, *next;

	bus_unregister_notifier(&pci_bus_type, &watcher);
	list_for_each_entry_safe(card, next, &cards, list)
		stop_serving(card);
}

static int __init regs_init(void)
{
	unsigned int i;
	int error;

	if (!pf_count) {
		pr_err("hpcapvf_regs: name the physical functions: pf=0000:05:00.0\n");
		return -EINVAL;
	}
	error = bus_register_notifier(&pci_bus_type, &watcher);
	if (error)
		return error;
	for (i = 0; i < pf_count; i++) {
		error = serve_address(pf[i]);
		if (error) {
			stop_all();
			return error;
		}
	}
	return 0;
}

static void __exit regs_exit(void)
{
	stop_all();
}

module_init(regs_init);
module_exit(regs_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Receive registers of SR-IOV network cards for root, from an allow-list");
MODULE_AUTHOR("The hpcapvf authors");
