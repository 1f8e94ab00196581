#!/bin/sh
# Inside a private root file system, the driver's sources in /build/driver: build the packages, install, use and purge them.
set -eux
exec 3>/build/facts # what the result is made of, one "name value" a line

files_of_the_system() {
	find / -xdev \( -path /build -o -path /tmp -o -path /proc -o -path /dev -o -path /sys -o -path /var/lib/dpkg -o -path /var/lib/dkms \
		-o -path /var/log -o -path /var/cache -o -path /usr/share/man \) -prune -o -print | sort
}

getent group hpcap && exit 1
files_of_the_system >/build/before

cd /build/driver
dpkg-buildpackage --no-sign --build=binary
cd ..
lintian --version >&3
lintian --allow-root --fail-on error --tag-display-limit 0 ./*.changes >/build/lintian || { cat /build/lintian; exit 1; }
cat /build/lintian
echo "lintian_warnings $(grep -c '^W:' /build/lintian)" >&3

rm ./*-dbgsym_*.deb
dpkg --install ./*.deb
dkms status
for release in $(dkms status hpcapvf | sed -n 's/.*, \([^,]*\), x86_64: installed.*/\1/p'); do
	modinfo -k "$release" -F version hpcapvf | sed "s/^/module $release /" >&3
done
for package in hpcapvf-dkms hpcapvf-tools libhpcapvf1 libhpcapvf-dev; do
	dpkg --listfiles "$package" | while read -r path; do
		[ -d "$path" ] || [ "${path#/usr/src/}" != "$path" ] || echo "file $package $path" >&3
	done
done
echo "group $(getent group hpcap | cut -d: -f1)" >&3
echo "pkg-config $(pkg-config --modversion libhpcapvf)" >&3
for tool in hpcapdd raw2pcap pcap2raw checkraw hpcapdump hpcapstat; do
	echo "tool $("$tool" --version)" >&3
done
cat >/build/program.c <<'END'
#include <libhpcapvf.h>
int main(void) { struct hpcapvf *capture; return hpcapvf_open("/dev/hpcap_none_0", &capture) == -2 ? 0 : 1; }
END
# shellcheck disable=SC2046 # words
cc -o /build/program /build/program.c $(pkg-config --cflags --libs libhpcapvf)
/build/program
echo "program linked against $(ldd /build/program | sed -n 's/^[[:space:]]*\(libhpcapvf[^ ]*\).*/\1/p')" >&3

dpkg --purge hpcapvf-dkms hpcapvf-tools libhpcapvf-dev libhpcapvf1
files_of_the_system >/build/after
diff /build/before /build/after >/build/left || true
# what a purge of ours may leave to others: caches that dpkg's triggers of other packages write
sed -n 's/^> //p' /build/left | sed 's/^/left /' >&3
getent group hpcap >/dev/null && echo "left group hpcap" >&3
[ -z "$(dkms status hpcapvf)" ] || echo "left $(dkms status hpcapvf)" >&3
echo "done packages" >&3
