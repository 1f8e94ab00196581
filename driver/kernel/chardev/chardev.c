// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * /dev/hpcap_<interface>_<queue>: every open file is a listener. Nothing that a program does to its file can
 * touch another one's.
 */
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "device.h"
#include "main/parameters.h"
#include "version.h"

struct listener_file {
	struct capture_device *device;
	unsigned int listener;
	struct mutex lock;	/* what the listener has read */
};

static struct listener_wait *wait_of(struct listener_file *self)
{
	return &self->device->waits[self->listener];
}

/* Several threads may wait on one file: the nearest offset counts, who is not served waits again. */
static void arm(struct listener_wait *wait, u64 offset)
{
	u64 armed = READ_ONCE(wait->wake_offset);

	while (offset < armed && !try_cmpxchg64(&wait->wake_offset, &armed, offset))
		;
}

/*
 * Are min_bytes unread (or is the device gone)? If not, a wake-up is ordered first and the answer is looked up
 * again: the producer publishes, then looks for orders. The caller is in the wait queue already.
 */
static bool ready(struct listener_file *self, u64 min_bytes)
{
	struct capture_device *device = self->device;

	if (hpcap_ring_available(&device->capture.ring, self->listener) >= min_bytes || READ_ONCE(device->gone))
		return true;
	arm(wait_of(self), hpcap_ring_read_offset(&device->capture.ring, self->listener) + min_bytes);
	smp_mb();
	return hpcap_ring_available(&device->capture.ring, self->listener) >= min_bytes || READ_ONCE(device->gone);
}

void chardev_wake_listeners(struct capture_device *device)
{
	u64 published = hpcap_ring_published_offset(&device->capture.ring);
	unsigned int i;

	smp_mb();	/* pairs with ready(): published before looking for orders */
	for (i = 0; i < HPCAPVF_LISTENERS_MAX; i++) {
		struct listener_wait *wait = &device->waits[i];

		if (published < READ_ONCE(wait->wake_offset))
			continue;
		WRITE_ONCE(wait->wake_offset, U64_MAX);
		wake_up_all(&wait->queue);
	}
}

static int chardev_open(struct inode *inode, struct file *file)
{
	struct capture_device *device = container_of(file->private_data, struct capture_device, misc);
	struct listener_file *self;
	int listener;

	if (file->f_mode & FMODE_WRITE)
		return -EACCES;
	self = kzalloc(sizeof(*self), GFP_KERNEL);
	if (!self)
		return -ENOMEM;
	mutex_lock(&device->listeners_lock);
	listener = hpcap_ring_attach(&device->capture.ring);
	mutex_unlock(&device->listeners_lock);
	if (listener < 0) {
		kfree(self);
		return listener;
	}
	kref_get(&device->references);
	mutex_init(&self->lock);
	self->device = device;
	self->listener = (unsigned int)listener;
	file->private_data = self;
	return stream_open(inode, file);
}

static int chardev_release(struct inode *inode, struct file *file)
{
	struct listener_file *self = file->private_data;
	struct capture_device *device = self->device;

	mutex_lock(&device->listeners_lock);
	hpcap_ring_detach(&device->capture.ring, self->listener);
	capture_ring_give_back(device);
	mutex_unlock(&device->listeners_lock);
	kfree(self);
	capture_device_put(device);
	return 0;
}

static int copy_out(void *to, const void *from, u64 bytes)
{
	return copy_to_user((void __user __force *)to, from, bytes) ? -EFAULT : 0;
}

static ssize_t read_some(struct listener_file *self, char __user *buffer, size_t count)
{
	ssize_t result;

	if (mutex_lock_interruptible(&self->lock))
		return -ERESTARTSYS;
	result = hpcap_ring_read(&self->device->capture.ring, self->listener, (void __force *)buffer,
				 min_t(size_t, count, MAX_RW_COUNT), copy_out);
	mutex_unlock(&self->lock);
	return result;
}

static ssize_t chardev_read(struct file *file, char __user *buffer, size_t count, loff_t *position)
{
	struct listener_file *self = file->private_data;

	if (!count)
		return 0;
	for (;;) {
		ssize_t result = read_some(self, buffer, count);

		if (result)
			return result;
		if (READ_ONCE(self->device->gone))
			return 0;
		if (file->f_flags & O_NONBLOCK) {
			if (!ready(self, 1))
				return -EAGAIN;
		} else if (wait_event_interruptible(wait_of(self)->queue, ready(self, 1))) {
			return -ERESTARTSYS;
		}
	}
}

