# Everything a person or CI runs. `make` or `make help` lists it.
#
#   make demo                         a release on this machine, under load
#   make demo STRATEGY=canary         (or linear) in steps
#   make demo-bad                     a release that fails a tenth of all requests, and is taken back
#   make demo SPEED=2 ARGS=--kill-operator
#
# `demo` and `test` need Rust and make alone; `make tools` brings what the other checks need.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

# Tools of `make tools` come before the machine's own.
export PATH := $(CURDIR)/.tools/bin:$(PATH)
# A test never rewrites its own expectation.
export INSTA_UPDATE ?= no

CARGO ?= cargo
# Where cargo puts what it builds.
TARGET := $(or $(CARGO_TARGET_DIR),target)

# Options of `teal demo`; empty means its own default.
SPEED ?=
STRATEGY ?=
ARGS ?=
DEMO = demo $(if $(SPEED),--speed $(SPEED)) $(if $(STRATEGY),--strategy $(STRATEGY)) $(ARGS)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build teal, dev profile
	$(CARGO) build --locked -p teal

.PHONY: demo
demo: build ## a release on this machine under load (SPEED=… ARGS=…)
	@$(TARGET)/debug/teal $(DEMO)

.PHONY: demo-bad
demo-bad: build ## a release that fails a tenth of all requests is found and taken back
	@$(TARGET)/debug/teal $(DEMO) --bad-release

# One test more than there are processors: those of whole processes mostly wait.
TEST_THREADS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))

.PHONY: test
test: check-manifests doc-test ## all tests; says what it leaves out for want of a tool
	@tools/require aws "the emulator driven by an unmodified AWS CLI"
	@tools/require $(CURDIR)/.tools/conformance/bin/python "the emulator judged by botocore and moto"
	@if $(CARGO) nextest --version >/dev/null 2>&1; \
	then $(CARGO) nextest run --locked --workspace --no-fail-fast --test-threads $(TEST_THREADS); \
	else $(CARGO) test --locked --workspace --lib --bins --tests --no-fail-fast; fi

# Some minutes: a thousand seeded rollouts and single faults at every call that says something new.
.PHONY: sdk-simulation
sdk-simulation: ## the operator with its SDK clients under faults, in virtual time
	TEAL_DOSE=full $(CARGO) test --locked --workspace --test sdk_simulation --test faults

# Some minutes: more than a hundred thousand rollouts, among them every single fault of every kind of plain release.
.PHONY: simulation
simulation: ## planner, executor, queue and lease under faults as data, in virtual time
	TEAL_DOSE=full $(CARGO) test --locked --workspace --test rollouts -- --nocapture

# Some minutes: half a million worlds, and a third as many with steps, gates, verbs, alarms, workers and updates in place.
.PHONY: total-repair
total-repair: ## every syntactically possible world converges or holds with a reason
	TEAL_DOSE=full $(CARGO) test --locked --workspace --test total_repair -- --nocapture

.PHONY: doc-test
doc-test: ## the examples in the documentation
	$(CARGO) test --locked --workspace --doc --quiet

.PHONY: tools
tools: ## install promtool, cfn-lint, the AWS CLI, botocore and moto into .tools
	@tools/install

.PHONY: fmt
fmt: ## format
	$(CARGO) fmt --all

.PHONY: fmt-check
fmt-check: ## fail when something is not formatted
	$(CARGO) fmt --all --check

.PHONY: lint
lint: ## clippy without warnings, with the emulator and without
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked -p teal --no-default-features -- -D warnings

.PHONY: check-manifests
check-manifests: ## alert rules and their tests, CloudFormation, IAM
	@tools/check-manifests

.PHONY: deny
deny: ## dependencies: one TLS and one hyper stack, licences, sources
	@tools/lock-check
	@if $(CARGO) deny --version >/dev/null 2>&1; \
	then $(CARGO) deny --locked check bans licenses sources; \
	else echo "left out: licences and sources of dependencies (cargo-deny is not installed: cargo install cargo-deny)"; fi

.PHONY: bench
bench: ## the numbers of the README's table
	$(CARGO) build --locked --release -p tests -p teal --bins
	@$(TARGET)/release/bench $(ARGS)

# TEAL_DOSE says how much the tests search: small (the default), full (more of the simulation with SDK clients) or
# nightly. Ten thousand cases a property, where it sets no number of its own, instead of 256.
.PHONY: nightly
nightly: ## the tests with many more cases; takes long
	TEAL_DOSE=nightly PROPTEST_CASES=$(or $(PROPTEST_CASES),10000) $(CARGO) test --locked --release --workspace --lib --tests

# Every small way to break a file: a test of the planner or the runtime must notice. docs/mutants.md has what was seen.
MUTANTS ?=
.PHONY: mutants
mutants: .tools/bin/cargo-mutants ## break planner, executor and queue: do tests notice? (MUTANTS="files")
	@tools/mutants $(MUTANTS)

.tools/bin/cargo-mutants:
	$(CARGO) install --locked --root .tools --target-dir $(TARGET) cargo-mutants@27.1.0

.PHONY: image
image: ## the container image, teal:dev
	docker build --tag teal:dev .

.PHONY: clean
clean: ## remove what was built and .tools
	$(CARGO) clean
	rm -rf .tools
