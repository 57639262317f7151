# SPDX-License-Identifier: GPL-2.0
# The driver: builds, boots and tests a kernel with this series, and converts the
# repository into a patch series and back. See README.md.

SHELL := bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Each script uses J jobs itself.
.NOTPARALLEL:

FLAVOUR ?=
TESTS ?=
FROM ?=
THREAD ?=
MODEL ?=
VERSION ?= 1
RUNNER ?= qemu
CMD ?=
JUNIT ?=
JSON ?=
KUNIT ?=
CASES ?=
SEED ?=
REPLAY ?=
CONTROLS ?=
REACH ?=
GDB ?=
MINUTES ?= 5
ARTIFACTS_URL ?=
FILES ?=
HOURS ?= 8

# The name of another architecture is an abbreviation of its flavour "rust".
ifneq ($(filter arm arm64 riscv s390,$(FLAVOUR)),)
$(if $(filter-out $(FLAVOUR),$(ARCH)),$(error FLAVOUR=$(FLAVOUR) is short for ARCH=$(FLAVOUR), and ARCH=$(ARCH) is given))
override ARCH := $(FLAVOUR)
override FLAVOUR := rust
endif

# These targets take one flavour.
ONLY_ONE := $(filter build run shell quick slow ide gdb coverage artifacts,$(MAKECMDGOALS))
ifneq ($(and $(ONLY_ONE),$(word 2,$(FLAVOUR))),)
$(error make $(ONLY_ONE) takes one flavour, and FLAVOUR='$(FLAVOUR)' names $(words $(FLAVOUR)))
endif

export KDIR ARCH J SIGNOFF CACHE CPUS ACCEL MEMORY ARTIFACTS_URL

# ARCH defaults to the architecture of the host. On others than x86_64, the other
# flavours are built if they are named.
ARCHITECTURE = $(or $(ARCH),$(shell bash -c '. scripts/lib.sh && echo $$ARCH'))
FLAVOURS = $(or $(FLAVOUR),rust $(if $(filter x86_64,$(ARCHITECTURE)),c debug))
# `make fuzz` compares these. FLAVOURS on the command line replaces both lists.
FUZZED = $(if $(findstring command,$(origin FLAVOURS)),$(FLAVOURS),$(or $(FLAVOUR),c rust))
ONE := $(or $(FLAVOUR),rust)
# The flavour with debug information.
SYMBOLS := $(or $(FLAVOUR),symbols)
FUZZ := $(if $(CASES),--cases '$(CASES)') $(if $(SEED),--seed '$(SEED)')
# The replies of a FUSE server, whose handles only exist in Rust.
FUZZ_FUSE = $(if $(REPLAY),true,$(if $(filter rust,$(FUZZED))$(CONTROLS),$(addsuffix \
	$(if $(CONTROLS), --controls, rust)$(if $(SEED), --seed '$(SEED)'),$(wildcard scripts/fuse_fuzz.py)),true))
TEST := scripts/test.py --runner $(RUNNER) $(if $(JUNIT),--junit '$(JUNIT)') $(if $(JSON),--json '$(JSON)')

.PHONY: help arguments setup source tree import series apply-check b4 build run shell test quick slow \
	torture kunit coverage bench fuzz check docs fixes prove items sizes unsafe mutants patches ide gdb \
	artifacts clean distclean

help: ## this list
	@echo 'Targets:'
	@sed -n 's/^\([a-z0-9-]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 15
	@echo
	@echo 'Variables:'
	@printf '  %-14s %s\n' \
		'FLAVOUR=' 'rust, c, debug or symbols; see configs/ (default: rust; for test,' \
		'' 'rust, c and debug; for fuzz, c and rust; for gdb and coverage, symbols)' \
		'' 'arm, arm64, riscv or s390: rust on that architecture' \
		'TESTS=' "selftests to run, e.g. 'pidfd:*'; kunit for KUnit" \
		'FROM=' 'the commit of this repository that `make sizes` compares with' \
		'MODEL=' 'the models that `make prove` checks (default: all)' \
		'THREAD=' 'one thread, such as 05-fhandle, for patches, series and b4' \
		'VERSION=' 'the version of the mails of `make series` and `make b4` (default: 1)' \
		'RUNNER=' 'qemu (the default) or vng: what the tests are booted with' \
		'JUNIT=' 'the file in which the tests leave their results as JUnit XML' \
		'JSON=' 'the file in which the tests leave their results as JSON' \
		'MINUTES=' 'the duration of `make torture` (default: 5)' \
		'KUNIT=' 'arguments of kunit.py, e.g. a suite, or --arch=x86_64' \
		'GDB=' "arguments of gdb, e.g. -ex 'break do_handle_open'" \
		'ARTIFACTS_URL=' 'where a lab finds the artifacts' \
		'CASES=' 'the number of cases of `make fuzz` (default: 1000000)' \
		'SEED=' 'the seed of `make fuzz` (default: a random number, which is printed)' \
		'REPLAY=' 'a sequence that `make fuzz` printed' \
		'CONTROLS=' '1: `make fuzz` measures when it finds known faults,' \
		'' '`make mutants` judges only the mutants that revert a fix' \
		'FILES=' "files whose mutants are judged, e.g. 'fs/nsfs_rust* rust/kernel/fs/path.rs'" \
		'HOURS=' 'how long `make mutants` judges at most in each of two kernels (default: 8)' \
		'REACH=1' '`make mutants` measures how many blocks fuzzing reaches, by the number of cases' \
		'CMD=' 'what `make run` and `make gdb` run in the guest instead of the demonstration' \
		'KDIR=' 'an existing kernel tree to build on; it is never modified' \
		'ARCH=' 'x86_64, arm64, riscv, arm or s390 (default: that of the host)' \
		'' 'another architecture than the default is built below build/$$ARCH' \
		'CPUS=' 'processors of the guest (default: those of the host, from 2 to 8)' \
		'ACCEL=' 'tcg: emulate the processor even if KVM is available' \
		'MEMORY=' 'memory of the guest (default: 1G)' \
		'J=' 'the number of parallel jobs (default: the number of CPUs)' \
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

