#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs in the machine that has the virtual function, as root: gives it to one capture engine after the other.
#
#   engines.sh take ENGINE     the function's driver, and what stays while captures come and go
#   engines.sh start ENGINE    begin to capture into $DIRECTORY; returns when frames would be captured
#   engines.sh stop ENGINE     end it; one JSON object: what is in the files, and what driver and program counted
#   engines.sh leave ENGINE    end what stays; the function has no driver then
#   engines.sh facts           versions and processors, as JSON
#
# ENGINE: hpcapvf (hpcapvf.ko and hpcapdd), tcpdump (igbvf and tcpdump), dpdk (testpmd and dpdk-dumpcap),
# counter (hpcapvf.ko that nobody listens to).
#
# From the environment: VF, its PCI address. DIRECTORY, an empty folder on the disk to store on. MODULE, hpcapvf.ko.
# TOOLS, the folder of hpcapdd and count_numbered. POLL_CPU takes frames from the card, WRITE_CPU writes them away.
set -eu

verb=$1
engine=${2:-}
STATE=${STATE:-/run/comparison}
DEVICE=/sys/bus/pci/devices/$VF
OWN=$DEVICE/hpcapvf
# The same for all: descriptors of the card, memory between card and disk.
DESCRIPTORS=4096
BUFFER_MIB=8
mkdir -p "$STATE"

fail() {
	echo "engines.sh $verb $engine: $*" >&2
	tail -n 15 "$STATE"/*.log >&2 2>/dev/null || true
	exit 1
}

wait_for() { # seconds, then a command that shall succeed
	latest=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt "$latest" ] || fail "not in time: $*"
		sleep 0.2
	done
}

unbind() {
	[ ! -e "$DEVICE/driver" ] || echo "$VF" >"$DEVICE/driver/unbind"
}

bind() { # driver
	unbind
	echo "$1" >"$DEVICE/driver_override"
	echo "$VF" >/sys/bus/pci/drivers_probe
	[ "$(basename "$(readlink -f "$DEVICE/driver")")" = "$1" ] || fail "$VF does not go to $1: $(dmesg | tail -n 3)"
}

remember() { # name, process
	echo "$2" >"$STATE/$1.pid"
}

runs() { # name
	kill -0 "$(cat "$STATE/$1.pid")" 2>/dev/null
}

ended() {
	! runs "$1"
}

end() { # name, signal, seconds
	kill -"$2" "$(cat "$STATE/$1.pid")" 2>/dev/null || true
	wait_for "$3" ended "$1"
}

says() { # name, words in its log
	grep -q "$2" "$STATE/$1.log"
}

# A program that is there, and says so; one that has ended instead will not.
wait_word() { # name, words, seconds
	latest=$(($(date +%s) + $3))
	until says "$1" "$2"; do
		if [ "$(date +%s)" -ge "$latest" ] || ! runs "$1"; then
			fail "$1 does not say '$2'"
		fi
		sleep 0.2
	done
}

is() { # file, value
	[ "$(cat "$1" 2>/dev/null)" = "$2" ]
}

# Until a counter stood still for a second.
settle() { # command that prints it
	last=none
	left=60
	while now=$("$@"); [ "$now" != "$last" ]; do
		last=$now
		left=$((left - 1))
		[ "$left" -gt 0 ] || break
		sleep 1
	done
}

count_files() { # kind
	find "$DIRECTORY" -type f -print0 | xargs -0 "$TOOLS/count_numbered" "$1"
}

empty_directory() {
	find "$DIRECTORY" -mindepth 1 -delete
}

# --- hpcapvf, counter ----------------------------------------------------------------------------------------

take_hpcapvf() {
	[ ! -d /sys/module/hpcapvf ] || rmmod hpcapvf
	insmod "$MODULE" "ring_mib=$BUFFER_MIB" "rx_descriptors=$DESCRIPTORS" "cpu=$POLL_CPU"
	bind hpcapvf
	wait_for 30 is "$OWN/link" 1
}

received() {
	cat "$OWN/received"
}

start_hpcapvf() {
	node=/dev/$(cat "$OWN/node")
	"$TOOLS/hpcapdd" "$node" "$DIRECTORY" --json --cpu "$WRITE_CPU" >"$STATE/writer.out" 2>"$STATE/writer.log" &
	remember writer $!
	wait_for 30 is "$OWN/listeners" 1
}

stop_hpcapvf() {
	settle received
	end writer TERM 120
	printf '{"files": %s, "program": %s}\n' "$(count_files raw)" "$(cat "$STATE/writer.out")"
}

leave_hpcapvf() {
	unbind
	rmmod hpcapvf
}

start_counter() {
	received >"$STATE/before"
}

stop_counter() {
	settle received
	printf '{"counted": %d}\n' "$(($(received) - $(cat "$STATE/before")))"
}

# --- igbvf and tcpdump ---------------------------------------------------------------------------------------

interface() {
	ls "$DEVICE/net"
}

take_tcpdump() {
	modprobe igbvf
	bind igbvf
	wait_for 10 test -d "$DEVICE/net"
	name=$(interface)
	[ ! -e "/proc/sys/net/ipv6/conf/$name/disable_ipv6" ] || echo 1 >"/proc/sys/net/ipv6/conf/$name/disable_ipv6"
	ethtool -G "$name" rx "$DESCRIPTORS" >/dev/null
	ip link set "$name" up
	wait_for 60 is "/sys/class/net/$name/carrier" 1
	for entry in "$DEVICE"/msi_irqs/*; do
		echo "$POLL_CPU" >"/proc/irq/$(basename "$entry")/smp_affinity_list" 2>/dev/null || true
	done
}

packets() {
	cat "/sys/class/net/$(interface)/statistics/rx_packets"
}

start_tcpdump() {
	packets >"$STATE/before"
	taskset -c "$WRITE_CPU" tcpdump -n -p -s 0 -B "$((BUFFER_MIB * 1024))" -Z root -i "$(interface)" \
		-w "$DIRECTORY/capture.pcap" 2>"$STATE/writer.log" &
	remember writer $!
	wait_word writer 'listening on' 60
}

number_before() { # words
	sed -n "s/^\([0-9]*\) packets* $1.*/\1/p" "$STATE/writer.log"
}

