// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/parameters.h"

#include <linux/cpumask.h>
#include <linux/module.h>
#include <linux/string.h>

#include "hw/rx_ring.h"

#define DESCRIPTORS_MIN 64
#define DESCRIPTORS_MAX 4096
/* the ring's length in bytes is a multiple of 128, and its buffers fill whole pages */
#define DESCRIPTORS_STEP (RX_BUFFERS_PER_PAGE > 8 ? (int)RX_BUFFERS_PER_PAGE : 8)
#define NAME_LENGTH_MAX 15
#define IDLE_US_MIN 20
#define IDLE_US_MAX 100000

static int cpu = -1;
module_param(cpu, int, 0444);
MODULE_PARM_DESC(cpu, "CPU of the polling thread, of further queues the next ones (-1, default: from the first online CPU of the device's NUMA node)");

static char *idle = "backoff";
module_param(idle, charp, 0444);
MODULE_PARM_DESC(idle, "what the polling thread does without frames: spin, or backoff (default; sleeps up to idle_max_us)");

static unsigned int idle_max_us = 1000;
module_param(idle_max_us, uint, 0444);
MODULE_PARM_DESC(idle_max_us, "longest sleep of backoff in microseconds, 20 to 100000 (default 1000)");

static unsigned int ring_mib = 64;
module_param(ring_mib, uint, 0444);
MODULE_PARM_DESC(ring_mib, "size of the record ring in MiB, 1 to 65536 (default 64)");

static unsigned int queues = 1;
module_param(queues, uint, 0444);
MODULE_PARM_DESC(queues, "receive queues of a virtual function that are captured, if it has as many: 1 to 8 (default 1)");

static unsigned int rx_descriptors = DESCRIPTORS_MAX;
module_param(rx_descriptors, uint, 0444);
MODULE_PARM_DESC(rx_descriptors, "receive descriptors, 64 to 4096, a multiple of 8 (default 4096)");

static unsigned int caplen;
module_param(caplen, uint, 0444);
MODULE_PARM_DESC(caplen, "bytes kept of each frame, 14 to 65535 (default 0: all)");

static char *timestamp = "frame";
module_param(timestamp, charp, 0444);
MODULE_PARM_DESC(timestamp, "frame (default), udts or wdts (once a burst, shared out evenly or by length), auto (frame, but wdts while saturated)");

static char *receive = "promiscuous";
module_param(receive, charp, 0444);
MODULE_PARM_DESC(receive, "frames for others that the device is asked for: promiscuous (default: all), allmulti (all multicast) or addressed (none)");

static char *clock = "realtime";
module_param(clock, charp, 0444);
MODULE_PARM_DESC(clock, "clock of the frames' times: realtime (default) or tai");

static unsigned int dedup_entries;
module_param(dedup_entries, uint, 0444);
MODULE_PARM_DESC(dedup_entries, "frames remembered to find duplicates, a power of two, 64 to 1048576 (default 0: duplicates are stored)");

static unsigned int dedup_pools = 1;
module_param(dedup_pools, uint, 0444);
MODULE_PARM_DESC(dedup_pools, "frames remembered for each hash, a power of two, 1 to 64 (default 1)");

static unsigned int dedup_window_us = 200000;
module_param(dedup_window_us, uint, 0444);
MODULE_PARM_DESC(dedup_window_us, "a duplicate comes at most that much later, 1 to 10000000 (default 200000)");

static unsigned int dedup_bytes = 70;
module_param(dedup_bytes, uint, 0444);
MODULE_PARM_DESC(dedup_bytes, "bytes compared of each frame, 14 to 240 (default 70)");

/* in the order of HPCAPVF_TIMESTAMP_*, HPCAPVF_CLOCK_*, enum idle_mode and enum receive_mode */
static const char *const timestamp_names[] = { "frame", "udts", "wdts", "auto" };
static const char *const clock_names[] = { "realtime", "tai" };
static const char *const idle_names[] = { "spin", "backoff" };
static const char *const receive_names[] = { "promiscuous", "allmulti", "addressed" };

static char *name = "";
module_param(name, charp, 0444);
MODULE_PARM_DESC(name, "interface name in /dev/hpcap_<name>_<queue>, for one device only (default: from its PCI address)");

struct parameters parameters;

static bool name_is_good(const char *text)
{
	size_t length = strlen(text);

	return length <= NAME_LENGTH_MAX && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789") == length;
}

