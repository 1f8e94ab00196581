#!/bin/busybox sh
# shellcheck shell=dash
# The first process of the virtual machine. Its root is the shared one; steps come by the second serial port.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir /host
while read -r module; do
	insmod "/modules/$module.ko"
done </modules/order
mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=262144,cache=loose root /host
mount -t tmpfs tmp /host/tmp
mkdir /host/tmp/share
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 share /host/tmp/share
mount -t proc proc /host/proc
mount -t sysfs sys /host/sys
mount -t devtmpfs dev /host/dev
mount -t tmpfs run /host/run
mkdir -p /host/dev/hugepages
mount -t hugetlbfs huge /host/dev/hugepages
# Open for good: the last close of a serial port throws away what has arrived.
exec 3<>/dev/ttyS1
stty raw -echo <&3
echo ready >&3
while read -r step <&3; do
	chroot /host /bin/sh /tmp/share/step.sh >/host/tmp/share/output 2>&1 </dev/null 3<&-
	echo "$step $?" >&3
done
poweroff -f
