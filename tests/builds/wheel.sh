#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Inside a private root file system without compiler, pip without index, wheels in /build/wheels: install with pipx, use, remove.
set -eux
exec 3>/build/facts # what the result is made of, one "name value" a line
export HOME=/build/home PIPX_HOME=/build/pipx PIPX_BIN_DIR=/build/bin
export PIP_NO_INDEX=1 PIP_FIND_LINKS=/build/wheels PIP_DISABLE_PIP_VERSION_CHECK=1
export PATH="/build/bin:$PATH" LC_ALL=C.UTF-8
mkdir -p "$HOME" /build/zsh
# shellcheck source=/dev/null
. /etc/os-release
echo "debian $VERSION_ID" >&3
command -v cc gcc && echo "compiler found" >&3

pipx install /build/wheels/hpcapvf-*.whl
cd /
for command in hpcapvf deploy-vnp deploy-vnma; do
	"$command" --help >/dev/null
	"$command" --print-completion bash >"/build/$command.bash"
	# shellcheck disable=SC2016 # for bash, not for this shell
	words=$(bash -euc '. "$0"
		function=$(complete -p "$1"); function=${function##* -F }
		COMP_WORDS=("$1" --print-c) COMP_CWORD=1 COMPREPLY=()
		"${function%% *}" "$1" --print-c "$1"
		echo "${COMPREPLY[*]}"' "/build/$command.bash" "$command")
	[ "$words" = --print-completion ] && echo "completes bash $command" >&3
	"$command" --print-completion zsh >"/build/zsh/_$command"
	zsh -fc "fpath=(/build/zsh \$fpath); autoload -Uz compinit; compinit -D -u; [[ \$_comps[$command] = _$command ]]
		autoload +X _$command" && echo "completes zsh $command" >&3
	echo "command $(command -v "$command")" >&3
done
hpcapvf schema >/dev/null && echo "works schema" >&3
hpcapvf schema deploy-vnp >/dev/null && echo "works results" >&3 # made of most of the engine's modules
for library in libvirt pyudev; do
	/build/pipx/venvs/hpcapvf/bin/python -c "import $library" 2>/dev/null && echo "binding $library" >&3
done

# What needs the bindings says which extra brings them.
code=0
deploy-vnp --source none --progress none --json /build/spec.yaml >/build/deploy.json 2>/build/deploy.err || code=$?
echo "lacking deploy $code" >&3
grep -q '"message": "the Python library libvirt .*hpcapvf\[host\]' /build/deploy.json && echo "names deploy" >&3
grep -q "apt-get install .*pipx install --force 'hpcapvf\[host\] @" /build/deploy.json && echo "names remedy" >&3
code=0
hpcapvf doctor --progress none --json >/build/doctor.json 2>/build/doctor.err || code=$?
echo "lacking doctor $code" >&3
grep -q 'the Python library libvirt .*hpcapvf\[host\]' /build/doctor.json && echo "names doctor" >&3
for file in /build/deploy.* /build/doctor.*; do
	grep -q Traceback "$file" && echo "traceback $file" >&3
done

# Check mode from the installed playbooks: nobody answers there, which is to be told for the host, as code 13.
printf 'hypervisors:\n  hosts:\n    nobody:\n      ansible_host: 127.0.0.1\n      ansible_port: 1\n' >/build/inventory.yml
code=0
deploy-vnp --inventory /build/inventory.yml --dry-run --json /build/spec.yaml >/build/fleet.json || code=$?
echo "fleet $code" >&3
grep -q '"nobody"' /build/fleet.json && echo "works fleet" >&3

pipx uninstall hpcapvf
[ -e /build/bin/hpcapvf ] && echo "left hpcapvf" >&3
echo "done wheel" >&3
