# shellcheck shell=bash disable=SC1091
# SPDX-License-Identifier: GPL-2.0-or-later
# A virtual function of an emulated 82576: all frames of the wire that are for it, dedup at run time, abuse.
. /test/lib.sh
load ring_mib=4
take_vf
is "$(cat "$VF/hpcapvf/state")" up
is "$(cat "$VF/hpcapvf/dedup")" off
is "$(cat "$VF/hpcapvf/family")" 82576
# what igb answers an untrusted function, and what that is worth
is "$(cat "$VF/hpcapvf/promiscuous")" refused
is "$(cat "$VF/hpcapvf/allmulti")" granted
ip link set "$PORT" up
becomes 1 "$VF/hpcapvf/link"
sent_is_captured "$PORT" "$NODE" 0 2000
account_of "$VF/hpcapvf"
# frames of several descriptors: on the border of a buffer, and of an MTU of 9000
log_has "frames up to 9724 bytes"
ip link set "$PF_PORT" mtu 9000
ip link set "$PORT" mtu 9000
becomes 1 "$VF/hpcapvf/link"
for bytes in 2044 2045 2048 2049 4096 9014; do
	sent_is_captured "$PORT" "$NODE" 0 100 $bytes
done
account_of "$VF/hpcapvf"
is "$(cat "$VF/hpcapvf/errors")" 0
# the same frames again: duplicates, once they are looked for (of one flow, so they share one place)
echo 1024 64 10000000 70 >"$VF/hpcapvf/dedup"
is "$(cat "$VF/hpcapvf/dedup")" "1024 64 10000000 70"
sent_is_captured "$PORT" "$NODE" 5000 60
cat "$NODE" >/dev/null &
becomes 1 "$VF/hpcapvf/listeners"
send_frames "$PORT" 5000 60 0 0 200
becomes 60 "$VF/hpcapvf/duplicates"
account_of "$VF/hpcapvf"
kill $!
becomes 0 "$VF/hpcapvf/listeners"
echo off >"$VF/hpcapvf/dedup"
for wrong in "1000 1 1 70" "1024" "x" "1024 1 1000 70 9" "1024 3 1 70"; do
	! (echo "$wrong" >"$VF/hpcapvf/dedup") 2>/dev/null || fail "dedup took '$wrong'"
done
send_frames "$PORT" 0 100000 60 0 2000 &
sender=$!
abuse "$NODE"
kill "$sender"
# asked for less
for mode in allmulti:"not asked":granted addressed:"not asked":"not asked"; do
	IFS=: read -r wish promiscuous allmulti <<<"$mode"
	rmmod hpcapvf
	load ring_mib=4 receive="$wish" caplen=100
	bind_vf
	is "$(cat "$VF/hpcapvf/receive")" "$wish"
	is "$(cat "$VF/hpcapvf/promiscuous")" "$promiscuous"
	is "$(cat "$VF/hpcapvf/allmulti")" "$allmulti"
done
becomes 1 "$VF/hpcapvf/link"
CAPLEN=100 sent_is_captured "$PORT" "$NODE" 0 300
CAPLEN=100 sent_is_captured "$PORT" "$NODE" 0 100 1514
CAPLEN=100 sent_is_captured "$PORT" "$NODE" 0 100 9014
for name in "$VF"/hpcapvf/*; do
	echo "${name##*/}: $(cat "$name")"
done
