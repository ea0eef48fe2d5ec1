# What a person does with this project. `make help` lists it.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV ?= .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt

# The first interpreter that is new enough and can make virtual environments; say PYTHON=... to choose another.
PYTHON ?= $(shell for candidate in python3 python3.13 python3.12 python3.11 python; do \
	"$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo "$$candidate" && break; done)

# Further words for the program that a target runs: make demo ARGS="--data ../dogs", make test ARGS="-k bucket"
ARGS ?=
# How many processes run the tests.
JOBS ?= 2

.PHONY: help install demo test test-all check bench docs clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.installed-test ## Make the virtual environment, with all that the demo and the tests need

demo: $(VENV)/.installed-demo ## Train, deploy and ask a dog-breed model on this machine; ARGS="--data DIR" for your own
	@$(BIN)/coldframe demo $(ARGS)

test: $(VENV)/.installed-test ## Run the tests but the slow ones
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -q $(ARGS)

test-all: $(VENV)/.installed-test ## Run all tests
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -q -m "" $(ARGS)

check: $(VENV)/.installed-test ## Check style, types, import contracts and tidiness
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m pytest -q tests/tidy

bench: $(VENV)/.installed-bench ## Measure how fast it is here, beside others; takes some minutes
	@$(BIN)/python -m benchmarks $(ARGS)

docs: $(VENV)/.installed-test ## Write the generated pages of docs/ anew
	@$(BIN)/python docs/generate.py

clean: ## Take away the virtual environment and everything that can be made again
	rm -rf $(VENV) build dist src/*.egg-info coldframe-demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps below are remade, that is pip runs again, only when the environment or what it is to hold has changed.

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Coldframe needs Python 3.11 or newer with its venv module, and found none." >&2; \
		echo "Install it (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python)," >&2; \
		echo "or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi
	@echo "Making a virtual environment in $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV)

$(VENV)/.installed-demo: $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing what the demo needs; PyTorch is large, so this may take some minutes the first time"
	@$(PIP_INSTALL) --editable ".[demo]"
	@touch $@

$(VENV)/.installed-test: $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing what the tests need; PyTorch is large, so this may take some minutes the first time"
	@$(PIP_INSTALL) --editable ".[demo,test]"
	@touch $@ $(VENV)/.installed-demo

$(VENV)/.installed-bench: $(VENV)/.installed-test
	@echo "Installing what the benchmarks compare with"
	@$(PIP_INSTALL) --editable ".[demo,test,bench]"
	@touch $@
