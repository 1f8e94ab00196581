#!/bin/sh
# The root of the small virtual machine that drives the model of a virtual function (tests/vf_model). Never booted from
# a disk: its QEMU runs on the machine, its kernel with a small initial RAM disk, and the rest is shared by 9p.
set -eu
root=$1

# vfio-user-pci is in QEMU from 10.1 on, the release has 10.0. Its firmware comes from the same place.
sed -n 's/ trixie / trixie-backports /p' "$root/etc/apt/sources.list" >"$root/etc/apt/sources.list.d/backports.list"
chroot "$root" apt-get -q update
chroot "$root" apt-get -q install -y --no-install-recommends -t trixie-backports qemu-system-x86 seabios
rm -f "$root/usr/sbin/policy-rc.d"
mkdir -p "$root/build"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb
