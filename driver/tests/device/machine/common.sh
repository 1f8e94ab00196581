# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
# Stands before every stage: a card whose PF the kernel drives, and VFs for hpcapvf.
# shellcheck disable=SC2034 # used by the stages

load_card() {
	while read -r name; do
		insmod "/modules/$name.ko"
	done </modules/order
	PF=$(echo /sys/bus/pci/drivers/igb/0000:*)
	IFACE=$(ls "$PF/net")
	ip link set "$IFACE" up
	make_vfs
}

make_vfs() {
	echo 2 >"$PF/sriov_numvfs"
	VF=$(basename "$(readlink "$PF/virtfn0")")
	HERE=/sys/bus/pci/devices/$VF/hpcapvf
}

bind_vf() {
	echo hpcapvf >"/sys/bus/pci/devices/$VF/driver_override"
	echo "$VF" >/sys/bus/pci/drivers_probe
	[ -d "$HERE" ] || fail "$VF is not bound to hpcapvf"
	DEVICE=/dev/$(cat "$HERE/node")
	[ -c "$DEVICE" ] || fail "no $DEVICE"
}

take_vf() { # words: module parameters
	insmod /modules/hpcapvf.ko ring_mib=1 "$@"
	bind_vf
}

fail() {
	echo "FAILED: $*"
	exit 1
}

say() {
	echo "FACT $*"
}

value() {
	cat "$HERE/$1"
}

start_traffic() {
	sender "$IFACE" "$(value mac)" 0 1000 &
	SENDER=$!
}

wait_for() { # seconds, then a command that shall succeed
	left=$1
	shift
	until "$@"; do
		left=$((left - 1))
		[ "$left" -gt 0 ] || fail "not in time: $*"
		sleep 1
	done
}

more_than() { # counter, value
	[ "$(value "$1")" -gt "$2" ]
}

is_up() {
	[ "$(value state)" = up ]
}

# The equation, once the sender pauses: separate reads of sysfs are no snapshot.
check_account() {
	kill -STOP "$SENDER"
	sleep 1
	received=$(value received)
	sum=$(($(value published) + $(value duplicates) + $(value ring_full_drops) + $(value no_listener_drops) + $(value errors)))
	kill -CONT "$SENDER"
	[ "$received" -eq "$sum" ] || fail "received $received, accounted for $sum"
}
