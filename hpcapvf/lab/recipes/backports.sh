#!/bin/sh
# Runs outside the new root file system (its path is $1) before its packages: some of them come from backports, as the
# file preferences beside this script says.
set -eu
root=$1

list=$root/etc/apt/sources.list
sed -n 's/^\(deb .*\) \([a-z]*\) main$/\1 \2-backports main/p' "$list" | head -n 1 >"$list.d/backports.list"
cp "${0%/*}/preferences" "$root/etc/apt/preferences.d/backports"
APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -qq update
