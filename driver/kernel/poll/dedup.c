// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of duplicates, which may be exchanged while frames come in. */
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "device.h"

struct dedup_table {
	struct hpcap_dedup dedup;
	void *memory;
};

static void table_free(struct dedup_table *table)
{
	if (!table)
		return;
	kvfree(table->memory);
	kfree(table);
}

static struct dedup_table *table_create(const struct hpcap_dedup_config *config, int numa_node)
{
	struct dedup_table *table = kzalloc(sizeof(*table), GFP_KERNEL);

	if (!table)
		return NULL;
	/* more than a page, so on a page's boundary */
	table->memory = kvzalloc_node(max_t(u64, hpcap_dedup_memory(config), PAGE_SIZE), GFP_KERNEL, numa_node);
	if (!table->memory) {
		kfree(table);
		return NULL;
	}
	hpcap_dedup_init(&table->dedup, config, table->memory);
	return table;
}

int capture_dedup_set(struct capture_device *device, const struct hpcap_dedup_config *config)
{
	struct dedup_table *table = NULL, *old;

	if (config->entries) {
		table = table_create(config, device->numa_node);
		if (!table)
			return -ENOMEM;
	}
	mutex_lock(&device->dedup_lock);
	old = rcu_replace_pointer(device->dedup, table, lockdep_is_held(&device->dedup_lock));
	mutex_unlock(&device->dedup_lock);
	synchronize_rcu();
	table_free(old);
	return 0;
}

void capture_dedup_get(struct capture_device *device, struct hpcap_dedup_config *config)
{
	struct dedup_table *table;

	memset(config, 0, sizeof(*config));
	rcu_read_lock();
	table = rcu_dereference(device->dedup);
	if (table)
		*config = table->dedup.config;
	rcu_read_unlock();
}

void capture_dedup_burst(struct capture_device *device, const struct hpcap_arrival *arrivals, unsigned int count,
			 bool full)
{
	struct dedup_table *table;

	rcu_read_lock();
	table = rcu_dereference(device->dedup);
	device->capture.dedup = table ? &table->dedup : NULL;
	hpcap_capture_burst(&device->capture, arrivals, count, full);
	rcu_read_unlock();
}
