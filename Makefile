# Everything a developer does with this repository. Needs Python 3.11 or newer and make; nothing else.
# `make` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV     := .venv
BIN      := $(VENV)/bin
STAMP    := $(VENV)/.installed
LOCK_ENV := .cache/lock-env
PYTEST   := $(BIN)/python -m pytest
# Of the everyday tests at a time: on two cores, because many wait.
WORKERS  ?= 3
# Compiled code is kept beside its source: without it each of the hundreds of commands that the tests run compiles Herder anew.
unexport PYTHONDONTWRITEBYTECODE
WORLDS   := tests/simulation tests/mutants tests/proxmox tests/datacentre

# The first interpreter that is new enough and really runs; PYTHON=/path/to/python chooses another.
PYTHON ?= $(shell for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then echo "$$candidate"; break; fi; done)

##@ Use
.PHONY: help setup demo demo-datacentre demo-clouds serve

help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z][a-z-]*:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile
	@echo

setup: $(STAMP) ## make .venv from the lock (with hashes) and install herder in it
	@echo "ready: $(BIN)/herder"

demo: $(STAMP) ## a whole small world on this machine, to look at
	@$(BIN)/herder demo

demo-datacentre: $(STAMP) ## virtual machines that become nodes of a cluster, live and are removed
	@$(BIN)/herder demo --datacentre

demo-clouds: $(STAMP) ## one pool on three clouds: a stock-out, spot VMs that are taken back, a quota
	@$(BIN)/herder demo --clouds

serve: $(STAMP) ## run the server here
	@$(BIN)/herder up

##@ Test
.PHONY: test test-fast test-slow test-worlds test-real test-browser test-images test-kubernetes storm mutants soak bench tables
.PHONY: check check-lint check-format check-types check-imports check-tidy check-docs

test: test-fast test-slow ## all tests except the browser's

test-fast: $(STAMP) ## the everyday tests
	@$(PYTEST) -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not browser and not slow and not storm and not images"

# Of the simulated worlds a few: three days of a fleet and forty storms. `make soak` runs these and many more.
test-slow: $(STAMP) ## long simulations and other slow tests, with fixed seeds
	@bash tests/support/slow

# On virtual time: nothing in them waits for the machine, so they share it, and take as long as it is busy with other things.
test-worlds: $(STAMP) ## of the slow tests the simulated worlds
	@PYTHONHASHSEED=0 $(PYTEST) -n 2 --dist worksteal -m "slow and not browser and not storm and not images" --timeout 900 --hypothesis-seed=0 $(WORLDS)

test-real: $(STAMP) ## of the slow tests those with real processes, one after another
	@bash tests/support/podman
	@bash tests/support/prometheus
	@PYTHONHASHSEED=0 $(PYTEST) -m "slow and not browser and not storm and not images" --hypothesis-seed=0 $(addprefix --ignore=,$(WORLDS))

test-browser: $(STAMP) ## the dashboard in a real Chromium (found, or installed when root on Debian)
	@chromium="$$(bash tests/support/chromium)"; \
	CHROMIUM="$$chromium" $(PYTEST) -m browser || test $$? -eq 5

test-images: $(STAMP) ## build the container images and run a job with them; needs podman
	@bash tests/support/podman
	@$(PYTEST) -m images tests/packages

# HERDER_TEST_KUBECONFIG=file asks that cluster instead of our own server; the report says which.
test-kubernetes: $(STAMP) ## all tests of Kubernetes, against our own server or a real one
	@$(PYTEST) tests/kubernetes

# STORM_ROUNDS=5 makes it shorter, STORM_SEED=7 another one. Takes about 15 minutes; not part of `make test`.
storm: $(STAMP) ## kill, stop and cut off server and agents under load, on both stores
	@$(PYTEST) -m storm -s tests/storm

# ONLY="epoch quota" looks for those whose guard has such a word, OUTPUT=json prints the table so, CPU=200 tries longer. Takes about
# 10 minutes; not part of `make test`.
mutants: $(STAMP) ## take out each guard of the product by name and see which rule of the simulated world notices
	@PYTHONHASHSEED=0 $(BIN)/python -m tests.mutants $(ONLY) $(if $(OUTPUT),--output $(OUTPUT)) $(if $(CPU),--cpu $(CPU))

# DATACENTRES=20 makes fewer worlds of a datacentre, ROSA_WORLDS=2 fewer of a ROSA cluster, of two days each. DAYS=10 CLUSTER_DAYS=2 CRASH_POINTS=1000 MANY_SEEDS=40 makes it shorter, FIRST_SEED=500 another one, PROCESSES=2 runs two worlds at a time. Takes hours, and goes on
# where it was stopped.
soak: $(STAMP) ## a hundred days of a simulated fleet, twenty of a Kubernetes cluster, ten thousand deaths of the server, with all faults
	@$(BIN)/python -m tests.soak $(if $(DAYS),--days $(DAYS)) $(if $(CLUSTER_DAYS),--cluster-days $(CLUSTER_DAYS)) $(if $(CRASH_POINTS),--crash-points $(CRASH_POINTS)) \
		$(if $(FIRST_SEED),--first-seed $(FIRST_SEED)) --processes $(or $(PROCESSES),1)
	@$(BIN)/python -m tests.datacentre.story 1 $(or $(DATACENTRES),200)
	@$(BIN)/python -m tests.datacentre.story deaths
	@$(BIN)/python -m tests.rosa.story 1 $(or $(ROSA_WORLDS),20)
	@$(BIN)/python -m tests.rosa.story deaths
	@MANY_SEEDS=$(or $(MANY_SEEDS),100) PYTHONHASHSEED=0 $(PYTEST) -m slow -k many_more_seeds tests/simulation/test_faults.py

