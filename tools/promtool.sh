#!/bin/sh
# Have Prometheus' promtool as the file that is named: of this machine's own, else out of Debian's package, which is
# not installed, so that no server is started and no user made.
# Exit status: 0 it is there, 2 it could not be had.
set -eu
target=$1
folder=$(dirname "$target")
mkdir -p "$folder"

if found=$(command -v promtool); then
	ln -sf "$found" "$target"
	exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
	echo "This machine has neither promtool nor apt-get. Install Prometheus' promtool on the PATH." >&2
	exit 2
fi
work=$(mktemp -d "$folder/promtool.XXXXXX")
trap 'rm -rf "$work"' EXIT
# apt checks the package against the archive's signature.
(cd "$work" && { apt-get -qq download prometheus || { apt-get -qq update && apt-get -qq download prometheus; }; }) || {
	echo "Debian's package prometheus cannot be downloaded. Install promtool on the PATH, or run again with a network." >&2
	exit 2
}
dpkg-deb --fsys-tarfile "$work"/prometheus_*.deb | tar -x -C "$work" ./usr/bin/promtool
mv "$work/usr/bin/promtool" "$target"
