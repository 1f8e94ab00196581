# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
# Readers come, are killed in mid-capture and go: every place comes back, others do not notice, the account holds.
load_card
take_vf
start_traffic
hpcapdd "$DEVICE" null --status /tmp/steady >/tmp/steady.out 2>&1 &
steady=$!
wait_for 20 more_than published 100
killed=0
while [ "$killed" -lt 20 ]; do
	pids=""
	for _ in 1 2 3 4 5 6 7; do
		hpcapdd "$DEVICE" null >/dev/null 2>&1 &
		pids="$pids $!"
	done
	sleep 1
	for pid in $pids; do
		kill -KILL "$pid"
	done
	for pid in $pids; do
		wait "$pid" || true
	done
	only_steady() { [ "$(value listeners)" -eq 1 ]; }
	wait_for 10 only_steady
	killed=$((killed + 1))
done
check_account
kill -TERM "$steady"
wait "$steady" || fail "the reader that nobody killed ended with an error: $(cat /tmp/steady.out)"
say rounds_of_7_killed_readers "$killed"
say "$(head -n 1 /tmp/steady.out)"
[ "$(value ring_full_drops)" -eq 0 ] || say ring_full_drops "$(value ring_full_drops)"
kill "$SENDER"
rmmod hpcapvf
