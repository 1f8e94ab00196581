/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One receive queue of a captured device: what the rooms of the module share. Each has a ring, a node and a thread of
 * its own; the first has the hardware, too, and its thread looks after that.
 *
 * Lifetime: main/pci.c or main/interfaces.c creates the first and lets go of it when the device goes; that one creates
 * the others, and each of them holds it. Every open file holds its queue as well, so that what is in the ring can still
 * be read after the device went away.
 */
#ifndef HPCAPVF_DEVICE_H
#define HPCAPVF_DEVICE_H

#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/wait.h>

#include "hw/hw.h"

/* Pages that a ring consists of; twice in a row in the kernel's addresses. */
struct ring_memory {
	struct kref references;	/* the device's, and one of each mapping of pinned pages */
	struct page **pages;	/* 2 * page_count entries, the second half the same pages */
	unsigned long page_count;
	unsigned long pinned;	/* pages from the start that are a program's and pinned; 0: they are our own */
	struct mm_struct *owner;	/* whom the pages are accounted to, or NULL */
	void *data;
};

enum capture_state {
	CAPTURE_UP,
	CAPTURE_RESETTING,	/* the PF was reset; setting the device up again, until it works */
	CAPTURE_UNREACHABLE,	/* registers read as all ones */
};

/* Wakes one listener once the write offset reaches wake_offset. */
struct listener_wait {
	wait_queue_head_t queue;
	u64 wake_offset;	/* U64_MAX: nobody waits */
};

struct dedup_table;

/* Frames that the polling thread takes at once. */
#define POLL_BURST 64

struct capture_device {
	struct kref references;
	struct device *parent;	/* what the node hangs below, or NULL; not to be used once gone is set, like hw.device */
	unsigned int queue;
	struct capture_device *first;	/* of this device's queues; itself in that one */
	struct capture_device *queues[HW_QUEUES_MAX];	/* of the first: all of them, itself too */
	struct hw hw;	/* of the first: hw_of() */
	struct mutex receiving;	/* of the others: held while the thread uses the hardware's queue */
	struct list_head entry;	/* main/interfaces.c */
	struct ring_memory *memory;	/* of the ring; changed under listeners_lock while the thread rests */
	struct ring_memory *spare;	/* our own, while the ring is a program's memory; else NULL */
	struct page *control;
	struct hpcap_capture capture;
	struct hpcap_arrival burst[POLL_BURST];	/* the thread's */
	struct dedup_table __rcu *dedup;	/* NULL: duplicates are stored */
	struct mutex dedup_lock;	/* who exchanges it */
	bool gone;

	char interface[HPCAPVF_INTERFACE_BYTES];
	char node[HPCAPVF_INTERFACE_BYTES + 18];	/* "hpcap_", "_" and any number */
	struct miscdevice misc;

	struct mutex listeners_lock;	/* attach and detach; the thread's life and rest */
	struct listener_wait waits[HPCAPVF_LISTENERS_MAX];

	struct task_struct *thread;
	int cpu;
	int numa_node;
	enum capture_state state;	/* of the first: state_of() */
};

static inline struct hw *hw_of(struct capture_device *device)
{
	return &device->first->hw;
}

static inline enum capture_state state_of(const struct capture_device *device)
{
	return READ_ONCE(device->first->state);
}

/*
 * main/ring_memory.c: or ERR_PTR(-ENOMEM), also beyond half of the machine's memory: the ring is mapped twice back to
 * back, and vmap() refuses more pages than there are.
 */
struct ring_memory *ring_memory_create(u64 bytes, int numa_node);
/* A mapping of hugetlbfs of the calling process; ERR_PTR: -ENOMEM also beyond RLIMIT_MEMLOCK; -EINVAL, -EFAULT. */
struct ring_memory *ring_memory_pin(u64 address, u64 bytes);
/* Whole huge pages, and not more of them than a ring may have. */
bool ring_memory_can_be_lent(u64 address, u64 bytes);
void ring_memory_put(struct ring_memory *memory);

/* main/ring_change.c: our own memory of another size. -EBUSY while anybody listens, -EINVAL, -ENOMEM, -ENODEV. */
int capture_ring_resize(struct capture_device *device, u64 bytes);
/*
 * main/ring_change.c: huge pages of the calling process, which listens; -EBUSY while anybody else does, -ENODEV, or an
 * error of ring_memory_pin. Faults pages in: not with a lock that mmap takes.
 */
int capture_ring_lend(struct capture_device *device, u64 address, u64 bytes);
/* main/ring_change.c: with listeners_lock held, after a listener went. */
void capture_ring_give_back(struct capture_device *device);

/*
 * main/capture_device.c: memory only, or ERR_PTR with the reason in the log. owner stands in messages, parent (or
 * NULL) is the hardware below it.
 */
struct capture_device *capture_device_create(struct device *owner, struct device *parent, const struct hw_ops *ops,
					     const char *interface);
/* Of the first queue. Brings the hardware up, then each queue's thread and node; after an error all is undone. */
int capture_device_start(struct capture_device *device);
/* Ends the threads and shuts the hardware down; may be called again. */
void capture_device_stop(struct capture_device *device);
/* After stop: the nodes go, and the creator's hold. */
void capture_device_remove(struct capture_device *device);
void capture_device_put(struct capture_device *device);

/* main/interfaces.c: only for a device that shows our attributes, or with RTNL held; else it may be gone again. */
struct capture_device *capture_of_netdev(const struct net_device *netdev);

/* poll/poll.c: starts and ends the thread. After stop the device's ring is no longer written. */
int poll_start(struct capture_device *device);
void poll_stop(struct capture_device *device);
/* Between these the thread touches nothing; with listeners_lock held. -ENODEV: there is no thread any more. */
int poll_rest(struct capture_device *device);
void poll_go_on(struct capture_device *device);

/* poll/clock.c: once, before the first capture_clock_begin. */
void capture_clock_check_counter(void);
/* poll/clock.c: the thread's clock; sleeps. */
void capture_clock_begin(struct capture_device *device);
/* poll/clock.c: due every few ms. */
void capture_clock_sync(struct capture_device *device);

/* poll/dedup.c: entries 0 switches it off. 0, -ENOMEM. The config was checked. Sleeps. */
int capture_dedup_set(struct capture_device *device, const struct hpcap_dedup_config *config);
void capture_dedup_get(struct capture_device *device, struct hpcap_dedup_config *config);
/* poll/dedup.c: hpcap_capture_burst with the table of the moment. */
void capture_dedup_burst(struct capture_device *device, const struct hpcap_arrival *arrivals, unsigned int count,
			 bool full);

/* chardev/chardev.c: the node appears and disappears; unregister also wakes everybody who waits. */
int chardev_register(struct capture_device *device);
void chardev_unregister(struct capture_device *device);

/* chardev/chardev.c: called by the thread after publishing. */
void chardev_wake_listeners(struct capture_device *device);

/* chardev/mapping.c */
int chardev_map(struct capture_device *device, struct vm_area_struct *area);
#define MAPPING_CONTROL_OFFSET 0ull
#define MAPPING_DATA_OFFSET (1ull << 20)

/* sysfs/sysfs.c */
extern const struct attribute_group *capture_attribute_groups[];	/* of a PCI device: its first queue's; of a node */
int capture_attributes_add(struct capture_device *device);	/* of a network device */
void capture_attributes_remove(struct capture_device *device);

#endif /* HPCAPVF_DEVICE_H */
