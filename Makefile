# A thin front for CMake: `make` builds build/uwsk, `make demo` shows it, `make check` tests it.
#   PRESET=release|debug|asan|tsan|clang picks the build; PREFIX=/usr/local is where `make install` puts it.
PRESET ?= release
BUILD  := $(if $(filter release,$(PRESET)),build,build-$(PRESET))
PREFIX ?= /usr/local

all: configure
	@cmake --build $(BUILD)

configure:
	@command -v cmake >/dev/null && command -v ninja >/dev/null || tools/install-deps.sh
	@test -f $(BUILD)/build.ninja || cmake --preset $(PRESET)

deps:
	@tools/install-deps.sh

demo: deps
	@$(MAKE) --no-print-directory all
	@tools/demo.sh $(BUILD)

check: deps
	@$(MAKE) --no-print-directory all
	@tools/check.sh $(BUILD)

check-full: deps
	@$(MAKE) --no-print-directory all
	@tools/check.sh --full $(BUILD)

# QUICK=1: half a minute instead of two.
bench:
	@tools/install-deps.sh bench
	@$(MAKE) --no-print-directory configure
	@cmake -S . -B $(BUILD) >/dev/null
	@cmake --build $(BUILD) --target bench
	@python3 bench/bench.py $(BUILD) $(if $(QUICK),--quick)

# Each planted bug of tests/defects from 20 first seeds with each scheduler: about three minutes.  QUICK=1: from 3.
bench-explore: deps
	@$(MAKE) --no-print-directory configure
	@cmake -S . -B $(BUILD) >/dev/null
	@cmake --build $(BUILD) --target bench-explore defects
	@python3 bench/explore.py $(BUILD) $(if $(QUICK),--starts 3)

rules: deps
	@$(MAKE) --no-print-directory all
	@tools/rules.sh $(BUILD) --write docs/conformance.md

# Breaks uwsk on purpose, in one place at a time: each mistake must be noticed by a test (tests/mutants/README.md).
# MUTANTS="--sample 4 --seed 7": only some; MUTANTS=--help: all options.
mutants: deps
	@$(MAKE) --no-print-directory all
	@tools/mutate.py $(MUTANTS) $(BUILD)

# libFuzzer for 60 seconds on each target (tests/fuzz/README.md).  FUZZ="3600 calls": an hour of one.
FUZZ = 60
fuzz: deps
	@$(MAKE) --no-print-directory PRESET=asan all
	@build-asan/tests/own_net tests/fuzz/run.sh $(firstword $(FUZZ)) --in build-asan $(wordlist 2,99,$(FUZZ))

install: all
	@cmake --install $(BUILD) --prefix $(PREFIX)

clean:
	@rm -rf build build-debug build-asan build-tsan build-clang

.PHONY: all configure deps demo check check-full bench bench-explore rules mutants fuzz install clean
