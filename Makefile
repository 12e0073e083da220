# `make demo` and `make test` are all that a fresh machine needs; both say what they do. `make help` lists the rest.

VENV ?= .venv
# The first Python that is new enough.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN = $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable
HOST ?= 127.0.0.1
PORT ?= 8000

.DEFAULT_GOAL := help
.PHONY: help demo serve models test check lint format types wheel clean

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "  make %-8s %s\n", $$1, $$2}'

demo: $(VENV)/.installed-large ## set up, fetch and verify the models, start the server, extract a sample receipt, stop
	@$(MAKE) --no-print-directory models
	@echo "==> starting the server and extracting docs/samples/receipt.txt"
	@$(BIN)/python deploy/demo.py

serve: $(VENV)/.installed-large ## start the server and leave it running (HOST, PORT)
	@$(MAKE) --no-print-directory models
	@echo "==> serving on http://$(HOST):$(PORT) (interactive documentation at /docs); Ctrl-C stops it"
	@exec $(BIN)/cascade serve --host $(HOST) --port $(PORT)

# Without the base the large tier cannot answer; rules and student still do, so this is no reason to stop.
models: $(VENV)/.installed-large
	@echo "==> fetching and verifying base models"
	@$(BIN)/cascade models fetch || echo "==> going on without the base model: the rules and the student still answer"

test: $(VENV)/.installed-dev ## set up and run the tests (ARGS="..." for pytest)
	@echo "==> running the tests"
	@$(BIN)/python -m pytest $(ARGS)

check: ## lint, types and tests, as CI runs them
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory types
	@$(MAKE) --no-print-directory test

lint: $(VENV)/.installed-dev ## check style and formatting
	@echo "==> ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(VENV)/.installed-dev ## format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: $(VENV)/.installed-dev ## check types
	@echo "==> mypy"
	@$(BIN)/mypy

wheel: $(VENV)/.installed-dev ## build the wheel into dist/
	@$(BIN)/python -m build --wheel

clean: ## remove what these commands made (not the fetched models)
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find gateway training tests deploy benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.created:
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer found; name one with make PYTHON=/path/to/python3" >&2; exit 2; }
	@echo "==> creating $(VENV) with $(PYTHON) ($$($(PYTHON) -c 'import platform; print(platform.python_version())'))"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed-large: pyproject.toml constraints.txt | $(VENV)/.created
	@echo "==> installing the gateway and the local large tier into $(VENV) (torch is large: this takes a while)"
	@$(INSTALL) '.[large]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/.created
	@echo "==> installing the gateway, training and development tools into $(VENV) (torch is large: this takes a while)"
	@$(INSTALL) '.[dev]'
	@touch $@ $(VENV)/.installed-large
