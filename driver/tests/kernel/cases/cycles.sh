# shellcheck shell=bash disable=SC1091
# SPDX-License-Identifier: GPL-2.0-or-later
# Load, take a VF, open it, give it back, unload: 200 times. What the kernel holds in slabs must not grow with it.
. /test/lib.sh
unreclaimable() {
	sed -n 's/^SUnreclaim: *\([0-9]*\) kB/\1/p' /proc/meminfo
}
make_vfs
before=0
for ((done_cycles = 1; done_cycles <= 200; done_cycles++)); do
	load ring_mib=1
	bind_vf
	dd if="$NODE" bs=4096 count=1 iflag=nonblock of=/dev/null 2>/dev/null || true
	rmmod hpcapvf
	[ ! -e "$NODE" ] || fail "$NODE is still there"
	[ $done_cycles != 20 ] || before=$(unreclaimable)
done
growth=$(($(unreclaimable) - before))
say cycles $((done_cycles - 1))
say slab_growth_kib_in_180_cycles $growth
[ $growth -lt 2048 ] || fail "the kernel's slabs grew by $growth KiB"
