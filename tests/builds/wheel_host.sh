#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Inside a private root file system with the packages that the quick start names: install the wheel with the extra `host`, use it.
set -eux
exec 3>/build/facts # what the result is made of, one "name value" a line
export HOME=/build/home PIPX_HOME=/build/pipx PIPX_BIN_DIR=/build/bin
export PIP_NO_INDEX=1 PIP_FIND_LINKS=/build/wheels PIP_DISABLE_PIP_VERSION_CHECK=1
export PATH="/build/bin:$PATH" LC_ALL=C.UTF-8
mkdir -p "$HOME"
# shellcheck source=/dev/null
. /etc/os-release
echo "debian $VERSION_ID" >&3
wheel=$(echo /build/wheels/hpcapvf-*.whl)
python=/build/pipx/venvs/hpcapvf/bin/python

# as on a machine that was a control machine before
pipx install "$wheel"
"$python" -c 'import libvirt' 2>/dev/null && echo "early libvirt" >&3
pipx install --force "hpcapvf[host] @ file://$wheel"
cd /
for library in libvirt pyudev; do
	"$python" -c "import $library" && echo "binding $library" >&3
done

# No daemon runs here: to be told so, the library must have been loaded and asked.
code=0
hpcapvf doctor --progress none --json >/build/doctor.json || code=$?
echo "doctor $code" >&3
grep -q 'libvirt could not .*Failed to connect socket' /build/doctor.json && echo "asks libvirt" >&3
code=0
deploy-vnp --source none --progress none --json /build/spec.yaml >/build/deploy.json || code=$?
echo "deploy $code" >&3
grep -q '"enp5s0: ' /build/deploy.json && echo "misses card" >&3
grep -q 'hpcapvf\[host\]' /build/doctor.json /build/deploy.json && echo "early extra" >&3

# The engine's own use of both, on libvirt's test driver and on a disk that is not there.
"$python" - >&3 <<'EOF'
from hpcapvf.host.clock import LocalClock
from hpcapvf.host.files import LocalFiles
from hpcapvf.host.hypervisor import LibvirtHypervisor
from hpcapvf.host.udev import LocalUdev

libvirt = LibvirtHypervisor(LocalClock(), uri="test:///default")
libvirt.define("<domain type='test'><name>probe</name><memory>65536</memory><os><type>hvm</type></os></domain>")
libvirt.start("probe")
print("domain", *(f"{domain.name} {domain.running}" for domain in libvirt.domains() if domain.name == "probe"))
print("disk", LocalUdev(LocalFiles(), LocalClock()).disk_properties("nonesuch"))
EOF
echo "done extra" >&3
