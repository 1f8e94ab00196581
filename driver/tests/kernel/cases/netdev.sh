# shellcheck shell=bash disable=SC1091
# SPDX-License-Identifier: GPL-2.0-or-later
# Network devices that keep their driver: veth, virtio-net and igb, at load and at run time.
. /test/lib.sh
PARAMETER=/sys/module/hpcapvf/parameters/interfaces

captures() {
	echo "$1" >$PARAMETER
}
offloads_of() {
	ethtool -k "$1" | grep -E '^(generic-receive-offload|large-receive-offload|rx-vlan-offload|rx-vlan-filter):'
}
settings_of() {
	offloads_of "$1"
	ip -details link show "$1" | grep -oE 'promiscuity [0-9]*|allmulti [0-9]*|<[^>]*>'
}

ip link add probe0 type veth peer name wire0
ip link add probe1 type veth peer name wire1
ip link set wire0 up
ip link set wire1 up
ip link set "$PF_PORT" up
ip link set "$PORT" up
settings_of probe0 >before0
settings_of "$PORT" >before1
offloads_of "$PF_PORT" >before2

load ring_mib=4 interfaces="probe0,$PORT"
is "$(cat $PARAMETER)" "probe0,$PORT"
[ -c /dev/hpcap_probe0_0 ] || fail "no node"
[ -c "/dev/hpcap_${PORT}_0" ] || fail "no node"
HERE=/sys/class/net/probe0/hpcapvf
is "$(cat $HERE/family)" netdev
is "$(cat $HERE/promiscuous)" granted
is "$(cat $HERE/interface)" probe0
offloads_of probe0 | grep generic | grep -q off || fail "GRO is on"
ip -details link show probe0 | grep -q 'promiscuity 1' || fail "not promiscuous"
becomes 1 $HERE/link

sent_is_captured wire0 /dev/hpcap_probe0_0 0 2000
wait_until link_is_up "$PF_PORT"
sent_is_captured "$PF_PORT" "/dev/hpcap_${PORT}_0" 0 1000
account_of $HERE
account_of "/sys/class/net/$PORT/hpcapvf"

# tags stay, and are counted
sent_is_captured wire0 /dev/hpcap_probe0_0 0 100 0 0x6123
[ "$(cat $HERE/vlan_reinserted)" -ge 100 ] || fail "no tags put back"
# jumbo frames
ip link set wire0 mtu 9000
ip link set probe0 mtu 9000
sent_is_captured wire0 /dev/hpcap_probe0_0 0 200 9014
account_of $HERE

# the set is what was written last
captures "probe0,probe1"
is "$(cat $PARAMETER)" "probe0,probe1"
[ ! -e "/dev/hpcap_${PORT}_0" ] || fail "a node too many"
settings_of "$PORT" | diff - before1
becomes 1 /sys/class/net/probe1/hpcapvf/link
sent_is_captured wire1 /dev/hpcap_probe1_0 0 500 &
second=$!
sent_is_captured wire0 /dev/hpcap_probe0_0 0 500
wait $second

# refused, with the reason in the log; what is captured stays
refused() {
	forget_log
	! captures "probe0,probe1,$1" 2>/dev/null || fail "$1 was taken"
	log_has "$2"
	is "$(cat $PARAMETER)" "probe0,probe1"
}
refused nosuch0 "no network device nosuch0"
refused lo "no Ethernet device"
ip link add link "$PORT" name tagged0 type vlan id 5
refused "$PORT" "on top of it"
ip link del tagged0
ip address add 192.0.2.1/24 dev "$PORT"
refused "$PORT" "IP address"
ip address del 192.0.2.1/24 dev "$PORT"
! ip link add link probe0 name tagged0 type vlan id 5 2>/dev/null || fail "a VLAN on a captured device"

# an igb port, whose driver strips tags and filters VLANs
captures "$PF_PORT,probe0,probe1"
becomes 1 "/sys/class/net/$PF_PORT/hpcapvf/link"
frames_arrive() {	# the card is being set up anew
	send_frames "$PORT" 0 1
	[ "$(cat "/sys/class/net/$PF_PORT/hpcapvf/received")" -gt 20 ]
}
wait_until frames_arrive
sent_is_captured "$PORT" "/dev/hpcap_${PF_PORT}_0" 0 500 0 0x7
sent_is_captured "$PORT" "/dev/hpcap_${PF_PORT}_0" 0 500
account_of "/sys/class/net/$PF_PORT/hpcapvf"
captures "probe0,probe1"
offloads_of "$PF_PORT" | diff - before2

# down and up again: it resumes
ip link set probe0 down
becomes 0 $HERE/link
ip link set probe0 up
becomes 1 $HERE/link
sent_is_captured wire0 /dev/hpcap_probe0_0 0 500

# the device goes away in mid-capture: the reader is told, the other goes on, nothing hangs
(timeout 20 expect_frames /dev/hpcap_probe1_0 0 5 >gone 2>&1 || echo "status $?" >>gone) &
wait_until grep -q ready gone
ip link del wire1
wait_until grep -q "No such device" gone
wait_until grep -q "status 1" gone
wait_until reads probe0 $PARAMETER
sent_is_captured wire0 /dev/hpcap_probe0_0 0 500

# unloaded with a device captured: all is as it was
ip link set wire0 mtu 1500
ip link set probe0 mtu 1500
ip link set probe0 down
captures ""
captures probe0
rmmod hpcapvf
settings_of probe0 | diff - before0
ip link del wire0

# a queue that is short for how long the thread sleeps: what is lost before the ring is counted as just that
ip link add probe0 type veth peer name wire0
ip link set wire0 up
load ring_mib=4 interfaces=probe0 rx_descriptors=64 idle_max_us=100000
becomes 1 $HERE/link
cat /dev/hpcap_probe0_0 >/dev/null &
becomes 1 $HERE/listeners
sleep 1
send_frames wire0 0 20000 60
accounted() {
	[ $(($(cat $HERE/received) + $(cat $HERE/queue_full_drops))) = 20000 ]
}
wait_until accounted
account_of $HERE
echo "of 20000 at once: $(cat $HERE/queue_full_drops) lost before the ring"
[ "$(cat $HERE/queue_full_drops)" -gt 0 ] || fail "nothing was lost: this tests nothing"
