# shellcheck shell=bash disable=SC1091
# SPDX-License-Identifier: GPL-2.0-or-later
# A ring of 4.5 GiB, full beyond 4 GiB while its listener sleeps; that one then reads all of it, and across the ring's end.
. /test/lib.sh
HERE=/sys/class/net/probe0/hpcapvf
NODE=/dev/hpcap_probe0_0
GIB=$((1 << 30))
BYTES=32000
RECORD=$((BYTES + 12))
BATCH=1000
UNREAD=$((17 * GIB / 4 / RECORD))
ALL=$((5 * GIB / RECORD))

# As many at once as the queue of a network device holds, then wait until they are in the ring.
send_paced() {	# FIRST COUNT
	local number end=$(($1 + $2))
	for ((number = $1; number < end; number += BATCH)); do
		send_frames wire0 $number $((end - number < BATCH ? end - number : BATCH)) $BYTES
		becomes $((end - number < BATCH ? end : number + BATCH)) $HERE/published
	done
}

ip link add probe0 type veth peer name wire0
ip link set wire0 mtu $BYTES up
ip link set probe0 mtu $BYTES
load ring_mib=4608 interfaces=probe0
becomes 1 $HERE/link
expect_frames $NODE 0 $ALL $BYTES >expected 2>&1 &
listener=$!
says ready expected $listener
kill -STOP $listener
send_paced 0 $UNREAD
is "$(value published_bytes)" $((UNREAD * BYTES))
say unread_bytes $((UNREAD * RECORD))
[ $((UNREAD * RECORD)) -gt $((4 * GIB)) ] || fail "less than 4 GiB"
# a mapping that begins below 4 GiB and ends above, one that lies wholly above, and one below 1 GiB
for mib in 4096 4200 1000; do
	found=$(read_window $NODE $BYTES $mib) # by itself: a failure within the words of another command is not one
	say "window at $mib MiB: $found"
done
is "$(value ring_held_bytes)" $((UNREAD * RECORD))
kill -CONT $listener
has_room() {
	[ "$(value ring_held_bytes)" -lt $GIB ]
}
wait_until has_room
send_paced $UNREAD $((ALL - UNREAD))
wait $listener || { cat expected; false; }
say "read: $(tail -n 1 expected)"
is "$(value ring_full_drops)" 0
account_of $HERE
rmmod hpcapvf
