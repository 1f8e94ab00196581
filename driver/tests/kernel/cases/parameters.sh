# shellcheck shell=bash disable=SC1091
# SPDX-License-Identifier: GPL-2.0-or-later
# A wrong parameter: the module is not loaded, and the log says why.
. /test/lib.sh

refused() {
	forget_log
	! load "$1" 2>/dev/null || fail "loaded with $1"
	log_has "$2"
	[ ! -e /sys/module/hpcapvf ] || fail "$1: something of the module stays"
}
refused idle=never "idle=never: must be one of: spin, backoff"
refused timestamp=now "timestamp=now: must be one of: frame, udts, wdts, auto"
refused clock=utc "clock=utc: must be one of: realtime, tai"
refused receive=all "receive=all: must be one of: promiscuous, allmulti, addressed"
refused idle_max_us=19 "idle_max_us=19: must be 20 to 100000"
refused idle_max_us=100001 "idle_max_us=100001"
refused cpu=-2 "cpu=-2: must be -1 or an online CPU (0)"
refused cpu=1 "cpu=1: must be -1 or an online CPU"
refused cpu=x "\`x' invalid for parameter"
refused ring_mib=0 "ring_mib=0: must be 1 to 65536"
refused ring_mib=65537 "ring_mib=65537"
refused "ring_mib=60000 interfaces=$PORT" "no memory for a ring of 60000 MiB"
refused ring_mib=-1 "invalid for parameter"
refused queues=0 "queues=0: must be 1 to 8"
refused queues=9 "queues=9: must be 1 to 8"
refused queues=-1 "invalid for parameter"
refused rx_descriptors=63 "rx_descriptors=63: must be 64 to 4096, a multiple of 8"
refused rx_descriptors=100 "rx_descriptors=100"
refused rx_descriptors=4104 "rx_descriptors=4104"
refused caplen=13 "caplen=13: must be 0 (all) or 14 to 65535"
refused caplen=65536 "caplen=65536"
refused dedup_entries=1000 "dedup_entries"
refused dedup_entries=32 "dedup_entries"
refused "dedup_entries=1024 dedup_pools=3" "dedup_pools"
refused "dedup_entries=1024 dedup_window_us=0" "dedup_window"
refused "dedup_entries=1024 dedup_bytes=13" "dedup_bytes"
refused name=p7/s0 "name=p7/s0: at most 15 of a-z and 0-9"
refused name=abcdefghijklmnop "name=abcdefghijklmnop"
refused interfaces=nosuch0 "there is no network device nosuch0"
refused interfaces=lo "no Ethernet device"
before=$(cat "/sys/class/net/$PORT/flags")
refused "interfaces=$PORT,lo" "no Ethernet device"
is "$(cat "/sys/class/net/$PORT/flags")" "$before"
refused "interfaces=$(printf '%0600d' 0)" "interfaces: longer than 511 bytes"
