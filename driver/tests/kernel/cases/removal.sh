# shellcheck shell=bash disable=SC1091
# SPDX-License-Identifier: GPL-2.0-or-later
# VFs are removed in mid-capture: the reader ends with "the device is gone" (exit code 5), and new VFs work.
. /test/lib.sh
load ring_mib=1
for _ in 1 2 3 4 5; do
	take_vf
	start_traffic
	hpcapdd "$NODE" null >out 2>&1 &
	reader=$!
	wait_until more_than published 100
	echo 0 >"$PF/sriov_numvfs"
	code=0
	wait "$reader" || code=$?
	say reader_ended_with "$code" "$(grep -v frames out | head -n 1)"
	is "$code" 5
	[ ! -e "$NODE" ] || fail "$NODE is still there"
	kill "$SENDER"
done
rmmod hpcapvf
