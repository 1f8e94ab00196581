# SPDX-License-Identifier: GPL-2.0-or-later
# Each target sets up what it needs by itself: Debian packages (as root; without root it says which are missing),
# a virtual environment in .venv, and the driver's user-space part.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-for-pyproject
LIMIT := timeout --signal=INT --kill-after=120

# Hundreds of trees are made and removed by the unit tests: that is quick in memory.
IN_MEMORY := $(if $(wildcard /dev/shm/.),env TMPDIR=/dev/shm)

# Options of the demo, for example: make demo DEMO="--keep --cpus 12"
DEMO ?=

.DEFAULT_GOAL := help
.PHONY: help setup packages demo test test-unit test-driver test-fuzz test-fuzz-spec test-builds test-kernel test-soak test-large test-host-module test-switch-model \
        deb test-deb test-debug-kernel test-model test-kill test-lab test-agent test-watching test-recover test-two-probes test-two-servers test-matrix matrix-table \
        check check-python check-files check-shell check-yaml check-playbooks check-driver \
        bench bench-capture bench-driver bench-planner bench-deployment user man docs test-wheel clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: packages $(STAMP) user ## system packages, virtual environment, driver's user-space part

packages:
	@tools/system-packages.sh

$(STAMP): pyproject.toml | packages
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than 3.11; name a newer one: make PYTHON=python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

user: | packages
	@$(MAKE) --no-print-directory -C driver user

demo: setup ## from nothing to a verified probe in the emulated server; report in build/demo
	@$(BIN)/python -m orchestrator.demo $(DEMO)

test: test-unit test-driver test-lab ## every test but test-agent

# For the tests of metrics and alert rules; the package is not installed, so nothing is started.
PROMTOOL := build/tools/promtool
$(PROMTOOL):
	tools/promtool.sh $@

test-unit: setup $(PROMTOOL) ## tests that need no emulated server
	$(IN_MEMORY) $(LIMIT) 900 $(BIN)/python -m pytest -m 'not lab' --ignore tests/validation tests

test-driver: packages ## the driver's core in user space, under sanitizers
	$(LIMIT) 900 $(MAKE) --no-print-directory -C driver test

test-fuzz: $(STAMP) ## fuzz the readers of RAW and pcap, 10 minutes each (FUZZ_SECONDS); goes on from the corpora that are kept
	$(MAKE) --no-print-directory -C driver test-fuzz
	@mkdir -p docs/results
	cp driver/build/fuzz/fuzz.json docs/results/fuzz.json
	$(BIN)/python -m tests.measurements

test-fuzz-spec: $(STAMP) ## 50 000 fuzzed specs through `hpcapvf plan`; JSON in docs/results
	$(IN_MEMORY) $(LIMIT) 3600 $(BIN)/python -m tests.fuzz_spec docs/results/fuzz_spec.json

test-builds: $(STAMP) ## the module for the kernels of Debian (6.1, 6.12, backports) and the packages; JSON in docs/results
	$(LIMIT) 3600 $(BIN)/python -m tests.builds.kernels docs/results/kernels.json
	$(LIMIT) 3600 $(BIN)/python -m tests.builds.packages docs/results/packages.json

test-wheel: $(STAMP) ## the wheel installed with pipx on Debian 12 and 13: without a compiler, and with the extra `host`; JSON in docs/results
	$(LIMIT) 1800 $(BIN)/python -m tests.builds.wheel docs/results/wheel.json

deb: $(STAMP) ## the toolkit's Debian package in build/deb
	$(BIN)/python tools/toolkit_package.py build/deb

test-deb: $(STAMP) ## that package installed, upgraded and purged on Debian 12 and 13; JSON in docs/results
	$(LIMIT) 1800 $(BIN)/python -m tests.builds.toolkit docs/results/toolkit.json

docs: $(STAMP) ## the documents as HTML in build/docs; a link that leads nowhere is an error
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/docs

test-kernel: setup ## the module in a real kernel: parameters, a VF, network devices, the ring; a second run does what is left
	$(LIMIT) 3600 $(BIN)/python -m tests.device.suites kernel docs/results/kernel.json

test-host-module: $(STAMP) ## the host's module for a card's registers on an emulated card, and tc's flower filters
	$(LIMIT) 1800 $(BIN)/python -m tests.host_module docs/results/host_module.json

test-switch-model: $(STAMP) ## the model of the 82576's switch against the emulated card: random registers and frames (SEED=1)
	$(LIMIT) 1800 $(BIN)/python -m tests.switch_model docs/results/switch-model.json $(SEED)

test-soak: $(STAMP) ## 200 load cycles, killed readers, resets, VFs removed, abuse, on an emulated card; goes on where it was
	$(LIMIT) 9000 $(BIN)/python -m tests.device.suites soak docs/results/soak.json

test-large: $(STAMP) ## a ring beyond 4 GiB filled and read in a real kernel (a machine of 10 GiB, of which 5 are used)
	$(LIMIT) 4500 $(BIN)/python -m tests.device.suites large docs/results/large.json

