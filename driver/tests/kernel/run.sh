#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Boots a kernel with the module in a small emulated machine and runs the cases there; see README.md.
set -eu
here=$(dirname "$(readlink -f "$0")")
folder=$1
shift
: "${ROOT:=/}" "${RELEASE:=$(uname -r)}"
: "${KERNEL:=${ROOT%/}/boot/vmlinuz-$RELEASE}" "${MODULES:=${ROOT%/}/usr/lib/modules/$RELEASE}"
: "${QEMU:=qemu-system-x86_64}" "${MEMORY_MIB:=640}" "${SECONDS_MAX:=900}" "${CASES:=}"
export ROOT MODULES WANTED="igb virtio_net veth 8021q"

mkdir -p "$folder"
"$here/pack.sh" "$folder" "$here"/init "$here"/lib.sh "$here"/cases/*.sh "$@"
log=$folder/console.log
# The card and the plain port are on one hub: what one of them sends, the other receives. An emulated MWAIT never sleeps.
# Of an Intel CPU as new as this the kernel takes the time-stamp counter to be steady.
# shellcheck disable=SC2086 # QEMU holds words
timeout "$SECONDS_MAX" $QEMU -nodefaults -no-user-config -display none -no-reboot \
	-machine q35 -accel tcg -cpu max,-monitor,vendor=GenuineIntel,family=6,model=94 -smp 1 -m "$MEMORY_MIB" \
	-kernel "$KERNEL" -initrd "$folder/initramfs" \
	-append "console=ttyS0 quiet mitigations=off ipv6.disable=1 panic=-1 oops=panic cases=${CASES// /,}" \
	-chardev "file,id=console,path=$log" -serial chardev:console \
	-netdev hubport,id=wire0,hubid=1 -device pcie-root-port,id=port0,chassis=1,slot=1 \
	-device igb,netdev=wire0,bus=port0,mac=02:48:50:56:46:00,romfile= \
	-netdev hubport,id=wire1,hubid=1 -device virtio-net-pci,netdev=wire1,mac=02:48:50:56:46:f1,romfile= </dev/null ||
	echo "the machine ended with $? (124: after $SECONDS_MAX s)" >&2

grep -a '^KERNEL-TEST' "$log" | tr -d '\r'
if grep -aE 'BUG|Oops|WARNING|Call Trace|general protection|KASAN|UBSAN|possible recursive|kmemleak|hung task|refcount_t' "$log"; then
	echo "the kernel complained: see $log" >&2
	exit 1
fi
grep -aq '^KERNEL-TESTS passed' "$log" || { echo "not passed: see $log" >&2; exit 1; }
