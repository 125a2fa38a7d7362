# Every target makes .venv by itself when it is missing or older than pyproject.toml.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
PB := kubeletsim/pb

# Much of the suite waits for processes, so there are more workers than a small machine has cores. A file's tests stay
# together, since they may share what a fixture has started; in their order the long ones are not the last.
WORKERS := -n 4 --dist loadfile --no-loadscope-reorder

# Images of Python are often told to write no bytecode. Each of thousands of short processes would compile it all again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test check e2e bench screenshots proto clean conformance e2e-real lives

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.dev ## make .venv with everything a developer needs

demo: $(VENV)/.run ## run a stub, a kubelet and a trace receiver, and print the trace of a pod start
	@$(BIN)/kubeletsim demo $(ARGS)

test: $(VENV)/.dev ## unit, contract and end-to-end tests
	@$(BIN)/python -m pytest -q $(WORKERS) $(ARGS)

e2e: $(VENV)/.dev ## only the tests that run real processes
	@$(BIN)/python -m pytest -q -m e2e $(ARGS)

e2e-real: $(VENV)/.dev ## tests against a real runtime: KUBELETSIM_RUNTIME_ENDPOINT=unix://…
	@$(BIN)/python -m pytest -q -m real tests/real $(ARGS)

lives: $(VENV)/.dev ## lead a node through a thousand random lives (LIVES=1000); minutes
	@KUBELETSIM_LIVES=$(or $(LIVES),1000) $(BIN)/python -m pytest -q tests/pods/test_convergence.py $(ARGS)

check: $(VENV)/.dev ## format, lint, types, layers: what CI runs first
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/.dev ## measure; prints one table
	@$(BIN)/python -m bench $(ARGS)

conformance: $(VENV)/.dev ## run the critest on PATH against a stub; prints a table
	@$(BIN)/python -m bench.conformance $(ARGS)

screenshots: $(VENV)/.dev ## picture the web page for docs/images, light and dark; needs chromium
	@$(BIN)/python -m tests.screenshots docs/images

proto: $(VENV)/.dev ## regenerate kubeletsim/pb from proto/
	@$(BIN)/python -m grpc_tools.protoc \
	  --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc \
	  -I$(PB)=proto --python_out=. --grpc_python_out=. --mypy_out=quiet:. --mypy_grpc_out=quiet:. $(PB)/cri.proto

clean: ## remove .venv and caches
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(VENV)/.pip:
	@echo "making $(VENV)"
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"kubeletsim needs Python 3.11 or newer; {sys.executable} is {v[0]}.{v[1]}: set PYTHON=…")'
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.run: pyproject.toml | $(VENV)/.pip
	@echo "installing kubeletsim into $(VENV)"
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.run
	@echo "installing the development tools into $(VENV)"
	@$(PIP) install --group dev
	@touch $@
