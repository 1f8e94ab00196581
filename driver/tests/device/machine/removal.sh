# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
# VFs are removed in mid-capture: the reader ends with "the device is gone" (exit code 5), and new VFs work.
load_card
take_vf
for _ in 1 2 3 4 5; do
	start_traffic
	hpcapdd "$DEVICE" null >/tmp/out 2>&1 &
	reader=$!
	wait_for 20 more_than published 100
	echo 0 >"$PF/sriov_numvfs"
	code=0
	wait "$reader" || code=$?
	say reader_ended_with "$code" "$(grep -v frames /tmp/out | head -n 1)"
	[ "$code" -eq 5 ] || fail "exit code $code: $(cat /tmp/out)"
	kill "$SENDER"
	make_vfs
	bind_vf
done
rmmod hpcapvf
