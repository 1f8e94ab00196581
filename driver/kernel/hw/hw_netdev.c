// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any Ethernet device of the kernel, whatever drives it: its frames come through the kernel's receive path.
 *
 * They are taken by an rx_handler, as a bridge takes them, and not by a packet_type, as tcpdump does: what the
 * handler consumes goes no further, so the kernel neither works on the frames nor answers them, and no second
 * owner has the buffers. Its price: one handler a device, and the device is lost to the network stack meanwhile.
 * Before the handler the kernel takes VLAN tags out, serves packet sockets and tc, and gives the frames of a VLAN
 * that has a device of its own to that (net/core/dev.c, __netif_receive_skb_core); so devices with something on
 * top are refused.
 *
 * Softirqs of all CPUs put frames into one bounded queue, which the polling thread empties.
 */
#include "hw/hw_netdev.h"

#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/if_vlan.h>
#include <linux/inetdevice.h>
#include <linux/rtnetlink.h>
#include <linux/skb_array.h>
#include <linux/slab.h>

#include "compat.h"
#include "main/parameters.h"

#define HELD_MAX 64

/* What makes frames other than they were on the wire, or keeps some back. */
#define UNWANTED_FEATURES                                                                                        \
	(NETIF_F_GRO | NETIF_F_GRO_HW | NETIF_F_LRO | NETIF_F_RXFCS | NETIF_F_HW_VLAN_CTAG_RX | NETIF_F_HW_VLAN_STAG_RX | \
	 NETIF_F_HW_VLAN_CTAG_FILTER | NETIF_F_HW_VLAN_STAG_FILTER)

struct netdev_source {
	struct hw *hw;
	struct skb_array queue;
	struct sk_buff *held[HELD_MAX];	/* taken from the queue, not released yet */
	unsigned int held_count;
	atomic64_t dropped;
	atomic64_t dropped_bytes;

	/* under RTNL: what is to be put back */
	bool attached;
	bool promiscuous;
	bool allmulti;
	bool opened;
	netdev_features_t features;
};

static struct netdev_source *source_of(const struct hw *hw)
{
	return hw->private;
}

static void drop(struct netdev_source *source, struct sk_buff *skb, u32 bytes)
{
	atomic64_inc(&source->dropped);
	atomic64_add(bytes, &source->dropped_bytes);
	kfree_skb(skb);
}

static u32 wire_bytes(const struct sk_buff *skb)
{
	return skb->len + (skb_vlan_tag_present(skb) ? VLAN_HLEN : 0);
}

static void enqueue(struct netdev_source *source, struct sk_buff *skb)
{
	/* who sent it from this machine shall not wait for us */
	skb_orphan(skb);
	if (skb_array_produce(&source->queue, skb))
		drop(source, skb, wire_bytes(skb));
}

/* Devices without a wire pass on what a segmenting card would have sent as several frames. */
static void enqueue_segments(struct netdev_source *source, struct sk_buff *skb)
{
	struct sk_buff *segments = __skb_gso_segment(skb, 0, false), *segment, *next;

	if (IS_ERR_OR_NULL(segments)) {
		drop(source, skb, wire_bytes(skb));
		return;
	}
	consume_skb(skb);
	skb_list_walk_safe(segments, segment, next) {
		skb_mark_not_on_list(segment);
		enqueue(source, segment);
	}
}

static rx_handler_result_t take_frame(struct sk_buff **pointer)
{
	struct netdev_source *source = rcu_dereference((*pointer)->dev->rx_handler_data);
	struct sk_buff *skb = *pointer;
	u32 bytes;

	if (unlikely(skb->pkt_type == PACKET_LOOPBACK))
		return RX_HANDLER_PASS;
	bytes = wire_bytes(skb) + ETH_HLEN;
	skb = skb_share_check(skb, GFP_ATOMIC);
	if (skb) {
		__skb_push(skb, (unsigned int)(skb->data - skb_mac_header(skb)));
		/* the capture core puts back tags of 802.1Q only */
		if (skb_vlan_tag_present(skb) && skb->vlan_proto != htons(ETH_P_8021Q))
			skb = __vlan_hwaccel_push_inside(skb);
	}
	if (!skb)
		drop(source, NULL, bytes);
	else if (unlikely(skb_is_gso(skb)))
		enqueue_segments(source, skb);
	else
		enqueue(source, skb);
	return RX_HANDLER_CONSUMED;
}