static __poll_t chardev_poll(struct file *file, poll_table *table)
{
	struct listener_file *self = file->private_data;
	__poll_t events = 0;

	poll_wait(file, &wait_of(self)->queue, table);
	if (ready(self, 1) && hpcap_ring_available(&self->device->capture.ring, self->listener))
		events |= EPOLLIN | EPOLLRDNORM;
	if (READ_ONCE(self->device->gone))
		events |= EPOLLHUP;
	return events;
}

static int chardev_mmap(struct file *file, struct vm_area_struct *area)
{
	struct listener_file *self = file->private_data;

	return chardev_map(self->device, area);
}

static long ioctl_version(void __user *argument)
{
	const __u32 version = HPCAPVF_ABI_VERSION;

	return copy_to_user(argument, &version, sizeof(version)) ? -EFAULT : 0;
}

static long ioctl_info(struct listener_file *self, void __user *argument)
{
	struct capture_device *device = self->device;
	struct hpcapvf_info info = {
		.abi_version = HPCAPVF_ABI_VERSION,
		.queue = device->queue,
		.ring_bytes = device->capture.ring.size,
		.control_offset = MAPPING_CONTROL_OFFSET,
		.control_bytes = PAGE_SIZE,
		.data_offset = MAPPING_DATA_OFFSET,
		.caplen = parameters.caplen,
		.frame_bytes_max = hw_of(device)->frame_bytes_max,
		.cpu = device->cpu,
		.numa_node = device->numa_node,
		.listener = self->listener,
		.link = READ_ONCE(hw_of(device)->link),
		.timestamp = parameters.timestamp,
		.clock = parameters.clock,
		.driver_version = HPCAPVF_RELEASE,
	};

	memcpy(info.mac, hw_of(device)->mac, sizeof(info.mac));
	strscpy(info.interface, device->interface, sizeof(info.interface));
	return copy_to_user(argument, &info, sizeof(info)) ? -EFAULT : 0;
}

static long ioctl_stats(struct listener_file *self, void __user *argument)
{
	struct hpcapvf_stats stats;

	hpcap_ring_stats(&self->device->capture.ring, &stats);
	return copy_to_user(argument, &stats, sizeof(stats)) ? -EFAULT : 0;
}

static long wait_for(struct listener_file *self, u64 min_bytes, s32 timeout_ms)
{
	long ticks = timeout_ms < 0 ? MAX_SCHEDULE_TIMEOUT : (long)msecs_to_jiffies((unsigned int)timeout_ms);
	long left = wait_event_interruptible_timeout(wait_of(self)->queue, ready(self, min_bytes), ticks);

	/* a signal here is the program's to handle: it gave a timeout, which restarting would prolong */
	if (left < 0)
		return -EINTR;
	if (hpcap_ring_available(&self->device->capture.ring, self->listener) >= min_bytes)
		return 0;
	return READ_ONCE(self->device->gone) ? -ENODEV : -ETIMEDOUT;
}

static long ioctl_wait(struct listener_file *self, void __user *argument)
{
	struct hpcap_ring *ring = &self->device->capture.ring;
	struct hpcapvf_wait wait;
	long result;

	if (copy_from_user(&wait, argument, sizeof(wait)))
		return -EFAULT;
	if (wait.padding || wait.reserved || wait.timeout_ms < HPCAPVF_WAIT_FOREVER)
		return -EINVAL;
	/* more than half the ring may never be there, when the next record does not fit any more */
	wait.min_bytes = clamp_t(u64, wait.min_bytes, 1, ring->size / 2);
	result = wait_for(self, wait.min_bytes, wait.timeout_ms);
	if (result == -EINTR || mutex_lock_interruptible(&self->lock))
		return -EINTR;
	hpcap_ring_catch_up(ring, self->listener);
	wait.read_offset = hpcap_ring_read_offset(ring, self->listener);
	wait.write_offset = hpcap_ring_published_offset(ring);
	mutex_unlock(&self->lock);
	return copy_to_user(argument, &wait, sizeof(wait)) ? -EFAULT : result;
}

