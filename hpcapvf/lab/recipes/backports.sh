#!/bin/sh
# Runs outside the new root file system (its path is $1) before its packages: kernel and headers come from backports.
set -eu
root=$1

list=$root/etc/apt/sources.list
sed -n 's/^\(deb .*\) \([a-z]*\) main$/\1 \2-backports main/p' "$list" | head -n 1 >"$list.d/backports.list"
printf 'Package: linux-*\nPin: release a=*-backports\nPin-Priority: 990\n' >"$root/etc/apt/preferences.d/backports"
APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -qq update
