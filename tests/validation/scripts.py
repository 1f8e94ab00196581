"""What is run on the host and in the guest: reads only, with the tools of any Linux."""

from __future__ import annotations

CUT = "=== cut ===\n"

VFS = """\
for link in /sys/bus/pci/devices/PF/virtfn*; do
    [ -L "$link" ] || continue
    place=$(readlink -f "$link")
    driver=$(readlink "$place/driver" || true)
    echo "${link##*/} ${place##*/} ${driver##*/}"
done
"""

DRIVERS = """\
for link in /sys/bus/pci/devices/*/driver; do
    place=${link%/driver}
    echo "${place##*/} $(basename "$(readlink "$link")")"
done
"""

IOMMU_GROUPS = """\
for member in /sys/kernel/iommu_groups/*/devices/*; do
    [ -e "$member" ] || continue
    group=${member#/sys/kernel/iommu_groups/}
    echo "${group%%/*} ${member##*/} $(cat "$member/class")"
done
"""

INTERRUPTS = "cat /proc/interrupts"

NODE_PAGES = """\
for node in /sys/devices/system/node/node[0-9]*; do
    pages=$node/hugepages/hugepages-SIZEkB
    echo "${node##*/} $(cat "$pages/nr_hugepages") $(cat "$pages/free_hugepages")"
done
"""

QEMU = f"""\
pid=$(cat /run/libvirt/qemu/NAME.pid)
for task in /proc/$pid/task/*; do
    allowed=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "$task/status" 2>/dev/null) || continue
    printf '%s\\t%s\\n' "$allowed" "$(cat "$task/comm" 2>/dev/null)"
done
printf '{CUT[:-1]}\\n'
cat "/proc/$pid/numa_maps"
printf '{CUT[:-1]}\\n'
sed -n 's/^Mems_allowed_list:[[:space:]]*//p' "/proc/$pid/status"
"""

GUEST = f"""\
cat /proc/modules
printf '{CUT[:-1]}\\n'
for link in /sys/bus/pci/drivers/hpcapvf/*:*; do [ -e "$link" ] && echo "${{link##*/}}"; done
printf '{CUT[:-1]}\\n'
for node in /dev/hpcap_*; do [ -e "$node" ] && stat -c '%F\t%n\t%a\t%G' "$node"; done
printf '{CUT[:-1]}\\n'
cat /proc/mounts
printf '{CUT[:-1]}\\n'
cat /proc/mdstat 2>/dev/null || true
printf '{CUT[:-1]}\\n'
for task in /proc/[0-9]*; do
    name=$(cat "$task/comm" 2>/dev/null) || continue
    case $name in hpcap_*) ;; *) continue ;; esac
    printf '%s\\t%s\\n' "$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "$task/status")" "$name"
done
"""

# Is the kernel's clock being kept, and what does chrony follow: 7F7F0101 is the machine's own clock (`local`).
CLOCK = """\
echo "synchronised $(timedatectl show --property=NTPSynchronized --value)"
echo "reference $(chronyc -c tracking 2>/dev/null | cut -d, -f1)"
date '+now %s.%N'
"""

DOMAIN = "virsh --connect qemu:///system dumpxml NAME"

COUNTERS = """\
for file in /sys/bus/pci/drivers/hpcapvf/*:*/hpcapvf/*; do
    [ -r "$file" ] && echo "${file##*/} $(cat "$file")"
done
true
"""

# Maps the card's registers and prints those asked for. One aligned 32-bit access each: a card answers nothing else.
REGISTERS = """\
python3 - OFFSETS <<'END'
import mmap, sys
with open("/sys/bus/pci/devices/PF/resource0", "rb") as bar:
    words = memoryview(mmap.mmap(bar.fileno(), 0x10000, access=mmap.ACCESS_READ)).cast("I")
for text in sys.argv[1:]:
    print(f"{text} {words[int(text, 16) // 4]:x}")
END
"""