static long ioctl_advance(struct listener_file *self, void __user *argument)
{
	struct hpcapvf_advance advance;
	long result;

	if (copy_from_user(&advance, argument, sizeof(advance)))
		return -EFAULT;
	if (advance.reserved)
		return -EINVAL;
	if (mutex_lock_interruptible(&self->lock))
		return -ERESTARTSYS;
	result = hpcap_ring_advance(&self->device->capture.ring, self->listener, advance.read_offset);
	mutex_unlock(&self->lock);
	return result;
}

static long ioctl_policy(struct listener_file *self, void __user *argument)
{
	struct capture_device *device = self->device;
	struct hpcapvf_policy policy;
	long result;

	if (copy_from_user(&policy, argument, sizeof(policy)))
		return -EFAULT;
	if (policy.reserved || policy.policy > HPCAPVF_POLICY_LOSSY)
		return -EINVAL;
	if (mutex_lock_interruptible(&self->lock))
		return -ERESTARTSYS;
	mutex_lock(&device->listeners_lock);
	result = hpcap_ring_set_policy(&device->capture.ring, self->listener, policy.policy == HPCAPVF_POLICY_LOSSY);
	mutex_unlock(&device->listeners_lock);
	mutex_unlock(&self->lock);
	return result;
}

static long ioctl_listener_stats(struct listener_file *self, void __user *argument)
{
	struct hpcapvf_listener_stats stats;

	if (mutex_lock_interruptible(&self->lock))
		return -ERESTARTSYS;
	hpcap_ring_catch_up(&self->device->capture.ring, self->listener);
	hpcap_ring_listener_stats(&self->device->capture.ring, self->listener, &stats);
	mutex_unlock(&self->lock);
	return copy_to_user(argument, &stats, sizeof(stats)) ? -EFAULT : 0;
}

/* It changes the ring for everybody, so not every member of the group may do that. */
static long ioctl_ring_memory(struct listener_file *self, void __user *argument)
{
	struct hpcapvf_ring_memory wish;
	long result;

	if (!capable(CAP_NET_ADMIN))
		return -EPERM;
	if (copy_from_user(&wish, argument, sizeof(wish)))
		return -EFAULT;
	if (wish.reserved[0] || wish.reserved[1])
		return -EINVAL;
	if (mutex_lock_interruptible(&self->lock))
		return -ERESTARTSYS;
	result = capture_ring_lend(self->device, wish.address, wish.bytes);
	mutex_unlock(&self->lock);
	return result;
}

static long chardev_ioctl(struct file *file, unsigned int command, unsigned long value)
{
	struct listener_file *self = file->private_data;
	void __user *argument = (void __user *)value;

	switch (command) {
	case HPCAPVF_IOC_VERSION:
		return ioctl_version(argument);
	case HPCAPVF_IOC_INFO:
		return ioctl_info(self, argument);
	case HPCAPVF_IOC_WAIT:
		return ioctl_wait(self, argument);
	case HPCAPVF_IOC_ADVANCE:
		return ioctl_advance(self, argument);
	case HPCAPVF_IOC_STATS:
		return ioctl_stats(self, argument);
	case HPCAPVF_IOC_POLICY:
		return ioctl_policy(self, argument);
	case HPCAPVF_IOC_LISTENER_STATS:
		return ioctl_listener_stats(self, argument);
	case HPCAPVF_IOC_RING_MEMORY:
		return ioctl_ring_memory(self, argument);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.open = chardev_open,
	.release = chardev_release,
	.read = chardev_read,
	.poll = chardev_poll,
	.mmap = chardev_mmap,
	.unlocked_ioctl = chardev_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

int chardev_register(struct capture_device *device)
{
	device->misc.minor = MISC_DYNAMIC_MINOR;
	device->misc.name = device->node;
	device->misc.fops = &operations;
	device->misc.mode = 0640;
	device->misc.parent = device->parent;
	device->misc.groups = capture_attribute_groups;
	return misc_register(&device->misc);
}

void chardev_unregister(struct capture_device *device)
{
	unsigned int i;

	misc_deregister(&device->misc);
	WRITE_ONCE(device->gone, true);
	smp_mb();	/* pairs with ready() */
	for (i = 0; i < HPCAPVF_LISTENERS_MAX; i++)
		wake_up_all(&device->waits[i].queue);
}
