#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An initramfs of a few programs, a few modules of a kernel, and what is to be tested.
#
#   pack.sh FOLDER FILE...      makes FOLDER/initramfs from FILEs (into /test) and, from the environment:
#     ROOT      root file system that programs come from: / or an unpacked distribution
#     MODULES   folder with the kernel's modules and their modules.dep
#     WANTED    names of modules that are loaded before the tests
set -eu
folder=$1
shift
tree=$folder/tree
root=${ROOT:?}
root=${root%/}
PROGRAMS="bash cat chmod cmp cp cut dd diff dmesg env ethtool grep head insmod ip ln ls mkdir mkfifo mount mv readlink rm rmmod sed sleep \
	sort stat sync tail timeout tr true umount uname wc"

# The root's own loader: its programs may be newer than this machine's libraries.
libraries_of() {
	"$root/lib64/ld-linux-x86-64.so.2" --library-path "$root/usr/lib/x86_64-linux-gnu" --list "$1" | grep -o '/[^ ]*\.so[^ ]*'
}

put_libraries() {
	for library in $(libraries_of "$1"); do
		[ -e "$tree/lib/${library##*/}" ] || cp -L "$library" "$tree/lib/"
	done
}

put_program() {
	for place in usr/bin usr/sbin; do
		if [ -e "$root/$place/$1" ]; then
			cp -L "$root/$place/$1" "$tree/bin/$1"
			put_libraries "$tree/bin/$1"
			return
		fi
	done
	echo "pack.sh: $root has no program $1" >&2
	exit 1
}

# modules.dep lists what a module needs in the order of unloading.
put_module() {
	local line file
	line=$(grep -E "/$1\.ko[^:/]*:" "$MODULES/modules.dep") || return 0	# built in
	for file in $(tr -d : <<<"$line" | tr ' ' '\n' | sed '1!G;h;$!d'); do
		[ -e "$tree/modules/${file##*/}" ] && continue
		cp "$MODULES/$file" "$tree/modules/"
		echo "${file##*/}" >>"$tree/modules/order"
	done
}

rm -rf "$tree"
mkdir -p "$tree"/{bin,dev,lib,modules,proc,sys,test,tmp,run}
ln -s lib "$tree/lib64"
ln -s . "$tree/usr"
cp -L "$root/lib64/ld-linux-x86-64.so.2" "$tree/lib/"
for program in $PROGRAMS; do
	put_program "$program"
done
: >"$tree/modules/order"
for module in $WANTED; do
	put_module "$module"
done
cp "$@" "$tree/test/"
for file in "$tree"/test/*; do
	if [ "$(head -c 4 "$file" | tr -d '\0')" = $'\x7fELF' ] && [ "${file##*.}" != ko ]; then
		put_libraries "$file"
	fi
done
ln -s test/init "$tree/init"
cpio=$root/usr/bin/cpio
(cd "$tree" && find . | "$root/lib64/ld-linux-x86-64.so.2" --library-path "$root/usr/lib/x86_64-linux-gnu" "$cpio" \
	--quiet --create --format=newc --owner=0:0) >"$folder/initramfs"
rm -rf "$tree"
