#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Inside a private root file system with the packages that it depends on: install the toolkit's package, use, upgrade, purge it.
set -eux
exec 3>/build/facts # what the result is made of, one "name value" a line
# shellcheck source=/dev/null
. /etc/os-release
echo "debian $VERSION_ID" >&3
# what a deployment leaves on a host: state, journal, key, and units of its own, one of them started at boot
mkdir -p /var/lib/hpcapvf/deployments/probe1 /etc/systemd/system/multi-user.target.wants
for file in state.json journal.jsonl id_ed25519; do
	echo "$file of probe1" >"/var/lib/hpcapvf/deployments/probe1/$file"
done
chmod 600 /var/lib/hpcapvf/deployments/probe1/id_ed25519
for unit in hpcapvf-recover.service hpcapvf-end-probe1.service; do
	printf '[Service]\nExecStart=/usr/bin/hpcapvf --version\n' >"/etc/systemd/system/$unit"
done
ln -s ../hpcapvf-recover.service /etc/systemd/system/multi-user.target.wants/
deployed() { # contents, owners, modes, times and links
	tar --create --sort=name --directory=/ var/lib/hpcapvf etc/systemd/system | sha256sum
}
before=$(deployed)
version() { dpkg-query --show --showformat='${Version}' hpcapvf; }

# the root file system leaves documents out, which a user's does not
dpkg --path-include='/usr/share/man/*' --path-include='/usr/share/doc/*' --install /build/old/hpcapvf_*.deb
cd /
echo "version $(version)" >&3
for command in hpcapvf deploy-vnp deploy-vnma; do
	"$command" --help >/dev/null
	bash -n "/usr/share/bash-completion/completions/$command"
	zsh -n "/usr/share/zsh/vendor-completions/_$command"
	man --where "$command" >/dev/null
	zsh -c "autoload -Uz compinit; compinit -D; (( \$+_comps[$command] ))"
	echo "command $(command -v "$command")" >&3
done
hpcapvf schema >/dev/null && echo "works schema" >&3
deploy-vnp --inventory /build/nothing.yml /build/spec.yaml --json >/build/answer.json || echo "without_ansible $?" >&3
grep -q ansible-core /build/answer.json && echo "works answer" >&3
find /usr/lib/python3/dist-packages/orchestrator/playbooks /usr/lib/python3/dist-packages/hpcapvf/vm-templates \
	-name site.yml -o -name domain.xml.j2 | sed 's|.*/|data |' | sort >&3

dpkg --install /build/new/hpcapvf_*.deb
echo "version $(version)" >&3
hpcapvf schema >/dev/null && echo "works upgraded" >&3
[ "$(deployed)" = "$before" ] && echo "kept upgrade" >&3
dpkg --purge hpcapvf
[ "$(deployed)" = "$before" ] && echo "kept purge" >&3
for path in /usr/bin/hpcapvf /usr/lib/python3/dist-packages/hpcapvf /usr/lib/python3/dist-packages/orchestrator; do
	[ ! -e "$path" ] || echo "left $path" >&3
done
echo "done toolkit" >&3
