# SPDX-License-Identifier: GPL-2.0
# The driver: builds a test kernel of this series, boots it, tests it, and
# turns the repository into a patch series and back. See README.md.

SHELL := bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

FLAVOUR ?=
TESTS ?=
FROM ?=
RUNNER ?= qemu
CMD ?=
JUNIT ?=
JSON ?=
KUNIT ?=
GDB ?=
ARTIFACTS_URL ?=

# The name of another architecture is short for its flavour "rust".
ifneq ($(filter arm s390,$(FLAVOUR)),)
$(if $(filter-out $(FLAVOUR),$(ARCH)),$(error FLAVOUR=$(FLAVOUR) is short for ARCH=$(FLAVOUR), and ARCH=$(ARCH) is given))
override ARCH := $(FLAVOUR)
override FLAVOUR := rust
endif

# These take one flavour.
ONLY_ONE := $(filter build run shell quick slow ide gdb coverage artifacts,$(MAKECMDGOALS))
ifneq ($(and $(ONLY_ONE),$(word 2,$(FLAVOUR))),)
$(error make $(ONLY_ONE) takes one flavour, and FLAVOUR='$(FLAVOUR)' names $(words $(FLAVOUR)))
endif

export KDIR ARCH J SIGNOFF CACHE ARTIFACTS_URL

# The other flavours of another architecture are built if they are asked for.
FLAVOURS := $(or $(FLAVOUR),rust $(if $(filter-out x86_64,$(ARCH)),,c debug))
ONE := $(or $(FLAVOUR),rust)
# The flavour with debug information.
SYMBOLS := $(or $(FLAVOUR),symbols)
TEST := scripts/test.py --runner $(RUNNER) $(if $(JUNIT),--junit '$(JUNIT)') $(if $(JSON),--json '$(JSON)')

.PHONY: help arguments setup source tree import series build run shell test quick slow bench check fixes items sizes patches \
	kunit ide gdb coverage artifacts clean distclean

help: ## this list
	@echo 'Targets:'
	@sed -n 's/^\([a-z]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 12
	@echo
	@echo 'Variables:'
	@printf '  %-14s %s\n' \
		'FLAVOUR=' 'rust (the default), c or debug; see configs/' \
		'' 'arm or s390: rust on that architecture' \
		'TESTS=' "which selftests, e.g. 'pidfd:*', and kunit for KUnit" \
		'FROM=' 'the number of the patch that `make patches` starts at' \
		'' 'the commit of this repository that `make sizes` compares with' \
		'RUNNER=' 'qemu (the default) or vng: what the tests are booted with' \
		'JUNIT=' 'the file in which the tests leave their results as JUnit XML' \
		'JSON=' 'likewise, as JSON' \
		'KUNIT=' 'arguments of kunit.py, e.g. a suite, or --arch=x86_64' \
		'GDB=' "arguments of gdb, e.g. -ex 'break do_handle_open'" \
		'ARTIFACTS_URL=' 'where a lab finds the artifacts' \
		'CMD=' 'what `make run` and `make gdb` run in the guest instead of the show' \
		'KDIR=' 'an existing kernel tree to build on; it is never modified' \
		'ARCH=' 'x86_64 (the default), arm or s390; below build/$$ARCH' \
		'J=' 'how many jobs to run at once (default: the number of CPUs)' \
		"SIGNOFF=" "'Name <mail>': sign off the patches of \`make series\`" \
		'CACHE=' 'downloads, tools and ccache (default: ~/.cache/linux-file-handles)'

arguments:
	@scripts/arguments.sh '$(RUNNER)' $(FLAVOURS)

setup: arguments ## install what is missing of the tools, and choose among them
	@scripts/setup.sh $(filter vng,$(RUNNER))

source: setup ## make build/linux of KDIR or of the kernel source package
	@scripts/source.sh

tree: source ## materialise the series as commits in build/linux
	@scripts/tree.py tree

import: ## bring commits made in build/linux back into this repository
	@scripts/tree.py import

series: tree ## write build/series/*.patch, with a cover letter
	@scripts/tree.py series

build: tree ## build the kernel and the guest of FLAVOUR
	@scripts/build.sh $(ONE)

run: build ## boot FLAVOUR and show the system at work, or run CMD
	@scripts/run.sh $(ONE) '$(subst ','\'',$(value CMD))'

shell: build ## an interactive shell in FLAVOUR, on x86_64 through virtme-ng
	@scripts/shell.sh $(ONE)

test: tree ## run every test on the flavours rust, c and debug; elsewhere on rust
	@scripts/build_all.sh $(FLAVOURS)
	@$(TEST) $(FLAVOURS) --tests '$(TESTS)'

quick: build ## the inner loop: own suites and KUnit on one flavour
	@$(TEST) $(ONE) --quick

slow: build ## what takes minutes: upstream's pidfd_test, the stress tests for long
	@$(TEST) $(ONE) --slow

kunit: tree ## KUnit suites and doctests by the kernel's kunit.py on UML, without QEMU
	@scripts/kunit.sh $(if $(JSON),--json='$(abspath $(JSON))') $(KUNIT)

coverage: tree ## the lines of the series that `make quick` executes, on the flavour symbols
	@scripts/build.sh $(SYMBOLS)
	@scripts/coverage.py $(SYMBOLS) $(if $(TESTS),--tests '$(TESTS)')

bench: tree ## what each call costs on the base, c and rust, in instructions: tables and charts
	@scripts/setup.sh bench
	@scripts/bench.py $(or $(FLAVOUR),base/c c rust)

check: tree ## rustfmt, clippy, rustdoc, kernel-doc, checkpatch, shellcheck, items; a small configuration
	@scripts/setup.sh check
	@scripts/check.sh

fixes: tree ## each fix to C: its tests fail on the unmodified base, and pass with it
	@scripts/fixes.sh

items: tree ## list the public items of the Rust code with their users; fails if one has none
	@scripts/public_items.py

sizes: tree ## lines, public items and unsafe blocks by file, compared with the commit FROM
	@scripts/sizes.py $(FROM)

patches: tree ## build what the series touches after each of its patches, or from FROM on
	@scripts/patches.sh '$(FROM)'

ide: build ## rust-project.json and compile_commands.json in build/linux, for editors
	@scripts/ide.sh $(ONE)

gdb: tree ## debug the kernel of the flavour symbols in gdb while the guest runs CMD
	@scripts/setup.sh gdb
	@scripts/build.sh $(SYMBOLS)
	@scripts/gdb.sh $(SYMBOLS) '$(subst ','\'',$(value CMD))' $(GDB)

artifacts: build ## kernel, modules, selftests, LAVA job and tuxrun command for kernel CI systems
	@scripts/artifacts.sh $(ONE)

clean: ## remove what was built, but keep build/linux
	@scripts/clean.sh

distclean: ## remove build/linux, too; refuses where it holds work
	@scripts/clean.sh all
