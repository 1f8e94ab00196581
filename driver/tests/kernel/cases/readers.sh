# shellcheck shell=bash disable=SC1091
# SPDX-License-Identifier: GPL-2.0-or-later
# Readers come, are killed in mid-capture and go: every place comes back, others do not notice, the account holds.
. /test/lib.sh
load ring_mib=1
take_vf
start_traffic
hpcapdd "$NODE" null --status steady >steady.out 2>&1 &
steady=$!
wait_until more_than published 100
for ((killed = 0; killed < 20; killed++)); do
	pids=()
	for _ in 1 2 3 4 5 6 7; do
		hpcapdd "$NODE" null >/dev/null 2>&1 &
		pids+=($!)
	done
	wait_until reads 8 "$HERE/listeners"
	sleep 1
	kill -KILL "${pids[@]}"
	for pid in "${pids[@]}"; do
		wait "$pid" 2>/dev/null || is $? 137
	done
	becomes 1 "$HERE/listeners"
done
check_account
kill -TERM "$steady"
wait "$steady" || fail "the reader that nobody killed ended with an error: $(cat steady.out)"
say rounds_of_7_killed_readers "$killed"
say "$(head -n 1 steady.out)"
[ "$(value ring_full_drops)" = 0 ] || say ring_full_drops "$(value ring_full_drops)"
kill "$SENDER"
rmmod hpcapvf
