# Everything a person does with this repository: `make help` lists it.
# The virtual environment is .venv; versions are pinned in requirements.lock; groups are in pyproject.toml.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help install serve test lint bench node-packages

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
PACKAGES := cliproxy_site providers routing oauth management_api
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
ARGS ?=
PYTEST_ARGS ?=

help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

install: $(STAMPS)/run ## Make the virtual environment and install what serving needs

serve: $(STAMPS)/run ## Start the gateway (ARGS="--port 9000 --config config.yaml")
	@exec $(BIN)/python manage.py serve $(ARGS)

test: lint node-packages ## Run every check and every test (PYTEST_ARGS="-k stream")
	@PATH="$(CURDIR)/$(BIN):$$PATH" tests/run.sh $(PYTEST_ARGS)

lint: $(STAMPS)/test ## Run ruff, mypy, import-linter, the migration and deployment checks
	@PATH="$(CURDIR)/$(BIN):$$PATH" tests/lint.sh

bench: $(STAMPS)/test ## Measure beside a bare prototype, LiteLLM and Portkey (ARGS="--quick")
	@$(BIN)/python -m tests.bench.run $(ARGS)
	@status=0; for part in streams tables reload; do \
	  $(BIN)/python -m tests.bench.$$part || status=1; \
	done; exit $$status

$(BIN)/python:
	@for candidate in python3.13 python3.12 python3.11 python3 python; do \
	  if "$$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    "$$candidate" -m venv --clear $(VENV) && exit 0; \
	    echo "$$candidate cannot make a virtual environment; on Debian: apt-get install python3-venv." >&2; exit 1; \
	  fi; \
	done; \
	echo "The gateway needs Python 3.11 or newer; none of python3.13, 3.12, 3.11, python3 is." >&2; exit 1

$(STAMPS)/pip: $(BIN)/python
	@$(PIP) install -c requirements.lock pip
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/run: $(STAMPS)/pip pyproject.toml requirements.lock
	@echo "Installing the gateway's packages into $(VENV) ..."
	@$(PIP) install -c requirements.lock --group run
	@$(BIN)/python -m compileall -q $(PACKAGES) # as pip does with the rest: a start need not
	@touch $@

$(STAMPS)/test: $(STAMPS)/run
	@echo "Installing the test packages into $(VENV) ..."
	@$(PIP) install -c requirements.lock --group test
	@touch $@

node-packages: # for tests only, and only where Node is: without it those tests say why they are skipped
	@if command -v npm >/dev/null 2>&1; then \
	  cmp -s tests/package-lock.json tests/node_modules/.installed-lock || { \
	    cd tests && npm ci --silent --no-audit --no-fund && cp package-lock.json node_modules/.installed-lock; \
	  }; \
	fi
