#!/bin/sh
# Have the Debian packages of packages/debian.txt: installs what is missing as root, or says what to install.
# Exit status: 0 all there, 2 something is missing and this user cannot install it.
set -eu
cd "$(dirname "$0")/.."

if ! command -v dpkg-query >/dev/null 2>&1; then
	echo "This machine has no dpkg, so the packages of packages/debian.txt are not checked. Have their equivalents." >&2
	exit 0
fi

missing=""
wanted=$(sed 's/#.*//' packages/debian.txt)
for package in $wanted; do
	state=$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
	echo "These Debian packages are missing:$missing" >&2
	echo "Install them as root and run make again:" >&2
	echo "    apt-get install --no-install-recommends$missing" >&2
	exit 2
fi
echo "Installing Debian packages:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
# shellcheck disable=SC2086 # a list of words
apt-get -qq install --yes --no-install-recommends $missing
