# SPDX-License-Identifier: GPL-2.0
# The driver: builds a test kernel of this series, boots it, tests it, and
# turns the repository into a patch series and back. See README.md.

SHELL := bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Each script uses J jobs itself.
.NOTPARALLEL:

FLAVOUR ?=
TESTS ?=
FROM ?=
RUNNER ?= qemu
CMD ?=

# The name of another architecture is short for its flavour "rust".
ifneq ($(filter arm arm64 riscv s390,$(FLAVOUR)),)
$(if $(filter-out $(FLAVOUR),$(ARCH)),$(error FLAVOUR=$(FLAVOUR) is short for ARCH=$(FLAVOUR), and ARCH=$(ARCH) is given))
override ARCH := $(FLAVOUR)
override FLAVOUR := rust
endif

# These take one flavour.
ONLY_ONE := $(filter build run shell quick slow,$(MAKECMDGOALS))
ifneq ($(and $(ONLY_ONE),$(word 2,$(FLAVOUR))),)
$(error make $(ONLY_ONE) takes one flavour, and FLAVOUR='$(FLAVOUR)' names $(words $(FLAVOUR)))
endif

export KDIR ARCH J SIGNOFF CACHE CPUS ACCEL MEMORY

# ARCH defaults to the architecture of the host. On others than x86_64, the other
# flavours are built if they are named.
ARCHITECTURE = $(or $(ARCH),$(shell bash -c '. scripts/lib.sh && echo $$ARCH'))
FLAVOURS = $(or $(FLAVOUR),rust $(if $(filter x86_64,$(ARCHITECTURE)),c debug))
ONE := $(or $(FLAVOUR),rust)
TEST := scripts/test.py --runner $(RUNNER)

.PHONY: help arguments setup source tree import series build run shell test quick slow bench check fixes items sizes patches clean distclean

help: ## this list
	@echo 'Targets:'
	@sed -n 's/^\([a-z]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 12
	@echo
	@echo 'Variables:'
	@printf '  %-10s %s\n' \
		'FLAVOUR=' 'rust (the default), c or debug; see configs/' \
		'' 'arm, arm64, riscv or s390: rust on that architecture' \
		'TESTS=' "which selftests, e.g. 'pidfd:*', and kunit for KUnit" \
		'FROM=' 'the number of the patch that `make patches` starts at' \
		'' 'the commit of this repository that `make sizes` compares with' \
		'RUNNER=' 'qemu (the default) or vng: what the tests are booted with' \
		'CMD=' 'what `make run` runs in the guest instead of its show' \
		'KDIR=' 'an existing kernel tree to build on; it is never modified' \
		'ARCH=' 'x86_64, arm64, riscv, arm or s390 (default: that of the host)' \
		'' 'anything but the default is built below build/$$ARCH' \
		'CPUS=' 'processors of the guest (default: those of the host, from 2 to 8)' \
		'ACCEL=' 'tcg: emulate the processor even if KVM is available' \
		'MEMORY=' 'memory of the guest (default: 1G)' \
		'J=' 'how many jobs to run at once (default: the number of CPUs)' \
		"SIGNOFF=" "'Name <mail>': sign off the patches of \`make series\`" \
		'CACHE=' 'downloads, tools and ccache (default: ~/.cache/linux-file-handles)'

arguments:
	@scripts/arguments.sh '$(RUNNER)' $(FLAVOURS)

setup: arguments ## install the tools that are missing
	@scripts/setup.sh $(filter vng,$(RUNNER))

source: arguments ## make build/linux of KDIR or of the kernel source package
	@scripts/setup.sh source
	@scripts/source.sh

tree: source ## materialise the series as commits in build/linux
	@scripts/tree.py tree

import: ## bring commits made in build/linux back into this repository
	@scripts/tree.py import

series: tree ## write build/series/*.patch, with a cover letter
	@scripts/tree.py series

build: setup tree ## build the kernel and the guest of FLAVOUR
	@scripts/build.sh $(ONE)

run: build ## boot FLAVOUR and show the system at work, or run CMD
	@scripts/run.sh $(ONE) '$(subst ','\'',$(value CMD))'

shell: build ## an interactive shell in FLAVOUR, on x86_64 through virtme-ng
	@scripts/shell.sh $(ONE)

test: setup tree ## run every test on the flavours rust, c and debug; elsewhere on rust
	@scripts/build_all.sh $(FLAVOURS)
	@$(TEST) $(FLAVOURS) --tests '$(TESTS)'

quick: build ## the inner loop: own suites and KUnit on one flavour
	@$(TEST) $(ONE) --quick

slow: build ## what takes minutes: upstream's pidfd_test, the stress tests for long
	@$(TEST) $(ONE) --slow

bench: setup tree ## what each call costs on the base, c and rust, in instructions: tables and charts
	@scripts/setup.sh bench
	@scripts/bench.py $(or $(FLAVOUR),base/c c rust)

check: setup tree ## rustfmt, clippy, rustdoc, kernel-doc, checkpatch, shellcheck, items; a small configuration
	@scripts/setup.sh check
	@scripts/check.sh

fixes: setup tree ## each fix to C: its tests fail on the unmodified base, and pass with it
	@scripts/fixes.sh

items: tree ## list the public items of the Rust code with their users; fails if one has none
	@scripts/public_items.py

sizes: tree ## lines, public items and unsafe blocks by file, compared with the commit FROM
	@scripts/sizes.py $(FROM)

patches: setup tree ## build what the series touches after each of its patches, or from FROM on
	@scripts/patches.sh '$(FROM)'

clean: ## remove what was built, but keep build/linux
	@scripts/clean.sh

distclean: ## remove build/linux, too; refuses where it holds work
	@scripts/clean.sh all
