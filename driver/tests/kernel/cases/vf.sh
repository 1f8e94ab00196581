# shellcheck shell=bash disable=SC1091
# SPDX-License-Identifier: GPL-2.0-or-later
# A virtual function of an emulated 82576: all frames of the wire that are for it, dedup at run time.
. /test/lib.sh
load ring_mib=4
take_vf
is "$(cat "$HERE/state")" up
is "$(cat "$HERE/dedup")" off
is "$(cat "$HERE/family")" 82576
# what igb answers an untrusted function, and what that is worth
is "$(cat "$HERE/promiscuous")" refused
is "$(cat "$HERE/allmulti")" granted
becomes 1 "$HERE/link"
sent_is_captured "$PORT" "$NODE" 0 2000
account_of "$HERE"
# frames of several descriptors: on the border of a buffer, and of an MTU of 9000
log_has "frames up to 9724 bytes"
ip link set "$PF_PORT" mtu 9000
ip link set "$PORT" mtu 9000
becomes 1 "$HERE/link"
for bytes in 2044 2045 2048 2049 4096 9014; do
	sent_is_captured "$PORT" "$NODE" 0 100 $bytes
done
account_of "$HERE"
is "$(cat "$HERE/errors")" 0
# the same frames again: duplicates, once they are looked for (of one flow, so they share one place)
echo 1024 64 10000000 70 >"$HERE/dedup"
is "$(cat "$HERE/dedup")" "1024 64 10000000 70"
sent_is_captured "$PORT" "$NODE" 5000 60
cat "$NODE" >/dev/null &
becomes 1 "$HERE/listeners"
send_frames "$PORT" 5000 60 0 0 200
becomes 60 "$HERE/duplicates"
account_of "$HERE"
kill $!
becomes 0 "$HERE/listeners"
echo off >"$HERE/dedup"
for wrong in "1000 1 1 70" "1024" "x" "1024 1 1000 70 9" "1024 3 1 70"; do
	! (echo "$wrong" >"$HERE/dedup") 2>/dev/null || fail "dedup took '$wrong'"
done
# whoever looks takes no place, from any user
line=$(setpriv --reuid 65534 --regid 65534 --clear-groups /test/hpcapstat --json -i 100 -c 1 "$NODE")
[[ $line == *"\"received\":$(cat "$HERE/received"),"* ]] || fail "hpcapstat says $line"
is "$(cat "$HERE/listeners")" 0
# asked for less
for mode in allmulti:"not asked":granted addressed:"not asked":"not asked"; do
	IFS=: read -r wish promiscuous allmulti <<<"$mode"
	rmmod hpcapvf
	load ring_mib=4 receive="$wish" caplen=100
	bind_vf
	is "$(cat "$HERE/receive")" "$wish"
	is "$(cat "$HERE/promiscuous")" "$promiscuous"
	is "$(cat "$HERE/allmulti")" "$allmulti"
done
becomes 1 "$HERE/link"
CAPLEN=100 sent_is_captured "$PORT" "$NODE" 0 300
CAPLEN=100 sent_is_captured "$PORT" "$NODE" 0 100 1514
CAPLEN=100 sent_is_captured "$PORT" "$NODE" 0 100 9014
for name in "$HERE"/*; do
	echo "${name##*/}: $(cat "$name")"
done
# another function of the same name is refused, which leaves no thread; the first captures on
threads() {
	cat /proc/[0-9]*/comm 2>/dev/null | grep -c '^hpcap_same' || true
}
rmmod hpcapvf
load ring_mib=1 name=same
bind_vf
is "$(threads)" 1
OTHER=$(readlink -f "$PF/virtfn1")
forget_log
echo hpcapvf >"$OTHER/driver_override"
echo "${OTHER##*/}" >/sys/bus/pci/drivers_probe || true
[ ! -e "$OTHER/driver" ] || fail "a second device of one name"
log_has "is .name. used by another device"
is "$(threads)" 1
becomes 1 "$HERE/link"
sent_is_captured "$PORT" "$NODE" 0 300
