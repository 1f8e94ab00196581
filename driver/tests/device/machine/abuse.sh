# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
# Wrong use by a member of the group hpcap who is nobody else; one who is no member is not let in.
load_card
take_vf
# no udev here: what its rule does
chgrp hpcap "$DEVICE"
chmod 640 "$DEVICE"
start_traffic
su outsider -c "dd if=$DEVICE of=/dev/null bs=16 count=1" 2>/tmp/refused && fail "an outsider may read"
grep -q 'Permission denied' /tmp/refused || fail "$(cat /tmp/refused)"
for _ in 1 2 3; do
	su member -c "abuse $DEVICE"
done
check_account
kill "$SENDER"
rmmod hpcapvf
say abused_as_member 3
