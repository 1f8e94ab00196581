# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
# Load, take a VF, open it, give it back, unload: 200 times. What the kernel holds in slabs must not grow with it.
load_card
unreclaimable() {
	sed -n 's/^SUnreclaim: *\([0-9]*\) kB/\1/p' /proc/meminfo
}
done_cycles=0
before=0
while [ "$done_cycles" -lt 200 ]; do
	take_vf
	dd if="$DEVICE" bs=4096 count=1 iflag=nonblock of=/dev/null 2>/dev/null || true
	rmmod hpcapvf
	[ ! -e "$DEVICE" ] || fail "$DEVICE is still there"
	done_cycles=$((done_cycles + 1))
	[ "$done_cycles" -ne 20 ] || before=$(unreclaimable)
done
after=$(unreclaimable)
say cycles "$done_cycles"
say slab_growth_kib_in_180_cycles $((after - before))
[ $((after - before)) -lt 2048 ] || fail "the kernel's slabs grew by $((after - before)) KiB"
