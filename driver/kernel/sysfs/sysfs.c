// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * /sys/class/misc/<node>/hpcapvf/ of each queue, and of the first also <PCI device>/hpcapvf/ or
 * /sys/class/net/<interface>/hpcapvf/: one value per file.
 */
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/sysfs.h>

#include "device.h"
#include "main/parameters.h"

static struct capture_device *capture_of(struct device *device)
{
	if (dev_is_pci(device))
		return dev_get_drvdata(device);
	if (MAJOR(device->devt) == MISC_MAJOR)
		return container_of(dev_get_drvdata(device), struct capture_device, misc);
	return capture_of_netdev(to_net_dev(device));
}

#define COUNTER(field)                                                                                     \
	static ssize_t field##_show(struct device *device, struct device_attribute *attribute, char *out) \
	{                                                                                                  \
		struct hpcapvf_stats stats;                                                                \
                                                                                                           \
		hpcap_ring_stats(&capture_of(device)->capture.ring, &stats);                                       \
		return sysfs_emit(out, "%llu\n", stats.field);                                             \
	}                                                                                                  \
	static DEVICE_ATTR_RO(field)

COUNTER(received);
COUNTER(received_bytes);
COUNTER(published);
COUNTER(published_bytes);
COUNTER(ring_full_drops);
COUNTER(ring_full_bytes);
COUNTER(no_listener_drops);
COUNTER(no_listener_bytes);
COUNTER(errors);
COUNTER(error_bytes);
COUNTER(vlan_reinserted);
COUNTER(resets);
COUNTER(duplicates);
COUNTER(duplicate_bytes);
COUNTER(queue_full_drops);
COUNTER(queue_full_bytes);
COUNTER(clock_steps_back);
COUNTER(clock_stepped_back_ns);

static const char *state_name(const struct capture_device *capture)
{
	switch (state_of(capture)) {
	case CAPTURE_UP:
		return "up";
	case CAPTURE_RESETTING:
		return "resetting";
	case CAPTURE_UNREACHABLE:
		return "unreachable";
	}
	return "unknown";
}

static const char *answer_name(enum hw_answer answer)
{
	switch (answer) {
	case HW_NOT_ASKED:
		return "not asked";
	case HW_GRANTED:
		return "granted";
	case HW_REFUSED:
		return "refused";
	case HW_LOWERED:
		return "lowered";
	}
	return "unknown";
}

#define SHOW(name) static ssize_t name##_show(struct device *device, struct device_attribute *attribute, char *out)

SHOW(abi_version)
{
	return sysfs_emit(out, "%u.%u\n", HPCAPVF_ABI_MAJOR, HPCAPVF_ABI_MINOR);
}
static DEVICE_ATTR_RO(abi_version);

SHOW(allmulti)
{
	return sysfs_emit(out, "%s\n", answer_name(READ_ONCE(hw_of(capture_of(device))->allmulti)));
}
static DEVICE_ATTR_RO(allmulti);

SHOW(promiscuous)
{
	return sysfs_emit(out, "%s\n", answer_name(READ_ONCE(hw_of(capture_of(device))->promiscuous)));
}
static DEVICE_ATTR_RO(promiscuous);

SHOW(family)
{
	return sysfs_emit(out, "%s\n", hw_of(capture_of(device))->ops->family);
}
static DEVICE_ATTR_RO(family);

SHOW(cpu)
{
	return sysfs_emit(out, "%d\n", capture_of(device)->cpu);
}
static DEVICE_ATTR_RO(cpu);

SHOW(clock)
{
	return sysfs_emit(out, "%s\n", parameters_clock_name());
}
static DEVICE_ATTR_RO(clock);

SHOW(timestamp)
{
	return sysfs_emit(out, "%s\n", parameters_timestamp_name());
}
static DEVICE_ATTR_RO(timestamp);

/* "off", or: entries pools window_us bytes */
SHOW(dedup)
{
	struct hpcap_dedup_config config;

	capture_dedup_get(capture_of(device), &config);
	if (!config.entries)
		return sysfs_emit(out, "off\n");
	return sysfs_emit(out, "%u %u %u %u\n", config.entries, config.pools, config.window_us, config.bytes);
}

static ssize_t dedup_store(struct device *device, struct device_attribute *attribute, const char *text, size_t length)
{
	struct hpcap_dedup_config config = { 0 };
	int error;
	char rest;

	if (!sysfs_streq(text, "off") &&
	    (sscanf(text, "%u %u %u %u %c", &config.entries, &config.pools, &config.window_us, &config.bytes, &rest) != 4 ||
	     hpcap_dedup_check_config(&config)))
		return -EINVAL;
	error = capture_dedup_set(capture_of(device), &config);
	return error ? error : (ssize_t)length;
}
static DEVICE_ATTR_RW(dedup);

