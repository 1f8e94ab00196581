// SPDX-License-Identifier: GPL-2.0-or-later
/* The real clocks that frames are stamped by, and the counter in between. */
#include <linux/delay.h>
#include <linux/ktime.h>
#ifdef CONFIG_X86
#include <asm/cpufeature.h>
#include <asm/tsc.h>
#endif

#include "device.h"
#include "main/parameters.h"

#define CALIBRATION_MS 20

bool core_counter_is_steady __ro_after_init;

void __init capture_clock_check_counter(void)
{
#ifdef CONFIG_X86
	/* the thread is bound to its CPU, so counters of several CPUs need not agree */
	core_counter_is_steady = boot_cpu_has(X86_FEATURE_CONSTANT_TSC) && !check_tsc_unstable();
#endif
	pr_info("hpcapvf: frames are stamped by the %s\n",
		core_counter_is_steady ? "time-stamp counter" : "kernel's monotonic clock: no steady counter");
}

static u64 read_ticks(void)
{
	return core_ticks();
}

static u64 read_realtime(void)
{
	return ktime_get_real_ns();
}

static u64 read_tai(void)
{
	return ktime_get_clocktai_ns();
}

void capture_clock_begin(struct capture_device *device)
{
	struct hpcap_clock *clock = &device->capture.clock;

	device->capture.stamper.method = parameters.timestamp;
	hpcap_clock_begin(clock, read_ticks, parameters.clock == HPCAPVF_CLOCK_TAI ? read_tai : read_realtime);
	msleep(CALIBRATION_MS);
	hpcap_clock_start(clock);
}

void capture_clock_sync(struct capture_device *device)
{
	struct hpcap_clock *clock = &device->capture.clock;
	u64 steps = clock->steps_back, sum = clock->stepped_back_ns;

	hpcap_capture_sync(&device->capture);
	if (clock->steps_back != steps)
		dev_warn(hw_of(device)->device, "the clock was set back by %llu ns: times run on ahead of it until it catches up\n",
			 clock->stepped_back_ns - sum);
}