stop_tcpdump() {
	settle packets
	end writer INT 120
	printf '{"files": %s, "driver": {"rx_packets": %d}, "program": {"captured": %d, "dropped_by_kernel": %d}}\n' \
		"$(count_files pcap)" "$(($(packets) - $(cat "$STATE/before")))" \
		"$(number_before captured)" "$(number_before 'dropped by kernel')"
}

leave_tcpdump() {
	ip link set "$(interface)" down
	unbind
	modprobe -r igbvf
}

# --- DPDK ----------------------------------------------------------------------------------------------------

# Debian's kernel has no VFIO without an IOMMU, which a guest lacks; this driver maps the card all the same.
take_dpdk() {
	cat /proc/sys/vm/nr_hugepages >"$STATE/hugepages"
	echo 128 >/proc/sys/vm/nr_hugepages
	[ "$(cat /proc/sys/vm/nr_hugepages)" -ge 112 ] || fail "no 112 hugepages are to be had"
	mkdir -p /dev/hugepages
	grep -q ' /dev/hugepages ' /proc/mounts || mount -t hugetlbfs huge /dev/hugepages
	modprobe uio_pci_generic
	bind uio_pci_generic
	# it ends when its standard input does
	mkfifo "$STATE/typed" 2>/dev/null || true
	sleep 100000 >"$STATE/typed" &
	remember typist $!
	stdbuf -oL dpdk-testpmd --lcores "0@$WRITE_CPU,1@$POLL_CPU" --main-lcore 0 --iova-mode=pa --no-telemetry -a "$VF" -- \
		--forward-mode=rxonly --auto-start --rxd="$DESCRIPTORS" --txd=128 --total-num-mbufs=16384 --no-mlockall \
		--interactive <"$STATE/typed" >"$STATE/primary.log" 2>&1 &
	remember primary $!
	wait_word primary 'packet forwarding - ports=1' 180
}

start_dpdk() {
	stdbuf -oL -eL dpdk-dumpcap -q --lcore="$WRITE_CPU" -i 0 -N 4096 -w "$DIRECTORY/capture.pcapng" >"$STATE/writer.log" 2>&1 &
	remember writer $!
	wait_word writer 'Capturing on' 120
}

written() {
	stat -c %s "$DIRECTORY/capture.pcapng" 2>/dev/null || echo 0
}

stop_dpdk() {
	settle written
	end writer INT 120
	printf '{"files": %s, "program": {"said": "%s"}}\n' "$(count_files pcap)" \
		"$(grep -i 'packets' "$STATE/writer.log" | plain | tr '\r\n' '  ')"
}

leave_dpdk() {
	end primary INT 60
	end typist TERM 10
	unbind
	cat "$STATE/hugepages" >/proc/sys/vm/nr_hugepages
}

# --- all -----------------------------------------------------------------------------------------------------

plain() { # text that can stand in a JSON string: without " and \
	tr -d '\042\134'
}

version_of() { # words of a command
	"$@" 2>&1 | head -n 1 | plain
}

if [ "$verb" = facts ]; then
	printf '{"kernel": "%s", "processors": %d, "memory_mib": %d, "disk": "%s", "tcpdump": "%s", "dpdk": "%s"}\n' \
		"$(uname -r)" "$(nproc)" "$(($(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo) / 1024))" \
		"$(df --output=source,fstype "$DIRECTORY" | tail -n 1 | tr -s ' ')" \
		"$(version_of tcpdump --version)" "$(version_of dpdk-dumpcap --version)"
	exit 0
fi
driver=$engine
[ "$engine" != counter ] || driver=hpcapvf
case $verb in
take) "take_$driver" ;;
leave) "leave_$driver" ;;
start)
	empty_directory
	sync
	: >"$STATE/writer.log"
	"start_$engine"
	;;
stop)
	"stop_$engine"
	empty_directory
	;;
*) fail "no such verb" ;;
esac
