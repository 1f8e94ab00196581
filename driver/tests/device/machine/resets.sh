# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
# The PF goes down and up, the VF is reset, in mid-capture: capturing goes on each time, in the same open file.
load_card
take_vf
start_traffic
hpcapdd "$DEVICE" null >/tmp/out 2>&1 &
reader=$!
goes_on() {
	wait_for 60 is_up
	seen=$(value published)
	wait_for 60 more_than published "$((seen + 50))"
}
goes_on
for _ in 1 2 3 4 5; do
	ip link set "$IFACE" down
	sleep 1
	ip link set "$IFACE" up
	goes_on
done
say pf_down_and_up 5
for _ in 1 2 3 4 5; do
	echo 1 >"/sys/bus/pci/devices/$VF/reset"
	goes_on
done
say vf_resets 5
say resets_that_the_driver_saw "$(value resets)"
[ "$(value resets)" -ge 5 ] || fail "the driver saw $(value resets) resets"
check_account
kill -TERM "$reader"
wait "$reader" || fail "the reader ended with an error: $(cat /tmp/out)"
kill "$SENDER"
rmmod hpcapvf