SHOW(ring_mib)
{
	return sysfs_emit(out, "%llu\n", READ_ONCE(capture_of(device)->capture.ring.size) >> 20);
}

static ssize_t ring_mib_store(struct device *device, struct device_attribute *attribute, const char *text,
			      size_t length)
{
	unsigned int mib;
	int error = kstrtouint(text, 0, &mib);

	if (!error && (mib < 1 || mib > HPCAPVF_RING_MIB_MAX))
		error = -EINVAL;
	if (!error)
		error = capture_ring_resize(capture_of(device), (u64)mib << 20);
	return error ? error : (ssize_t)length;
}
static DEVICE_ATTR_RW(ring_mib);

/* below /dev */
SHOW(node)
{
	return sysfs_emit(out, "%s\n", capture_of(device)->node);
}
static DEVICE_ATTR_RO(node);

SHOW(receive)
{
	return sysfs_emit(out, "%s\n", parameters_receive_name());
}
static DEVICE_ATTR_RO(receive);

SHOW(idle)
{
	return sysfs_emit(out, "%s\n", parameters_idle_name());
}
static DEVICE_ATTR_RO(idle);

SHOW(interface)
{
	return sysfs_emit(out, "%s\n", capture_of(device)->interface);
}
static DEVICE_ATTR_RO(interface);

SHOW(link)
{
	return sysfs_emit(out, "%d\n", READ_ONCE(hw_of(capture_of(device))->link));
}
static DEVICE_ATTR_RO(link);

SHOW(listeners)
{
	return sysfs_emit(out, "%u\n", hpcap_ring_listeners(&capture_of(device)->capture.ring));
}
static DEVICE_ATTR_RO(listeners);

SHOW(ring_held_bytes)
{
	return sysfs_emit(out, "%llu\n", hpcap_ring_held(&capture_of(device)->capture.ring));
}
static DEVICE_ATTR_RO(ring_held_bytes);

SHOW(mac)
{
	return sysfs_emit(out, "%pM\n", hw_of(capture_of(device))->mac);
}
static DEVICE_ATTR_RO(mac);

SHOW(queue)
{
	return sysfs_emit(out, "%u\n", capture_of(device)->queue);
}
static DEVICE_ATTR_RO(queue);

SHOW(queues)
{
	return sysfs_emit(out, "%u\n", hw_of(capture_of(device))->queues);
}
static DEVICE_ATTR_RO(queues);

SHOW(state)
{
	return sysfs_emit(out, "%s\n", state_name(capture_of(device)));
}
static DEVICE_ATTR_RO(state);

static struct attribute *attributes[] = {
	&dev_attr_abi_version.attr,	&dev_attr_allmulti.attr,	&dev_attr_cpu.attr,
	&dev_attr_errors.attr,		&dev_attr_idle.attr,		&dev_attr_interface.attr,
	&dev_attr_link.attr,		&dev_attr_listeners.attr,	&dev_attr_mac.attr,
	&dev_attr_no_listener_drops.attr, &dev_attr_node.attr,		&dev_attr_published.attr,
	&dev_attr_published_bytes.attr,	&dev_attr_received.attr,	&dev_attr_received_bytes.attr,
	&dev_attr_resets.attr,		&dev_attr_ring_full_drops.attr,	&dev_attr_state.attr,
	&dev_attr_vlan_reinserted.attr,	&dev_attr_clock.attr,		&dev_attr_clock_steps_back.attr,
	&dev_attr_clock_stepped_back_ns.attr, &dev_attr_timestamp.attr,	&dev_attr_dedup.attr,
	&dev_attr_duplicates.attr,	&dev_attr_queue_full_drops.attr, &dev_attr_promiscuous.attr,
	&dev_attr_family.attr,		&dev_attr_receive.attr,		&dev_attr_ring_mib.attr,
	&dev_attr_queue.attr,		&dev_attr_queues.attr,		&dev_attr_ring_full_bytes.attr,
	&dev_attr_no_listener_bytes.attr, &dev_attr_error_bytes.attr,	&dev_attr_duplicate_bytes.attr,
	&dev_attr_queue_full_bytes.attr, &dev_attr_ring_held_bytes.attr,
	NULL,
};

static const struct attribute_group group = {
	.name = "hpcapvf",
	.attrs = attributes,
};

const struct attribute_group *capture_attribute_groups[] = { &group, NULL };

int capture_attributes_add(struct capture_device *device)
{
	return sysfs_create_group(&device->hw.device->kobj, &group);
}

void capture_attributes_remove(struct capture_device *device)
{
	sysfs_remove_group(&device->hw.device->kobj, &group);
}
