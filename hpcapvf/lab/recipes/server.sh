#!/bin/sh
# The emulated hypervisor host.
set -eu
root=$1

printf 'hpcapvf-server\n' >"$root/etc/hostname"
mkdir -p "$root/var/lib/hpcapvf/images" "$root/var/lib/hpcapvf/driver"
printf 'LABEL=hpcapvf-media /var/lib/hpcapvf/images ext4 ro,nofail,x-systemd.device-timeout=300s 0 0\n' >>"$root/etc/fstab"
printf 'options kvm_amd nested=1\n' >"$root/etc/modprobe.d/hpcapvf-lab.conf"

# libvirt's own NAT network, for the management ports of guests.
mkdir -p "$root/etc/libvirt/qemu/networks/autostart"
ln -sf ../default.xml "$root/etc/libvirt/qemu/networks/autostart/default.xml"
chroot "$root" systemctl enable libvirtd.service
chroot "$root" systemctl mask libvirt-guests.service

# The guests' clocks follow this machine's, for an emulated processor gives them no clock of KVM. It follows nobody's.
sed -i '/^pool /d' "$root/etc/chrony/chrony.conf"
printf 'local stratum 10\nallow 192.168.122.0/24\n' >"$root/etc/chrony/conf.d/hpcapvf-lab.conf"
