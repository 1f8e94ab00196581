#!/bin/sh
# What server and guest have in common: a disk that boots by itself, ssh, and a management port.
set -eu
root=$1

rm -f "$root/usr/sbin/policy-rc.d"
: >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id" "$root"/etc/ssh/ssh_host_*
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/log/*.log
printf 'LABEL=hpcapvf-root / ext4 defaults,noatime,errors=remount-ro 0 1\n' >"$root/etc/fstab"
printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"

# GRUB finds its modules where grub-install would have put them.
mkdir -p "$root/boot/grub/i386-pc"
cp "$root"/usr/lib/grub/i386-pc/*.mod "$root"/usr/lib/grub/i386-pc/*.lst "$root/boot/grub/i386-pc/"

# Only the management port is configured: a port under test must never be touched.
mkdir -p "$root/etc/systemd/network"
cat >"$root/etc/systemd/network/10-management.network" <<'EOF'
[Match]
Driver=virtio_net

[Network]
DHCP=ipv4
LinkLocalAddressing=no
IPv6AcceptRA=no

[DHCPv4]
ClientIdentifier=mac
EOF
chroot "$root" systemctl enable systemd-networkd.service
chroot "$root" systemctl disable systemd-networkd-wait-online.service 2>/dev/null || true

# One quick host key per machine, made at its first start.
cat >"$root/etc/systemd/system/ssh-host-key.service" <<'EOF'
[Unit]
Description=Make the ssh host key of this machine
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
Before=ssh.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key

[Install]
WantedBy=multi-user.target
EOF
chroot "$root" systemctl enable ssh-host-key.service ssh.service
chroot "$root" systemctl mask sshd-keygen.service
mkdir -p "$root/etc/ssh/sshd_config.d"
cat >"$root/etc/ssh/sshd_config.d/10-hpcapvf-lab.conf" <<'EOF'
HostKey /etc/ssh/ssh_host_ed25519_key
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
UsePAM no
MaxSessions 50
MaxStartups 50:30:100
EOF

# Work that an emulated machine of a few minutes' life has no use for.
for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer dpkg-db-backup.timer \
	e2scrub_reap.service mdcheck_start.timer mdcheck_continue.timer mdmonitor-oneshot.timer grub-common.service \
	systemd-binfmt.service proc-sys-fs-binfmt_misc.automount nvmf-autoconnect.service \
	nvmefc-boot-connections.service modprobe@drm.service; do
	chroot "$root" systemctl mask "$unit"
done
ln -sf /dev/null "$root/etc/udev/rules.d/70-nvmf-autoconnect.rules"
touch "$root/etc/.updated" "$root/var/.updated"
