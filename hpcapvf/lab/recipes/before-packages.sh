#!/bin/sh
# Runs outside the new root file system (its path is $1) before the kernel is installed: what its installation reads.
set -eu
root=$1

# The lab's disks are virtio. A list keeps the initial RAM disk small, and a small one boots fast under emulation.
mkdir -p "$root/etc/initramfs-tools/conf.d" "$root/etc/initramfs-tools/hooks"
printf 'MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=3\n' >"$root/etc/initramfs-tools/conf.d/hpcapvf-lab"
cat >"$root/etc/initramfs-tools/hooks/hpcapvf-lab" <<'EOF'
#!/bin/sh
if [ "$1" = prereqs ]; then
	echo mdadm udev
	exit 0
fi
. /usr/share/initramfs-tools/hook-functions
manual_add_modules virtio_pci virtio_blk ext4
# The root file system is never on a RAID, and naming hardware can wait until it is mounted.
rm -rf "$DESTDIR/usr/lib/udev/hwdb.bin" "$DESTDIR"/usr/lib/modules/*/kernel/drivers/md \
	"$DESTDIR"/usr/lib/modules/*/kernel/crypto/async_tx "$DESTDIR"/usr/lib/modules/*/kernel/lib/raid6 \
	"$DESTDIR"/usr/lib/modules/*/kernel/crypto/xor.ko "$DESTDIR/usr/sbin/mdadm" "$DESTDIR/usr/sbin/mdmon" \
	"$DESTDIR"/scripts/local-block/mdadm "$DESTDIR"/scripts/local-bottom/mdadm
EOF
chmod 755 "$root/etc/initramfs-tools/hooks/hpcapvf-lab"

# Unpacking a kernel module costs an emulated CPU up to a second: what a lab really loads is unpacked once, here.
# The number in the name puts it before the initial RAM disk is made.
mkdir -p "$root/etc/kernel/postinst.d"
cat >"$root/etc/kernel/postinst.d/00-hpcapvf-unpack-modules" <<'EOF'
#!/bin/sh
set -eu
cd "/lib/modules/$1/kernel"
for part in arch/x86 virt drivers/vfio drivers/net/ethernet/intel/igb drivers/net/ethernet/intel/igbvf drivers/net/tun.ko.xz \
	drivers/net/virtio_net.ko.xz drivers/net/net_failover.ko.xz net drivers/scsi drivers/ata drivers/md drivers/block \
	drivers/nvme drivers/virtio drivers/dca drivers/i2c/algos drivers/crypto/ccp drivers/char/hw_random fs/xfs fs/ext4 \
	crypto lib; do
	[ ! -e "$part" ] || find "$part" -name '*.ko.xz' -exec unxz {} +
done
depmod "$1"
EOF
chmod 755 "$root/etc/kernel/postinst.d/00-hpcapvf-unpack-modules"

# A guest's RAID must not be assembled by whoever sees its disks next: assembling is always asked for. The file
# exists before mdadm is installed because the initial RAM disk takes a copy.
mkdir -p "$root/etc/mdadm"
printf 'AUTO -all\n' >"$root/etc/mdadm/mdadm.conf"

# Nothing may start while packages are configured.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
