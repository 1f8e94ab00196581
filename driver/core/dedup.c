// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/dedup.h"

#include "core/copy.h"

#define ETHERNET_TYPE_AT 12u
#define VLAN_TAG_BYTES 4u
#define IPV4_BYTES_MIN 20u
#define IPV6_BYTES 40u
#define PORTS_BYTES 4u

static bool is_power_of_two(__u32 value)
{
	return value && !(value & (value - 1));
}

const char *hpcap_dedup_check_config(const struct hpcap_dedup_config *config)
{
	if (config->entries < HPCAP_DEDUP_ENTRIES_MIN || config->entries > HPCAP_DEDUP_ENTRIES_MAX ||
	    !is_power_of_two(config->entries))
		return "entries must be a power of two, 64 to 1048576";
	if (config->pools > HPCAP_DEDUP_POOLS_MAX || !is_power_of_two(config->pools))
		return "pools must be a power of two, 1 to 64";
	if (!config->window_us || config->window_us > HPCAP_DEDUP_WINDOW_US_MAX)
		return "window_us must be 1 to 10000000";
	if (config->bytes < HPCAP_DEDUP_BYTES_MIN || config->bytes > HPCAP_DEDUP_BYTES_MAX)
		return "bytes must be 14 to 240";
	return NULL;
}

static __u32 entry_bytes(const struct hpcap_dedup_config *config)
{
	__u32 bytes = (__u32)sizeof(struct hpcap_dedup_entry) + config->bytes;

	return (bytes + CORE_CACHE_LINE - 1) & ~(CORE_CACHE_LINE - 1u);
}

__u64 hpcap_dedup_memory(const struct hpcap_dedup_config *config)
{
	return (__u64)config->entries * entry_bytes(config);
}

void hpcap_dedup_init(struct hpcap_dedup *dedup, const struct hpcap_dedup_config *config, void *memory)
{
	dedup->config = *config;
	dedup->window_ns = config->window_us * 1000ull;
	dedup->entry_bytes = entry_bytes(config);
	dedup->place_mask = config->entries / config->pools - 1;
	dedup->entries = memory;
}

static __u32 word_at(const __u8 *data)
{
	__u32 word;

	memcpy(&word, data, sizeof(word));
	return word;
}

static __u64 mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 32;
}

static __u64 mix_ports(__u64 hash, __u8 protocol, const __u8 *data, __u32 left)
{
	const __u8 tcp = 6, udp = 17, sctp = 132;

	if ((protocol == tcp || protocol == udp || protocol == sctp) && left >= PORTS_BYTES)
		return mix(hash, word_at(data));
	return hash;
}

static __u64 hash_ipv4(const __u8 *data, __u32 left)
{
	__u32 header = (data[0] & 15) * 4u;
	bool fragment = (data[6] & 0x1f) | data[7];
	__u64 hash = mix(data[9], (__u64)word_at(data + 12) << 32 | word_at(data + 16));

	if (fragment || header < IPV4_BYTES_MIN || header > left)
		return hash;
	return mix_ports(hash, data[9], data + header, left - header);
}

static __u64 hash_ipv6(const __u8 *data, __u32 left)
{
	__u64 hash = data[6];
	unsigned int at;

	for (at = 8; at < IPV6_BYTES; at += 8)
		hash = mix(hash, (__u64)word_at(data + at) << 32 | word_at(data + at + 4));
	return mix_ports(hash, data[6], data + IPV6_BYTES, left - IPV6_BYTES);
}

__u32 hpcap_flow_hash(const __u8 *data, __u32 length)
{
	__u32 at = ETHERNET_TYPE_AT;
	__u32 type = 0;

	for (; at + 2 <= length; at += VLAN_TAG_BYTES) {
		type = (__u32)data[at] << 8 | data[at + 1];
		if (type != 0x8100 && type != 0x88a8)
			break;
	}
	at += 2;
	if (type == 0x0800 && length >= at + IPV4_BYTES_MIN)
		return (__u32)hash_ipv4(data + at, length - at);
	if (type == 0x86dd && length >= at + IPV6_BYTES)
		return (__u32)hash_ipv6(data + at, length - at);
	if (length < ETHERNET_TYPE_AT)
		return type;
	return (__u32)mix(mix(type, word_at(data)), (__u64)word_at(data + 4) << 32 | word_at(data + 8));
}

static __u32 compared_bytes(const struct hpcap_dedup *dedup, __u32 length)
{
	return length < dedup->config.bytes ? length : dedup->config.bytes;
}

bool hpcap_dedup_seen(const struct hpcap_dedup *dedup, const struct hpcap_dedup_key *key,
		      struct hpcap_dedup_entry **oldest)
{
	struct hpcap_dedup_entry *entry = hpcap_dedup_place(dedup, key->hash);
	bool seen = false;
	__u32 i;

	*oldest = entry;
	for (i = 0; i < dedup->config.pools; i++) {
		if (entry->ns < (*oldest)->ns)
			*oldest = entry;
		if (entry->hash == key->hash && entry->length == key->length && entry->vlan_tci == key->vlan_tci &&
		    key->ns - entry->ns <= dedup->window_ns &&
		    memcmp(entry->data, key->data, compared_bytes(dedup, key->length)) == 0)
			seen = true;
		entry = (struct hpcap_dedup_entry *)((__u8 *)entry + dedup->entry_bytes);
	}
	return seen;
}

void hpcap_dedup_remember(const struct hpcap_dedup *dedup, const struct hpcap_dedup_key *key,
			  struct hpcap_dedup_entry *entry)
{
	entry->ns = key->ns;
	entry->hash = key->hash;
	entry->length = (__u16)key->length;
	entry->vlan_tci = key->vlan_tci;
	core_copy(entry->data, key->data, compared_bytes(dedup, key->length));
}
