// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Network devices that keep their own driver: the parameter `interfaces` says which are captured, at load and at
 * run time. Writing it says what shall be; what is new is attached, what is missing let go.
 *
 * Locks: interfaces_lock, then RTNL. The notifier is called with RTNL held, so it only lets go of a device that
 * goes away; a work does the rest. Until it did we hold the net_device, and its unregistering waits for that.
 */
#include "main/interfaces.h"

#include <linux/list.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "device.h"
#include "hw/hw_netdev.h"

#define LIST_BYTES 512
#define SEPARATORS ", \n"

static DEFINE_MUTEX(interfaces_lock);
static LIST_HEAD(captured);
static char at_load[LIST_BYTES];
static bool started;

static struct capture_device *find(const char *name)
{
	struct capture_device *device;

	list_for_each_entry(device, &captured, entry)
		if (!strcmp(device->interface, name))
			return device;
	return NULL;
}

struct capture_device *capture_of_netdev(const struct net_device *netdev)
{
	struct hw *hw = hw_netdev_find(netdev);

	return hw ? container_of(hw, struct capture_device, hw) : NULL;
}

/* With RTNL held. */
static void let_go(struct capture_device *device)
{
	if (!hw_netdev_attached(&device->hw))
		return;
	capture_attributes_remove(device);
	hw_netdev_detach(&device->hw);
}

static void destroy(struct capture_device *device)
{
	struct net_device *netdev = device->hw.netdev;

	list_del(&device->entry);
	capture_device_stop(device);
	capture_device_remove(device);
	dev_put(netdev);
}

static void detach(struct capture_device *device)
{
	rtnl_lock();
	let_go(device);
	rtnl_unlock();
	pr_info("hpcapvf: %s is captured no more\n", device->interface);
	destroy(device);
}

/* The device may have begun to go away since capture_device_start. */
static int show_attributes(struct capture_device *device)
{
	int error = -ENODEV;

	rtnl_lock();
	if (hw_netdev_attached(&device->hw))
		error = capture_attributes_add(device);
	rtnl_unlock();
	return error;
}

/* Takes over the caller's hold on the net_device. */
static int start(struct net_device *netdev, const char *name)
{
	struct capture_device *device = capture_device_create(&netdev->dev, netdev->dev.parent, &hw_netdev_ops, name);
	int error;

	if (IS_ERR(device)) {
		dev_put(netdev);
		return PTR_ERR(device);
	}
	device->hw.netdev = netdev;
	error = capture_device_start(device);
	if (error) {
		capture_device_put(device);
		dev_put(netdev);
		return error;
	}
	list_add_tail(&device->entry, &captured);
	error = show_attributes(device);
	if (error)
		detach(device);
	return error;
}

static int attach(const char *name)
{
	struct net_device *netdev = dev_get_by_name(&init_net, name);

	if (!netdev) {
		pr_err("hpcapvf: interfaces: there is no network device %s\n", name);
		return -ENODEV;
	}
	return start(netdev, name);
}

static bool list_names(const char *list, const char *name)
{
	char copy[LIST_BYTES], *rest = copy, *word;

	strscpy(copy, list, sizeof(copy));
	while ((word = strsep(&rest, SEPARATORS)))
		if (!strcmp(word, name))
			return true;
	return false;
}

static void destroy_lost(void)
{
	struct capture_device *device, *next;

	list_for_each_entry_safe(device, next, &captured, entry) {
		if (hw_netdev_attached(&device->hw))
			continue;
		pr_warn("hpcapvf: %s went away: its capture ends\n", device->interface);
		destroy(device);
	}
}

static int apply(const char *list)
{
	char copy[LIST_BYTES], *rest = copy, *word;
	struct capture_device *device, *next;
	int error = 0;

	destroy_lost();
	list_for_each_entry_safe(device, next, &captured, entry)
		if (!list_names(list, device->interface))
			detach(device);
	strscpy(copy, list, sizeof(copy));
	while (!error && (word = strsep(&rest, SEPARATORS)))
		if (*word && !find(word))
			error = attach(word);
	return error;
}

static int interfaces_set(const char *value, const struct kernel_param *parameter)
{
	int error = 0;

	if (strlen(value) >= LIST_BYTES) {
		pr_err("hpcapvf: interfaces: longer than %u bytes\n", LIST_BYTES - 1);
		return -EINVAL;
	}
	mutex_lock(&interfaces_lock);
	if (started)
		error = apply(value);
	else
		strscpy(at_load, value, sizeof(at_load));
	mutex_unlock(&interfaces_lock);
	return error;
}

static int interfaces_get(char *out, const struct kernel_param *parameter)
{
	struct capture_device *device;
	int length = 0;

	mutex_lock(&interfaces_lock);
	list_for_each_entry(device, &captured, entry)
		length += scnprintf(out + length, PAGE_SIZE - length, "%s%s", length ? "," : "", device->interface);
	length += scnprintf(out + length, PAGE_SIZE - length, "\n");
	mutex_unlock(&interfaces_lock);
	return length;
}

static const struct kernel_param_ops interfaces_operations = {
	.set = interfaces_set,
	.get = interfaces_get,
};
module_param_cb(interfaces, &interfaces_operations, NULL, 0644);
MODULE_PARM_DESC(interfaces, "network devices that are captured through the kernel's receive path (default: none)");

static void remove_lost(struct work_struct *work)
{
	mutex_lock(&interfaces_lock);
	destroy_lost();
	mutex_unlock(&interfaces_lock);
}
static DECLARE_WORK(removal, remove_lost);

static int on_event(struct notifier_block *block, unsigned long event, void *pointer)
{
	struct net_device *netdev = netdev_notifier_info_to_dev(pointer);
	const struct netdev_notifier_changeupper_info *upper = pointer;
	struct capture_device *device = capture_of_netdev(netdev);

	if (!device)
		return NOTIFY_DONE;
	switch (event) {
	case NETDEV_UNREGISTER:
		let_go(device);
		schedule_work(&removal);
		break;
	case NETDEV_GOING_DOWN:
		netdev_warn(netdev, "goes down while it is captured: nothing arrives until it is up again\n");
		break;
	case NETDEV_PRECHANGEUPPER:
		if (!upper->linking)
			break;
		netdev_err(netdev, "is captured: nothing can be put on top of it\n");
		return notifier_from_errno(-EBUSY);
	}
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = on_event };

int interfaces_start(void)
{
	int error = register_netdevice_notifier(&notifier);

	if (error)
		return error;
	mutex_lock(&interfaces_lock);
	error = apply(at_load);
	started = !error;
	mutex_unlock(&interfaces_lock);
	if (error)
		interfaces_stop();
	return error;
}

void interfaces_stop(void)
{
	mutex_lock(&interfaces_lock);
	started = false;
	apply("");
	mutex_unlock(&interfaces_lock);
	unregister_netdevice_notifier(&notifier);
	cancel_work_sync(&removal);
}
