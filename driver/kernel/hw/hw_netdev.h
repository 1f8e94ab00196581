/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HPCAPVF_HW_NETDEV_H
#define HPCAPVF_HW_NETDEV_H

#include "hw/hw.h"

/* The family of devices that keep their driver; hw->netdev is set before allocate. */
extern const struct hw_ops hw_netdev_ops;

/* What captures this device, or NULL; stays so while RTNL is held, and while the device shows our attributes. */
struct hw *hw_netdev_find(const struct net_device *netdev);

/* With RTNL held: takes no more frames and puts the device's settings back. Again: nothing. */
void hw_netdev_detach(struct hw *hw);

/* false: detach was called, perhaps because the device went away. */
bool hw_netdev_attached(const struct hw *hw);

#endif /* HPCAPVF_HW_NETDEV_H */
