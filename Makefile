# Everything that one does with a checkout. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help setup images demo test check lint types floors suite browser vm bench lock clean

# Containers need root: where you aren't, sudo asks. Root leaves no byte code of its own in your checkout.
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || ! command -v sudo || echo env PYTHONDONTWRITEBYTECODE=1)
BIN := .venv/bin

help: ## List the targets.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

setup: ## Install what is missing: Debian packages, Python packages, the worker image.
	@setup/setup

images: setup ## Build all worker images, unless they are there (2 GB; ten minutes at most).
	@$(AS_ROOT) $(BIN)/cloister image build --all

demo: setup ## Run a clean room with a hospital, a lab and an analyst, on data that lies here.
	@$(AS_ROOT) $(BIN)/cloister demo

test: setup lint types floors suite ## Check everything, as CI does: lint, types, floors, tests with coverage.

check: test ## The same as test.

lint: setup
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@echo "ruff: no complaints"

types: setup
	@$(BIN)/mypy

floors: setup
	@$(BIN)/lint-imports --no-logo

# -n 2: containers and servers take what is left of the machine. A test that fails is tried once more, as a busy machine
# is no mistake of the code's; those that needed it are listed at the end, to be mended.
suite: images
	@$(BIN)/coverage erase
	@$(AS_ROOT) $(BIN)/coverage run -m pytest -n 2 --dist worksteal --reruns 1 -raR
	@$(BIN)/coverage combine --quiet
	@printf 'Coverage of lines and branches, in per cent (%s/coverage report lists them): ' $(BIN)
	@$(BIN)/coverage report --format=total

browser: ## Check the browser's code: lint, types, tests (needs Node 20.19 or newer).
	@cd ui && npm ci --no-audit --no-fund && npm run lint && npm run check && npm test

vm: setup ## Try the sandbox with control groups of version 1 and of version 2, in a virtual machine (some minutes).
	@setup/vm
	@$(AS_ROOT) $(BIN)/python -m pytest tests/virtual/check.py

bench: setup ## Measure what Cloister costs on this machine, side by side with bare scripts (some minutes).
	@$(AS_ROOT) $(BIN)/python -m bench

lock: setup ## Write the lock files again; `make lock UPGRADE=--upgrade` takes the newest versions.
	@setup/lock $(UPGRADE)

clean: ## Remove what was made in this checkout (not Debian packages, not worker images).
	$(AS_ROOT) rm -rf .venv .tools .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
