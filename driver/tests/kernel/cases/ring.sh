# shellcheck shell=bash disable=SC1091
# SPDX-License-Identifier: GPL-2.0-or-later
# The ring's size at run time, and huge pages of a program as the ring.
. /test/lib.sh
HERE=/sys/class/net/probe0/hpcapvf
HUGE=/proc/sys/vm/nr_hugepages
ENOMEM=12
free_pages() {
	sed -n 's/^HugePages_Free: *//p' /proc/meminfo
}
all_free() {
	[ "$(free_pages)" = "$(cat $HUGE)" ]
}

ip link add probe0 type veth peer name wire0
ip link set wire0 up
load ring_mib=1 interfaces=probe0
becomes 1 $HERE/link
is "$(cat $HERE/ring_mib)" 1
# 1000 frames are less than any of these rings, however late the reader is
for mib in 8 1 3; do
	echo $mib >$HERE/ring_mib
	is "$(cat $HERE/ring_mib)" $mib
	for first in 0 1000 2000; do
		sent_is_captured wire0 /dev/hpcap_probe0_0 $first 1000
	done
done
for wrong in 0 65537 -1 x ""; do
	! (echo "$wrong" >$HERE/ring_mib) 2>/dev/null || fail "ring_mib took '$wrong'"
done
! (echo 60000 >$HERE/ring_mib) 2>/dev/null || fail "a ring without memory"
# a listener holds it
cat /dev/hpcap_probe0_0 >/dev/null &
reader=$!
becomes 1 $HERE/listeners
# for want of a free ring, before any memory is asked for
for mib in 2 60000; do
	! (echo $mib >$HERE/ring_mib) 2>refused || fail "changed under a listener"
	grep -q busy refused || { cat refused; fail "refused $mib for another reason"; }
done
kill $reader
becomes 0 $HERE/listeners
is "$(cat $HERE/ring_mib)" 3

echo 20 >$HUGE
[ "$(cat $HUGE)" -ge 10 ] || fail "no huge pages"
all_free || fail "huge pages in use"
# Pinned pages count against the limit of who lacks CAP_IPC_LOCK: lend_limited KIB
lend_limited() {
	(ulimit -l "$1" && exec setpriv --bounding-set -ipc_lock lend_memory /dev/hpcap_probe0_0 16) </dev/null >lender 2>&1
}
! lend_limited 16383 || fail "pinned more than RLIMIT_MEMLOCK"
grep -q "hpcapvf_lend_memory(capture, huge, bytes).*$ENOMEM" lender || { cat lender; fail "refused for another reason"; }
is "$(cat $HERE/ring_mib)" 3
wait_until all_free
lend_limited 16384 || { cat lender; fail "refused what the limit allows"; }
wait_until all_free
mkfifo to_lender
lend_memory /dev/hpcap_probe0_0 16 <to_lender >lender 2>&1 &
lender=$!
exec 9>to_lender
says lent lender $lender
is "$(cat $HERE/ring_mib)" 16
! (echo 2 >$HERE/ring_mib) 2>/dev/null || fail "changed although it is lent"
sent_is_captured wire0 /dev/hpcap_probe0_0 0 3000
echo >&9
says 'read 3[0-9][0-9][0-9]' lender $lender
# the lender dies while another reads: the memory stays until that one went, too
expect_frames /dev/hpcap_probe0_0 0 2000 >expected 2>&1 &
other=$!
says ready expected $other
kill -KILL $lender
becomes 1 $HERE/listeners
is "$(cat $HERE/ring_mib)" 16
send_frames wire0 0 2000
wait $other || { cat expected; false; }
becomes 3 $HERE/ring_mib
wait_until all_free
sent_is_captured wire0 /dev/hpcap_probe0_0 0 1000
account_of $HERE
exec 9>&-

# the device goes away while its ring is lent
sleep 1000 >to_lender &
rm lender
lend_memory /dev/hpcap_probe0_0 16 <to_lender >lender 2>&1 &
lender=$!
says lent lender $lender
ip link del wire0
wait_until [ ! -e /dev/hpcap_probe0_0 ]
kill -KILL $lender
wait_until all_free
echo 0 >$HUGE
