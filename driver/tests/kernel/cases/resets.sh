# shellcheck shell=bash disable=SC1091
# SPDX-License-Identifier: GPL-2.0-or-later
# The PF goes down and up, the VF is reset, in mid-capture: capturing goes on each time, in the same open file.
. /test/lib.sh
load ring_mib=1
take_vf
start_traffic
hpcapdd "$NODE" null >out 2>&1 &
reader=$!
goes_on() {
	becomes up "$HERE/state"
	wait_until more_than published $(($(value published) + 50))
}
goes_on
for ((turn = 1; turn <= 5; turn++)); do
	ip link set "$PF_PORT" down
	sleep 1
	ip link set "$PF_PORT" up
	goes_on
	[ "$(value resets)" -ge $turn ] || fail "PF down and up $turn times, the driver saw $(value resets) resets"
done
say pf_down_and_up 5
seen=$(value resets)
for ((turn = 1; turn <= 5; turn++)); do
	echo 1 >"$VF/reset"
	goes_on
	[ "$(value resets)" -ge $((seen + turn)) ] || fail "VF reset $turn times, the driver saw $(($(value resets) - seen))"
done
say vf_resets 5
say resets_that_the_driver_saw "$(value resets)"
check_account
kill -TERM "$reader"
wait "$reader" || fail "the reader ended with an error: $(cat out)"
kill "$SENDER"
rmmod hpcapvf
