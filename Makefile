# One entry for everything a person or a CI does here.  `make` alone prints the targets.
# All of it happens below build/; only `make test` as root touches more (CONTRIBUTING.md).

PYTHON ?= /usr/bin/python3
VENV := build/venv
BIN := $(VENV)/bin
NATIVE := $(shell find csrc pyrootless -name '*.[ch]' -o -name '*.p[yx][xdi]' -o -path '*/seccomp/build.py' 2>/dev/null)
FORMATTED = $(shell find csrc tests benchmarks -name '*.[ch]' -not -path '*/corpus/*' 2>/dev/null)
export PYTHON
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# yyjson from source, wherever pip or build copies the tree to.
export PYROOTLESS_YYJSON_SOURCE ?= $(CURDIR)/build/yyjson

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help deps build run test test-hostile test-faults test-class test-ways test-docker test-vm mutate-security fuzz check lint docs asan soak bench bench-pytest bench-sandbox bench-setup clean dist packages-build packages-test

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

packages-build:
	@tools/install-packages build
packages-test:
	@tools/install-packages build test

$(VENV)/.stamp: tools/requirements.txt tools/make-venv | packages-build
	tools/make-venv $(VENV)
	@touch $@

build/yyjson/yyjson.c: tools/fetch-yyjson | $(VENV)/.stamp
	tools/fetch-yyjson $(BIN)/pip build/yyjson
	@touch $@

deps: $(VENV)/.stamp build/yyjson/yyjson.c ## prepare build/venv and yyjson's source

build/.installed: $(NATIVE) setup.py pyproject.toml tools/native.py $(VENV)/.stamp build/yyjson/yyjson.c
	$(BIN)/pip install --quiet --no-build-isolation --no-deps --editable .
	@touch $@

build: build/.installed ## build everything and install it into build/venv (editable)

run: build ## start a container and print what a program in it printed
	@echo '$$ pyrootless run --rm host sh -c …'
	@$(BIN)/pyrootless run --rm host sh -c 'echo "hello from a container: I am $$(id -un), process $$$$, and see $$(ls /home | wc -l) home"'

test: packages-test deps ## run all tests: in every context this user can make
	@$(PYTHON) tools/run_tests.py

test-hostile: build ## the hostile corpus in every way: with and without groups, eight at once, warm
	PYROOTLESS_TEST_HOSTILE=all $(BIN)/pytest -q -p no:cacheprovider tests/integration/test_hostile.py

test-faults: build ## each call around each box of a batch fails in turn, and its processes die: some hours
	PYROOTLESS_TEST_FAULTS=all $(BIN)/pytest -q -p no:cacheprovider tests/faults/test_one_run_fails.py

test-class: build ## a class of 400, every second submission an attack, judged twice: half an hour
	PYROOTLESS_TEST_CLASS=400 $(BIN)/pytest -q -p no:cacheprovider tests/integration/test_class.py

test-ways: build ## the security tests by a holder and in prepared containers, not directly alone
	for way in holder prepared; do PYROOTLESS_TEST_WAY=$$way $(BIN)/pytest -q -p no:cacheprovider tests/security || exit 1; done

test-docker: build ## the same commands under a real Docker Engine, as root: some minutes (PYROOTLESS_RECORD=1 writes its answers)
	PYROOTLESS_TEST_DOCKER=1 $(BIN)/pytest -q -p no:cacheprovider tests/differential

test-vm: deps build ## tests on every kind of host, in virtual machines (half an hour)
	@tools/install-packages vm
	$(PYTHON) tests/vm/vm.py build
	PYROOTLESS_TEST_VM=1 $(BIN)/python -m pytest -q -p no:cacheprovider tests/vm

mutate-security: deps build ## take one safeguard away at a time (ONLY="words": some); its tests must fail
	$(BIN)/python tools/mutate_security.py $(ONLY)

fuzz: SECONDS ?= 60
fuzz: deps build ## attack every parser for SECONDS=60 each, with TARGETS="spec tar" only those
	@tools/install-packages fuzz
	$(BIN)/python tools/fuzz.py $(SECONDS) $(TARGETS)

lint: deps ## formatters, linters and the type checker
	$(BIN)/clang-format --dry-run -Werror $(FORMATTED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: export PYROOTLESS_WERROR = 1
check: lint build asan test ## lint, warnings as errors, sanitizers, all tests

docs: build ## regenerate man pages and completions from the table of options
	$(BIN)/python tools/gen_docs.py

asan: deps ## build with ASAN and UBSAN into build/asan, and run the launcher and the C tests
	tools/asan

soak: build ## 10,000 starts in a loop, 500 at once, 1,000 rounds of kills: nothing left
	PYROOTLESS_SOAK_ROUNDS=1000 $(BIN)/pytest -q -p no:cacheprovider --timeout=3600 tests/integration/test_killed_anywhere.py
	PYROOTLESS_MANY=25 $(BIN)/pytest -q -p no:cacheprovider --timeout=3600 tests/integration/test_many.py

bench-setup: ## install what the benchmarks compare with
	@tools/install-packages build bench

bench-sandbox: build ## measure the sandbox beside its aims: some minutes, as an ordinary user
	$(BIN)/python benchmarks/bench_sandbox.py --rounds $(or $(ROUNDS),100)

bench: build ## measure the launch beside its floor and its peers
	$(BIN)/python benchmarks/bench.py --rounds $(or $(ROUNDS),100)

bench-pytest: build ## measure by groups with pytest-benchmark (ARGS="--benchmark-autosave"): a minute
	$(BIN)/pytest -q -p no:cacheprovider benchmarks --benchmark-storage=file://build/benchmarks $(ARGS)

dist: deps ## sdist and wheel into dist/
	$(BIN)/python -m build --quiet --outdir dist .

clean: ## remove everything that was built
	rm -rf build dist *.egg-info pyrootless/*/*.so .pytest_cache .mypy_cache .ruff_cache .hypothesis
