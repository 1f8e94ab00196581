#!/bin/sh
# The lab's guest: boots fast, is provisioned by cloud-init from a NoCloud disk.
set -eu
root=$1

printf 'hpcapvf-guest\n' >"$root/etc/hostname"
cat >"$root/etc/cloud/cloud.cfg" <<'EOF'
# Only what a probe's provisioning uses: every module costs a second in an emulated guest.
datasource_list: [NoCloud, None]
disable_root: false
ssh_pwauth: false
network: {config: disabled}
manage_etc_hosts: false
cloud_init_modules: [seed_random, write_files, set_hostname, users_groups, ssh]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts_per_boot, scripts_user, final_message]
system_info:
  distro: debian
  default_user:
    name: debian
    lock_passwd: true
    gecos: Debian
    groups: [adm, sudo]
    shell: /bin/bash
  paths: {cloud_dir: /var/lib/cloud/, templates_dir: /etc/cloud/templates/}
ssh_deletekeys: false
ssh_genkeytypes: [ed25519]
EOF

# A user without a password, as cloud-init makes them, may log in by key only where PAM decides about accounts.
sed -i '/^UsePAM no$/d' "$root/etc/ssh/sshd_config.d/10-hpcapvf-lab.conf"

# Its clock follows the server's, at the server's address in libvirt's own network; no name server is asked.
sed -i '/^pool /d' "$root/etc/chrony/chrony.conf"
printf 'server 192.168.122.1 iburst minpoll 4 maxpoll 6\n' >"$root/etc/chrony/sources.d/hpcapvf-lab.sources"