test-debug-kernel: $(STAMP) ## both on a kernel with KASAN, lockdep and kmemleak that is built first (JOBS=1); goes on where it was
	$(LIMIT) 9000 $(BIN)/python -m tests.device.debug_kernel docs/results/debug-kernel.json

test-model: setup ## ixgbevf, DPDK and our driver on a model of the 82599 family's VF; a second run does what is left
	$(LIMIT) 5400 $(BIN)/python -m tests.vf_model
	@mkdir -p docs/results
	cp build/vf_model.json docs/results/vf_model.json
	$(BIN)/python -m tests.measurements

test-kill: $(STAMP) ## every configuration killed at every effect, then `hpcapvf recover`; a second run does what is left
	$(LIMIT) 9000 $(BIN)/python -m tests.kill docs/results/kill.json

# What fails because the emulator failed (tests/lab/evidence.py says by which sign) runs once more, in a new lab.
EMULATOR_FAULT := build/lab-failures/emulator-fault
LAB_SUITE := $(BIN)/python -m pytest -m lab --durations 15 --ignore tests/lab/test_agent.py \
	--ignore tests/lab/test_two_probes.py --ignore tests/lab/test_recover.py \
	--ignore tests/lab/test_two_servers.py tests/lab
test-lab: setup ## end to end in the emulated server
	@rm -f $(EMULATOR_FAULT)
	$(LIMIT) 3600 $(LAB_SUITE) || { cat $(EMULATOR_FAULT) && $(LIMIT) 2400 $(LAB_SUITE) --last-failed; }

test-recover: setup ## a deployment killed and the server reset in its middle, in the emulated server (not in `make test`)
	$(LIMIT) 5400 $(BIN)/python -m pytest -m lab --durations 15 --result docs/results/recover.json \
		tests/lab/test_recover.py

test-agent: setup ## an agent and the VM that it watches, in the emulated server (two more guests: not in `make test`)
	$(LIMIT) 2400 $(BIN)/python -m pytest -m lab --durations 15 --result docs/results/agent.json \
		tests/lab/test_agent.py

test-watching: setup ## an agent beside one, two and three watched VMs: a table like Table 6.5, and disturbances; a second run does what is left
	$(LIMIT) 9000 $(BIN)/python -m tests.watching docs/results/watching.json

test-two-probes: setup ## two probes on one card that receive everything, in the emulated server (not in `make test`)
	$(LIMIT) 2400 $(BIN)/python -m pytest -m lab --durations 15 --result docs/results/two-probes.json \
		tests/lab/test_two_probes.py

test-two-servers: setup ## one inventory and one command for two emulated servers, one of which fails (not in `make test`)
	$(LIMIT) 9000 $(BIN)/python -m pytest -m lab --durations 15 --result docs/results/two-servers.json \
		tests/lab/test_two_servers.py

test-matrix: setup ## every I/O configuration of the thesis' Table 6.4, in the emulated server; a second run does what is left
	$(LIMIT) 9000 $(BIN)/python -m tests.matrix docs/results/matrix.json

matrix-table: $(STAMP) ## what the last runs of test-matrix found, as a table
	@$(BIN)/python -m tests.matrix docs/results/matrix.json --table

bench-deployment: setup ## phases of a deployment in the emulated server, beside the same VM started by hand
	$(LIMIT) 5400 $(BIN)/python -m tests.bench.deployment docs/results/deployment.json

man: $(STAMP) ## man pages of every command in build/man
	$(BIN)/python -m orchestrator.manual build/man

check: check-python check-files check-shell check-yaml check-playbooks check-driver ## what continuous integration looks at first

check-python: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check-files: $(STAMP)
	$(BIN)/python tools/check_files.py

check-shell: packages
	git ls-files -co --exclude-standard | grep -E '\.sh$$|^\.ci/run$$' | xargs -r shellcheck

check-yaml: $(STAMP)
	git ls-files -co --exclude-standard | grep -E '\.ya?ml$$' | xargs -r $(BIN)/yamllint --strict

check-playbooks: $(STAMP)
	LC_ALL=C.UTF-8 $(BIN)/ansible-playbook --syntax-check --inventory inventory/example.yml playbooks/*.yml

check-driver: packages
	$(MAKE) --no-print-directory -C driver check

bench: bench-driver bench-planner ## measurements as JSON in build/bench

bench-driver: packages
	$(MAKE) --no-print-directory -C driver bench
	@mkdir -p build/bench
	cp driver/build/bench.json build/bench/driver.json
	cp driver/build/bench-tools.json build/bench/tools.json

bench-capture: $(STAMP) ## hpcapvf, tcpdump and DPDK on one emulated VF at the same rates; needs a quiet machine; goes on where it was
	$(LIMIT) 9000 $(BIN)/python -m tests.comparison docs/results/capture_comparison.json

bench-planner: $(STAMP)
	$(BIN)/python -m tests.bench.planner build/bench/planner.json

clean: ## what was built here; the lab's cache stays (hpcapvf lab clean)
	$(MAKE) --no-print-directory -C driver clean
	rm -rf build $(VENV) .mypy_cache .ruff_cache .pytest_cache hpcapvf.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