import: ## convert commits in build/linux back into this repository
	@scripts/tree.py import

series: tree ## write the mails of each thread to build/series
	@scripts/series.py --thread '$(THREAD)' --version '$(VERSION)'

b4: tree ## prepare THREAD for `b4 send` in build/b4; requires SIGNOFF
	@scripts/setup.sh b4
	@scripts/b4.sh '$(THREAD)' '$(VERSION)'

apply-check: ## check for each thread whether it applies to KDIR, a tree or a .tar.xz
	@$(MAKE) --no-print-directory KDIR= tree
	@scripts/apply_check.py '$(KDIR)'

build: setup tree ## build the kernel and the guest of FLAVOUR
	@scripts/build.sh $(ONE)

run: build ## boot FLAVOUR and run the demonstration, or CMD
	@scripts/run.sh $(ONE) '$(subst ','\'',$(value CMD))'

shell: build ## start an interactive shell in FLAVOUR
	@scripts/shell.sh $(ONE)

test: setup tree ## run all tests except those of slow on rust, c and debug (x86_64), or on rust (others)
	@scripts/build_all.sh $(FLAVOURS)
	@$(TEST) $(FLAVOURS) --tests '$(TESTS)'

quick: build ## run our own suites and KUnit on one flavour
	@$(TEST) $(ONE) --quick

slow: build ## run the suites that take minutes: pidfd_test, fuse_memory_test, longer stress tests
	@$(TEST) $(ONE) --slow

torture: setup tree ## destroy what handles identify while they are used, for MINUTES, on debug
	@scripts/build.sh debug
	@scripts/torture.py --minutes '$(MINUTES)'

kunit: setup tree ## run the KUnit suites and doctests on UML with kunit.py, without QEMU
	@scripts/kunit.sh $(if $(JSON),--json='$(abspath $(JSON))') $(KUNIT)

coverage: setup tree ## print the lines of the series that `make quick` executes
	@scripts/build.sh $(SYMBOLS)
	@scripts/coverage.py $(SYMBOLS) $(if $(TESTS),--tests '$(TESTS)')

bench: setup tree ## measure each call on the base, c and rust in instructions: tables and charts
	@scripts/setup.sh bench
	@scripts/bench.py $(or $(FLAVOUR),base/c c rust)

fuzz: setup tree ## compare the outcomes of CASES random calls on FLAVOUR (default: c and rust)
	@$(if $(CONTROLS),scripts/fuzz_controls.py,scripts/build_all.sh $(FUZZED) && scripts/fuzz.py $(FUZZED) \
		$(if $(REPLAY),--replay '$(REPLAY)')) $(FUZZ)
	@$(FUZZ_FUSE)

check: setup tree ## run rustfmt, clippy, rustdoc, kernel-doc, checkpatch and shellcheck; build a minimal kernel
	@scripts/setup.sh check
	@scripts/check.sh

docs: tree ## build our documents with Sphinx: HTML in build/docs; fails on a warning
	@scripts/setup_docs.sh
	@scripts/docs.sh

fixes: setup tree ## check that the tests of each fix in C fail before the fix and pass after it
	@scripts/fixes.sh

prove: tree ## check the models with Spin, and that each guard in them is needed
	@scripts/setup.sh prove
	@rm -rf build/prove
	@build/linux/tools/verification/file-handles/prove.py -o build/prove $(J:%=-j%) $(MODEL)

items: tree ## list the public items of the Rust code and their users; fail if one has none
	@scripts/public_items.py

sizes: tree ## print lines, public items and unsafe blocks by file, compared with FROM
	@scripts/sizes.py $(FROM)

unsafe: tree ## list each piece of unsafe code with its argument; fails if one has none
	@scripts/unsafe_code.py

mutants: setup tree ## judge small faults in FILES of the series for HOURS: the tests must notice each
	@scripts/setup_mutants.sh
	@scripts/build.sh rust
	@$(if $(REACH),,scripts/build.sh c)
	@rc=0; for flavour in rust $(if $(REACH),,c); do \
		MUTANTS_FLAVOUR=$$flavour scripts/mutants.py --files '$(FILES)' --hours $(HOURS) \
			$(if $(CONTROLS),--controls) $(if $(REACH),--reach) || rc=$$?; \
	done; exit $$rc

patches: setup tree ## check and build each patch of THREAD or of all, and test each thread
	@scripts/setup.sh check
	@scripts/patches.py --thread '$(THREAD)'

ide: build ## write rust-project.json and compile_commands.json to build/linux, for editors
	@scripts/ide.sh $(ONE)

gdb: setup tree ## debug the kernel of the flavour symbols in gdb while the guest runs CMD
	@scripts/setup.sh gdb
	@scripts/build.sh $(SYMBOLS)
	@scripts/gdb.sh $(SYMBOLS) '$(subst ','\'',$(value CMD))' $(GDB)

artifacts: build ## write the files that kernel CI systems need to build/artifacts
	@scripts/artifacts.sh $(ONE)

clean: ## remove build products, but keep build/linux
	@scripts/clean.sh

distclean: ## also remove build/linux; fail if it holds work that is not imported
	@scripts/clean.sh all
