# shellcheck shell=bash disable=SC1091
# SPDX-License-Identifier: GPL-2.0-or-later
# Wrong use by root and by a member of the group hpcap who is nobody else; one who is no member is not let in.
. /test/lib.sh
HPCAP=990
as() {	# USER GROUP COMMAND...
	setpriv --reuid "$1" --regid "$1" --groups "$2" --inh-caps=-all --bounding-set=-all "${@:3}"
}
load ring_mib=4
take_vf
# no udev here: what its rule does
chgrp $HPCAP "$NODE"
chmod 640 "$NODE"
start_traffic 2000
! as 1001 1001 dd if="$NODE" of=/dev/null bs=16 count=1 2>refused || fail "an outsider may read"
grep -q 'Permission denied' refused || fail "$(cat refused)"
abuse "$NODE"
for _ in 1 2 3; do
	as 1000 $HPCAP abuse "$NODE"
done
say abused_as_member 3
for name in ring_mib dedup; do
	! as 1000 $HPCAP bash -c "echo 1 >$HERE/$name" 2>refused || fail "a member may write $name"
	grep -q 'Permission denied' refused || fail "$(cat refused)"
done
check_account
kill "$SENDER"
rmmod hpcapvf