static void describe(struct sk_buff *skb, struct hpcap_arrival *frame)
{
	bool whole = skb_linearize(skb) == 0;

	/* a sum that a card was to fill in */
	if (whole && skb->ip_summed == CHECKSUM_PARTIAL)
		whole = skb_checksum_help(skb) == 0;
	frame->data = skb->data;
	frame->ahead = NULL;
	frame->length = skb->len;
	frame->hash = skb->hash;
	frame->flags = skb->hash && !skb->sw_hash ? HPCAP_ARRIVAL_HASH : 0;
	frame->vlan_tci = skb_vlan_tag_present(skb) ? skb_vlan_tag_get(skb) : 0;
	if (!whole || skb->len < ETH_HLEN)
		frame->flags |= HPCAP_ARRIVAL_ERROR;
	else if (skb_vlan_tag_present(skb))
		frame->flags |= HPCAP_ARRIVAL_VLAN_STRIPPED;
}

static void count_drops(struct hw *hw)
{
	hw->queue_full_drops = atomic64_read(&source_of(hw)->dropped);
	hw->queue_full_bytes = atomic64_read(&source_of(hw)->dropped_bytes);
}

static unsigned int receive_netdev(struct hw *hw, unsigned int queue, struct hpcap_arrival *frames, unsigned int max)
{
	struct netdev_source *source = source_of(hw);
	unsigned int i;
	int count;

	count = skb_array_consume_batched(&source->queue, source->held, (int)min_t(unsigned int, max, HELD_MAX));
	source->held_count = (unsigned int)count;
	for (i = 0; i < source->held_count; i++)
		describe(source->held[i], &frames[i]);
	count_drops(hw);
	return source->held_count;
}

static void release_netdev(struct hw *hw, unsigned int queue, bool all)
{
	struct netdev_source *source = source_of(hw);

	while (source->held_count)
		consume_skb(source->held[--source->held_count]);
}

static void free_netdev_source(struct hw *hw)
{
	struct netdev_source *source = source_of(hw);

	if (!source)
		return;
	skb_array_cleanup(&source->queue);
	kfree(source);
	hw->private = NULL;
}

static int allocate_netdev(struct hw *hw, unsigned int descriptors)
{
	struct netdev_source *source = kzalloc(sizeof(*source), GFP_KERNEL);

	if (!source)
		return -ENOMEM;
	if (skb_array_init(&source->queue, (int)descriptors, GFP_KERNEL)) {
		kfree(source);
		return -ENOMEM;
	}
	source->hw = hw;
	hw->queues = 1;
	hw->private = source;
	return 0;
}

static bool has_address(const struct net_device *netdev)
{
	const struct in_device *ip = __in_dev_get_rtnl(netdev);

	return ip && rtnl_dereference(ip->ifa_list);
}

/* NULL, or why a device must not be captured. */
static const char *refusal(struct net_device *netdev)
{
	if (netdev->reg_state != NETREG_REGISTERED)
		return "it is going away";
	if (netdev->type != ARPHRD_ETHER || netdev->flags & IFF_LOOPBACK)
		return "it is no Ethernet device";
	if (netdev_has_any_upper_dev(netdev))
		return "a VLAN, bridge or bond is on top of it";
	if (has_address(netdev))
		return "it has an IP address, which capturing would cut off";
	if (rtnl_dereference(netdev->rx_handler))
		return "something else takes its frames";
	return NULL;
}

static void set_features(struct net_device *netdev, netdev_features_t off, netdev_features_t on)
{
	netdev->wanted_features = (netdev->wanted_features & ~off) | on;
	netdev_update_features(netdev);
}

