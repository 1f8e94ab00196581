// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The polling thread: from the NIC's ring to the record ring, and an eye on the device.
 */
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/sched.h>

#include "device.h"
#include "main/parameters.h"

#define WATCH_MS 10
/* Polls without a frame before the first sleep, then sleeps that double up to the parameter idle_max_us. */
#define EMPTY_POLLS_AWAKE 64
#define SLEEP_US_MIN 20
/* Between attempts to set up a device whose PF does not answer (it may be down for hours). */
#define RETRY_MS 200

static bool is_first(const struct capture_device *device)
{
	return device->first == device;
}

static unsigned int take_burst(struct capture_device *device)
{
	struct hw *hw = hw_of(device);
	unsigned int count = hw->ops->receive(hw, device->queue, device->burst, POLL_BURST);

	if (is_first(device))
		hpcap_ring_count_queue_full(&device->capture.ring, hw->queue_full_drops, hw->queue_full_bytes);
	capture_dedup_burst(device, device->burst, count, count == POLL_BURST);
	/* an empty NIC ring is the moment to give everything back */
	hw->ops->release(hw, device->queue, count < POLL_BURST);
	if (count)
		chardev_wake_listeners(device);
	return count;
}

/* Returns the next sleep. */
static unsigned int rest(unsigned int empty_polls, unsigned int sleep_us)
{
	if (parameters.idle == IDLE_SPIN || empty_polls < EMPTY_POLLS_AWAKE) {
		cpu_relax();
		return SLEEP_US_MIN;
	}
	/* TASK_IDLE: a sleeping capture is no load */
	usleep_range_state(sleep_us / 2, sleep_us, TASK_IDLE);
	return min(2 * sleep_us, parameters.idle_max_us);
}

/* From here on no other thread uses the hardware, until it is let. */
static void keep_others_away(struct capture_device *device)
{
	unsigned int queue;

	for (queue = 1; queue < device->hw.queues; queue++)
		mutex_lock_nested(&device->queues[queue]->receiving, queue);
}

static void let_others_go_on(struct capture_device *device)
{
	unsigned int queue;

	for (queue = device->hw.queues; queue > 1; queue--)
		mutex_unlock(&device->queues[queue - 1]->receiving);
}

/* While the others are kept away: nobody else writes to these rings. */
static void count_reset(struct capture_device *device)
{
	unsigned int queue;

	for (queue = 0; queue < device->hw.queues; queue++) {
		hpcap_ring_count_reset(&device->queues[queue]->capture.ring);
		hpcap_ring_publish(&device->queues[queue]->capture.ring);
	}
}

static void set_up_again(struct capture_device *device)
{
	struct hw *hw = &device->hw;
	int error;

	keep_others_away(device);
	error = hw->ops->bring_up(hw);
	if (!error)
		count_reset(device);
	let_others_go_on(device);
	if (error) {
		if (!hw->quiet && error != -EINTR)
			dev_warn(device->hw.device, "not capturing (error %d): trying again until it works\n", error);
		hw->quiet = true;
		schedule_timeout_idle(msecs_to_jiffies(RETRY_MS));
		return;
	}
	hw->quiet = false;
	WRITE_ONCE(device->state, CAPTURE_UP);
	dev_info(device->hw.device, "capturing again after a reset of the physical function (reset %llu), link %s\n",
		 device->capture.ring.counters.resets, hw->link ? "up" : "down");
}

static void watch(struct capture_device *device)
{
	int error = device->hw.ops->watch(&device->hw);

	hpcap_ring_count_queue_full(&device->capture.ring, device->hw.queue_full_drops, device->hw.queue_full_bytes);
	if (error == -ESTALE) {
		dev_warn(device->hw.device, "the physical function was reset: setting this function up again\n");
		WRITE_ONCE(device->state, CAPTURE_RESETTING);
	} else if (error == -ENXIO) {
		dev_warn(device->hw.device, "registers read as all ones: waiting for the device\n");
		WRITE_ONCE(device->state, CAPTURE_UNREACHABLE);
	}
}

/* All ones during a function-level reset, or for good; whatever comes back has to be set up. */
static void wait_until_reachable(struct capture_device *device)
{
	if (device->hw.ops->watch(&device->hw) == -ENXIO)
		schedule_timeout_idle(msecs_to_jiffies(RETRY_MS));
	else
		WRITE_ONCE(device->state, CAPTURE_RESETTING);
}

static void capture(struct capture_device *device)
{
	unsigned long next_watch = jiffies + msecs_to_jiffies(WATCH_MS);
	unsigned int empty_polls = 0, sleep_us = SLEEP_US_MIN, bursts;

	capture_clock_sync(device);
	while (!kthread_should_stop() && !kthread_should_park() && state_of(device) == CAPTURE_UP) {
		if (take_burst(device)) {
			empty_polls = 0;
			sleep_us = SLEEP_US_MIN;
		} else {
			sleep_us = rest(empty_polls++, sleep_us);
		}
		cond_resched();
		if (time_after_eq(jiffies, next_watch)) {
			if (is_first(device))
				watch(device);
			capture_clock_sync(device);
			hpcap_ring_publish(&device->capture.ring);
			next_watch = jiffies + msecs_to_jiffies(WATCH_MS);
		}
	}
	/* what had arrived before a reset is still ours; not more, or a busy link would keep the thread here */
	for (bursts = parameters.rx_descriptors / POLL_BURST + 1; bursts && take_burst(device); bursts--)
		cond_resched();
}

/* One step of the thread that looks after the hardware. */
static void lead(struct capture_device *device)
{
	switch (device->state) {
	case CAPTURE_UP:
		capture(device);
		break;
	case CAPTURE_RESETTING:
		set_up_again(device);
		break;
	case CAPTURE_UNREACHABLE:
		wait_until_reachable(device);
		break;
	}
}

static void follow(struct capture_device *device)
{
	if (state_of(device) != CAPTURE_UP) {
		schedule_timeout_idle(msecs_to_jiffies(WATCH_MS));
		return;
	}
	mutex_lock(&device->receiving);
	capture(device);
	mutex_unlock(&device->receiving);
}

static int poll_thread(void *argument)
{
	struct capture_device *device = argument;

	capture_clock_begin(device);
	while (!kthread_should_stop()) {
		if (kthread_should_park())
			kthread_parkme();
		if (is_first(device))
			lead(device);
		else
			follow(device);
	}
	return 0;
}

int poll_start(struct capture_device *device)
{
	struct task_struct *thread;

	thread = kthread_create_on_node(poll_thread, device, device->numa_node, "hpcap_%s", device->interface);
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	kthread_bind(thread, device->cpu);
	device->thread = thread;
	wake_up_process(thread);
	return 0;
}

int poll_rest(struct capture_device *device)
{
	return device->thread ? kthread_park(device->thread) : -ENODEV;
}

void poll_go_on(struct capture_device *device)
{
	kthread_unpark(device->thread);
}

void poll_stop(struct capture_device *device)
{
	WRITE_ONCE(hw_of(device)->stopping, true);
	mutex_lock(&device->listeners_lock);
	if (device->thread)
		kthread_stop(device->thread);
	device->thread = NULL;
	mutex_unlock(&device->listeners_lock);
}