check: check-lint check-format check-types check-imports check-tidy check-docs ## lint, format, types, import direction, tidiness, generated documents

check-lint: $(STAMP)
	@echo "== ruff check"; $(BIN)/ruff check .

check-format: $(STAMP)
	@echo "== ruff format --check"; $(BIN)/ruff format --check .

check-types: $(STAMP)
	@echo "== mypy"; $(BIN)/mypy

check-imports: $(STAMP)
	@echo "== lint-imports"; $(BIN)/lint-imports --no-logo

check-tidy: $(STAMP)
	@$(PYTEST) tests/tidy

check-docs: $(STAMP)
	@echo "== generated documents"; $(BIN)/python docs/generate.py --check

# ONLY="noop-jobs decisions" measures only these, STORE=postgres (or "sqlite postgres") on that store, RUNS=5 takes medians of five,
# OUTPUT=json or markdown prints them so, QUICK=1 takes small sizes: a minute, and rough figures. PEERS=1 compares with
# other job systems instead: ONLY=huey with this one, ROUNDS=5 takes medians of five.
bench: $(STAMP) ## measure speed and print the numbers (PEERS=1: ratios to other job systems)
	@if [ -n "$(PEERS)" ]; then exec $(BIN)/python -m bench.peers $(ONLY) $(if $(ROUNDS),--rounds $(ROUNDS)) \
		$(if $(OUTPUT),--output $(OUTPUT)) $(if $(QUICK),--quick); fi; \
	exec $(BIN)/python -m bench $(ONLY) $(foreach each,$(STORE),--store $(each)) $(if $(RUNS),--runs $(RUNS)) \
		$(if $(OUTPUT),--output $(OUTPUT)) $(if $(QUICK),--quick)

# TRACES=folder takes the full traces instead of the shipped excerpts; ONLY=surf runs one; MISSING=1 goes on with a stopped run.
tables: $(STAMP) ## replay all traces with all policies, write the tables of docs/performance.md
	@$(BIN)/python -m bench.traces.write $(if $(TRACES),--traces $(TRACES)) $(foreach each,$(ONLY),--only $(each)) $(if $(MISSING),--missing)

##@ Maintain
.PHONY: docs lock clean

docs: $(STAMP) ## write the generated documents again
	@$(BIN)/python docs/generate.py

# UPGRADE=1 takes the newest versions; without it only what pyproject.toml asks for changes.
LOCK := $(LOCK_ENV)/bin/uv pip compile pyproject.toml --quiet --no-config --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --extra postgres $(if $(UPGRADE),--upgrade)

# What the container image has beside the runtime: packaging/containers.
IMAGE_EXTRAS := $(foreach each,data gcp mcp otel proxmox redis secrets talos,--extra $(each))

lock: | $(LOCK_ENV) ## resolve the dependencies and write requirements/*.lock (UPGRADE=1: newest versions)
	@export UV_CUSTOM_COMPILE_COMMAND="make lock"; \
	$(LOCK) --output-file requirements/runtime.lock; \
	$(LOCK) --group dev --constraint requirements/runtime.lock --output-file requirements/dev.lock; \
	$(LOCK) $(IMAGE_EXTRAS) --constraint requirements/dev.lock --output-file requirements/image.lock
	@grep -c '^[a-z0-9].*==' requirements/runtime.lock requirements/dev.lock requirements/image.lock

clean: ## remove .venv, caches and build output
	@rm -rf $(VENV) .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	@find src bench tools tests docs -name __pycache__ -type d -prune -exec rm -rf {} +

# ---------------------------------------------------------------------------------------------------------------------
$(STAMP): requirements/dev.lock pyproject.toml
	@if [ -z "$(PYTHON)" ]; then \
		echo "Herder needs Python 3.11 or newer, and none was found as python3, python3.11 … python3.14."; \
		echo "Install one (Debian, Ubuntu: apt install python3 python3-venv) or name it: make setup PYTHON=/path/to/python3.12"; \
		exit 1; fi >&2
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "$(PYTHON) is $$("$(PYTHON)" -V 2>/dev/null || echo 'no Python that runs'); Herder needs Python 3.11 or newer."; \
		echo "Name another: make setup PYTHON=/path/to/python3.12"; \
		exit 1; } >&2
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) has no venv module. Debian, Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "setup 1/3: $(VENV)"
	@test -x $(BIN)/python && $(BIN)/python -c 'import pip' 2>/dev/null || "$(PYTHON)" -m venv --clear $(VENV)
	@echo "setup 2/3: packages of requirements/dev.lock, each checked against its hash"
	@bash requirements/install $(BIN)/python requirements/dev.lock
	@echo "setup 3/3: herder itself, editable"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable .
	@touch $@

$(LOCK_ENV):
	@test -n "$(PYTHON)" || { echo "make lock needs Python 3.11 or newer" >&2; exit 1; }
	@"$(PYTHON)" -m venv $@
	@$@/bin/python -m pip install --quiet --disable-pip-version-check uv
