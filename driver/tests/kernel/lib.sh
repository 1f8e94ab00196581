# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the cases share.
trap 'echo "failed: ${BASH_SOURCE[0]}:$LINENO: $BASH_COMMAND"' ERR
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
set -E
PF=$(echo /sys/bus/pci/drivers/igb/0000:*)
PF_PORT=$(ls "$PF/net")
export PORT NODE HERE SENDER
PORT=$(ls /sys/bus/virtio/drivers/virtio_net/virtio*/net)	# the other end of the PF's wire

fail() {
	echo "failed: $*"
	return 1
}

# Words of the kernel since the last call of forget_log.
forget_log() {
	dmesg --clear
}
log_has() {
	dmesg | grep -q -- "$1" || fail "the log lacks: $1"
}

is() {
	[ "$1" = "$2" ] || fail "it is '$1', expected '$2'"
}

# What the result tells.
say() {
	echo "FACT $*"
}

# Five minutes of the machine's time at most: on a busy host it may pass several times faster than the host's.
wait_until() {
	local end=$((SECONDS + 300))
	while ((SECONDS < end)); do
		"$@" && return
		sleep 0.1
	done
	fail "never: $*"
}
# The same for a word in what a program says, and not beyond the program's end: says WORD LOG PROCESS
said_or_ended() {
	grep -q "$1" "$2" || ! kill -0 "$3" 2>/dev/null
}
says() {
	wait_until said_or_ended "$@" || true
	grep -q "$1" "$2" || { cat "$2"; fail "it does not say '$1'"; }
}

# A file that is to hold a value: reads VALUE FILE
reads() {
	[ "$(cat "$2")" = "$1" ]
}
becomes() {
	wait_until reads "$1" "$2" || fail "$2 is $(cat "$2"), expected $1"
}

link_is_up() {
	grep -q 1 "/sys/class/net/$1/carrier" 2>/dev/null
}

# Words, or several in one.
load() {
	# shellcheck disable=SC2048,SC2086
	insmod /test/hpcapvf.ko $*
}

# A virtual function of the igb card, on the module that is loaded: VF is its folder, HERE that of its counters.
take_vf() {
	make_vfs
	bind_vf
}
make_vfs() {
	ip link set "$PF_PORT" up
	ip link set "$PORT" up
	wait_until link_is_up "$PF_PORT"
	[ "$(cat "$PF/sriov_numvfs")" = 0 ] || echo 0 >"$PF/sriov_numvfs"
	echo 0 >"$PF/sriov_drivers_autoprobe"
	echo 2 >"$PF/sriov_numvfs"
	VF=$(readlink -f "$PF/virtfn0")
	HERE=$VF/hpcapvf
}
bind_vf() {
	echo hpcapvf >"$VF/driver_override"
	echo "${VF##*/}" >/sys/bus/pci/drivers_probe
	[ -d "$HERE" ] || fail "hpcapvf did not take the virtual function"
	NODE=/dev/$(value node)
	[ -c "$NODE" ] || fail "no $NODE"
}
value() {
	cat "$HERE/$1"
}
more_than() {	# COUNTER VALUE
	[ "$(value "$1")" -gt "$2" ]
}

# Frames for the virtual function until SENDER is killed: start_traffic [PAUSE_US]
start_traffic() {
	send_frames "$PORT" 0 1000000000 200 0 "${1:-1000}" &
	SENDER=$!
}
# The equation, once the sender pauses: separate reads of sysfs are no snapshot.
check_account() {
	kill -STOP "$SENDER"
	sleep 1
	account_of "$HERE"
	kill -CONT "$SENDER"
}

# Frames received = the sum of what became of them; $1: folder of the counters.
account_of() {
	local sum=0 name
	for name in published duplicates ring_full_drops no_listener_drops errors; do
		sum=$((sum + $(cat "$1/$name")))
	done
	is "$(cat "$1/received")" "$sum"
}

# Between frames on the emulated wire, which drops what comes too fast; a veth does not.
pause_us_on() {
	[[ $1 == wire* ]] && echo 0 || echo 200
}

# Sends frames while a listener checks each of them: [CAPLEN=] sent_is_captured PORT NODE FIRST COUNT [BYTES [TCI]]
sent_is_captured() {
	local port=$1 node=$2 listener log=/tmp/expected.$1
	shift 2
	rm -f "$log"	# an earlier one says "ready", too
	expect_frames "$node" "$1" "$2" "${3:-0}" "${4:-0}" "${CAPLEN:-0}" >"$log" 2>&1 &
	listener=$!
	says ready "$log" $listener
	send_frames "$port" "$1" "$2" "${3:-0}" "${4:-0}" "$(pause_us_on "$port")"
	wait $listener || { cat "$log"; fail "$port to $node: $*"; }
}