void hw_netdev_detach(struct hw *hw)
{
	struct netdev_source *source = source_of(hw);
	struct net_device *netdev = hw->netdev;

	ASSERT_RTNL();
	if (!source || !source->attached)
		return;
	netdev_rx_handler_unregister(netdev);	/* waits until no CPU is in it */
	if (source->promiscuous)
		dev_set_promiscuity(netdev, -1);
	if (source->allmulti)
		dev_set_allmulti(netdev, -1);
	if (source->features)
		set_features(netdev, 0, source->features);
	if (source->opened && netdev->flags & IFF_UP)
		dev_close(netdev);
	WRITE_ONCE(hw->link, false);
	WRITE_ONCE(source->attached, false);
}

/* Everything that is changed is noted, so that detach puts it back after a failure as well. */
static int change_settings(struct hw *hw)
{
	struct netdev_source *source = source_of(hw);
	struct net_device *netdev = hw->netdev;
	int error = 0;

	source->features = netdev->wanted_features & UNWANTED_FEATURES;
	if (source->features)
		set_features(netdev, source->features, 0);
	if (netdev->features & (NETIF_F_LRO | NETIF_F_GRO_HW))
		netdev_warn(netdev, "goes on joining frames (%pNF): they are taken apart again\n", &netdev->features);
	if (parameters.receive == RECEIVE_PROMISCUOUS) {
		error = dev_set_promiscuity(netdev, 1);
		source->promiscuous = !error;
		hw->promiscuous = error ? HW_REFUSED : HW_GRANTED;
	}
	if (!error && parameters.receive != RECEIVE_ADDRESSED) {
		error = dev_set_allmulti(netdev, 1);
		source->allmulti = !error;
		hw->allmulti = error ? HW_REFUSED : HW_GRANTED;
	}
	if (!error && !(netdev->flags & IFF_UP)) {
		error = dev_open(netdev, NULL);
		source->opened = !error;
	}
	return error;
}

static int attach(struct hw *hw)
{
	struct netdev_source *source = source_of(hw);
	struct net_device *netdev = hw->netdev;
	const char *reason = refusal(netdev);
	int error;

	if (reason) {
		netdev_err(netdev, "not captured: %s\n", reason);
		return -EBUSY;
	}
	error = netdev_rx_handler_register(netdev, take_frame, source);
	if (error)
		return error;
	source->attached = true;
	error = change_settings(hw);
	if (error) {
		netdev_err(netdev, "not captured: error %d from its driver\n", error);
		hw_netdev_detach(hw);
		return error;
	}
	ether_addr_copy(hw->mac, netdev->dev_addr);
	hw->frame_bytes_max = netdev->mtu + VLAN_ETH_HLEN;
	hw->link = netif_carrier_ok(netdev);
	return 0;
}

static int bring_up_netdev(struct hw *hw)
{
	int error;

	rtnl_lock();
	error = attach(hw);
	rtnl_unlock();
	return error;
}

static void shut_down_netdev(struct hw *hw)
{
	rtnl_lock();
	hw_netdev_detach(hw);
	rtnl_unlock();
}

static int watch_netdev(struct hw *hw)
{
	struct netdev_source *source = source_of(hw);

	WRITE_ONCE(hw->link, READ_ONCE(source->attached) && netif_running(hw->netdev) && netif_carrier_ok(hw->netdev));
	count_drops(hw);
	return 0;
}

struct hw *hw_netdev_find(const struct net_device *netdev)
{
	struct hw *hw = NULL;

	rcu_read_lock();
	if (rcu_dereference(netdev->rx_handler) == take_frame)
		hw = ((struct netdev_source *)rcu_dereference(netdev->rx_handler_data))->hw;
	rcu_read_unlock();
	return hw;
}

bool hw_netdev_attached(const struct hw *hw)
{
	return READ_ONCE(source_of(hw)->attached);
}

const struct hw_ops hw_netdev_ops = {
	.family = "netdev",
	.allocate = allocate_netdev,
	.free = free_netdev_source,
	.bring_up = bring_up_netdev,
	.shut_down = shut_down_netdev,
	.watch = watch_netdev,
	.receive = receive_netdev,
	.release = release_netdev,
};
