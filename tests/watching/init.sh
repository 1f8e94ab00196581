#!/bin/busybox sh
# shellcheck shell=dash
# The first process of a watched VM. Its root is in memory; lines of shell come by the port "steps", each with a name.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do
	insmod "/modules/$module.ko"
done </modules/order
mkdir /run/ports
for port in /sys/class/virtio-ports/*; do
	ln -s "/dev/${port##*/}" "/run/ports/$(cat "$port/name")"
done
interface=$(ls /sys/bus/pci/drivers/igbvf/0*/net)
ip link set "$interface" name lan0
ip link set lo up
exec 3<>/run/ports/steps
while :; do
	# without a reader at the other end there is nothing to read at once
	if read -r name script <&3; then
		output=$(timeout -s KILL 60 sh -c "$script" 2>&1 3<&-)
		status=$?
		# shellcheck disable=SC2086
		echo "$name $status" $output >&3
	else
		sleep 1
	fi
done