#define CHECK_WORD(parameter, names)                                                               \
	do {                                                                                       \
		int index = match_string(names, ARRAY_SIZE(names), parameter);                     \
                                                                                                   \
		if (index < 0) {                                                                   \
			complain_of_word(#parameter, parameter, names, ARRAY_SIZE(names));         \
			return -EINVAL;                                                            \
		}                                                                                  \
		parameters.parameter = index;                                                      \
	} while (0)

static void complain_of_word(const char *parameter, const char *value, const char *const *names, unsigned int count)
{
	char list[64] = "";
	unsigned int i;

	for (i = 0; i < count; i++) {
		strlcat(list, i ? ", " : "", sizeof(list));
		strlcat(list, names[i], sizeof(list));
	}
	pr_err("hpcapvf: %s=%s: must be one of: %s\n", parameter, value, list);
}

static int check_words(void)
{
	CHECK_WORD(idle, idle_names);
	CHECK_WORD(timestamp, timestamp_names);
	CHECK_WORD(clock, clock_names);
	CHECK_WORD(receive, receive_names);
	return 0;
}

static int check_dedup(void)
{
	const struct hpcap_dedup_config config = {
		.entries = dedup_entries,
		.pools = dedup_pools,
		.window_us = dedup_window_us,
		.bytes = dedup_bytes,
	};
	const char *wrong = dedup_entries ? hpcap_dedup_check_config(&config) : NULL;

	parameters.dedup = config;
	if (!wrong)
		return 0;
	pr_err("hpcapvf: dedup_%s\n", wrong);
	return -EINVAL;
}

int parameters_check(void)
{
	int error = check_words();

	if (!error)
		error = check_dedup();
	if (error)
		return error;
	if (idle_max_us < IDLE_US_MIN || idle_max_us > IDLE_US_MAX) {
		pr_err("hpcapvf: idle_max_us=%u: must be %u to %u\n", idle_max_us, IDLE_US_MIN, IDLE_US_MAX);
		return -EINVAL;
	}
	if (cpu < -1 || (cpu >= 0 && (cpu >= (int)nr_cpu_ids || !cpu_online(cpu)))) {
		pr_err("hpcapvf: cpu=%d: must be -1 or an online CPU (%*pbl)\n", cpu,
		       cpumask_pr_args(cpu_online_mask));
		return -EINVAL;
	}
	if (ring_mib < 1 || ring_mib > HPCAPVF_RING_MIB_MAX) {
		pr_err("hpcapvf: ring_mib=%u: must be 1 to %u\n", ring_mib, HPCAPVF_RING_MIB_MAX);
		return -EINVAL;
	}
	if (queues < 1 || queues > HW_QUEUES_MAX) {
		pr_err("hpcapvf: queues=%u: must be 1 to %u\n", queues, HW_QUEUES_MAX);
		return -EINVAL;
	}
	if (rx_descriptors < DESCRIPTORS_MIN || rx_descriptors > DESCRIPTORS_MAX ||
	    rx_descriptors % DESCRIPTORS_STEP) {
		pr_err("hpcapvf: rx_descriptors=%u: must be %u to %u, a multiple of %u\n", rx_descriptors,
		       DESCRIPTORS_MIN, DESCRIPTORS_MAX, DESCRIPTORS_STEP);
		return -EINVAL;
	}
	if (caplen && (caplen < ETH_HLEN || caplen > HPCAPVF_CAPLEN_MAX)) {
		pr_err("hpcapvf: caplen=%u: must be 0 (all) or %u to %u\n", caplen, ETH_HLEN, HPCAPVF_CAPLEN_MAX);
		return -EINVAL;
	}
	if (!name_is_good(name)) {
		pr_err("hpcapvf: name=%s: at most %u of a-z and 0-9\n", name, NAME_LENGTH_MAX);
		return -EINVAL;
	}
	parameters.idle_max_us = idle_max_us;
	parameters.cpu = cpu;
	parameters.ring_bytes = (u64)ring_mib << 20;
	parameters.queues = queues;
	parameters.rx_descriptors = rx_descriptors;
	parameters.caplen = caplen;
	return 0;
}

const char *parameters_idle_name(void)
{
	return idle_names[parameters.idle];
}

const char *parameters_timestamp_name(void)
{
	return timestamp_names[parameters.timestamp];
}

const char *parameters_clock_name(void)
{
	return clock_names[parameters.clock];
}

const char *parameters_receive_name(void)
{
	return receive_names[parameters.receive];
}

void parameters_interface_name(const struct pci_dev *pci, char out[HPCAPVF_INTERFACE_BYTES])
{
	char domain[12] = "", function[8] = "";

	if (*name) {
		strscpy(out, name, HPCAPVF_INTERFACE_BYTES);
		return;
	}
	if (pci_domain_nr(pci->bus))
		snprintf(domain, sizeof(domain), "P%d", pci_domain_nr(pci->bus));
	if (PCI_FUNC(pci->devfn))
		snprintf(function, sizeof(function), "f%u", PCI_FUNC(pci->devfn));
	snprintf(out, HPCAPVF_INTERFACE_BYTES, "%sp%us%u%s", domain, pci->bus->number, PCI_SLOT(pci->devfn), function);
}
