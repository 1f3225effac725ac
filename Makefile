# Everything that one does with a checkout. `make` alone lists it.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup images demo ui test check lint types floors browser suite coverage pages generated vm bench pictures release lock clean

# Containers need root: where you aren't, sudo asks. Root leaves no byte code of its own in your checkout.
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || ! command -v sudo || echo env PYTHONDONTWRITEBYTECODE=1)
BIN := .venv/bin

# The Node of requirements/dev.txt, whatever else this machine has.
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm run --silent --prefix ui
# Folders too: they change when something in them goes.
PAGES := $(shell find ui/src ui/public ui/scripts ui/*.html ui/*.json ui/vite.config.ts)
CHECKED := $(shell find ui/tests) $(wildcard tests/vectors/*.json)

help: ## List the targets.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

setup: ## Install what is missing: Debian packages, Python packages, the worker image.
	@setup/setup

images: setup ## Build all worker images, unless they are there (2 GB; ten minutes at most).
	@$(AS_ROOT) $(BIN)/cloister image build --all

demo: setup ## Run a clean room with a hospital, a lab and an analyst, on data that lies here.
	@$(AS_ROOT) $(BIN)/cloister demo

ui: setup pages ## Open the web pages on the demo's data.
	@$(AS_ROOT) $(BIN)/cloister demo --ui

test: setup lint types floors browser suite ## Check everything, as CI does: lint, types, floors, tests.

check: test ## The same as test.

lint: setup
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@echo "ruff: no complaints"

types: setup
	@$(BIN)/mypy

floors: setup
	@$(BIN)/lint-imports --no-logo

# Three at a time keep two processors busy, four make nothing faster. A test that fails is tried once more, as a busy
# machine is no mistake of the code's; what it failed with is told at the end, to be mended.
SUITE := -n 3 --dist worksteal --reruns 1 -raR

suite: images pages
	@$(AS_ROOT) $(BIN)/python -m pytest $(SUITE)

coverage: images pages ## Tell which lines and branches the tests reach; they take twice as long.
	@$(BIN)/coverage erase
	@$(AS_ROOT) $(BIN)/coverage run -m pytest $(SUITE)
	@$(BIN)/coverage combine --quiet
	@printf 'Coverage of lines and branches, in per cent (%s/coverage report lists them): ' $(BIN)
	@$(BIN)/coverage report --format=total

browser: setup ui/node_modules/.checked ## Check the browser's code, where it has changed: lint, types, tests.

ui/node_modules/.checked: $(PAGES) $(CHECKED) | setup
	@$(NPM) lint -- --log-level=warn
	@$(NPM) check
	@$(NPM) test >.tools/vitest.log 2>&1 || { cat .tools/vitest.log; exit 1; }
	@if found=$$(command -v chromium || command -v google-chrome); then \
		CHROMIUM=$$found $(NPM) test:chromium >.tools/vitest.log 2>&1 || { cat .tools/vitest.log; exit 1; }; \
	else echo "There is no Chromium here: the formats were not tried in a browser."; fi
	@touch $@
	@echo "biome, tsc and vitest: no complaints"

pages: setup ui/dist/index.html ## Build the web pages (ui/dist), where their sources have changed.
	@:

# As old as what it was made from: what is changed meanwhile is newer.
ui/dist/index.html: $(PAGES) | setup
	@touch .tools/building
	@$(NPM) build -- --logLevel warn
	@touch -r .tools/building $@
	@echo "web pages: built"

generated: setup ## Write anew what is made of other sources: the browser's records and libraries, the demo's data.
	@$(BIN)/python -m setup.generated
	@$(NPM) types

pictures: pages ## Take the pictures of the web pages in docs/images anew.
	@$(AS_ROOT) $(BIN)/pytest -q tests/ui --pictures

vm: setup ## Try the sandbox with control groups of version 1 and of version 2, in a virtual machine (some minutes).
	@setup/vm
	@$(AS_ROOT) $(BIN)/python -m pytest tests/virtual/check.py

bench: setup ## Measure what Cloister costs on this machine, side by side with bare scripts (some minutes).
	@$(AS_ROOT) $(BIN)/python -m bench

release: pages ## Make what is published, with its digests, in dist/.
	@setup/release

lock: setup ## Write the lock files again; `make lock UPGRADE=--upgrade` takes the newest versions.
	@setup/lock $(UPGRADE)

clean: ## Remove what was made in this checkout (not Debian packages, not worker images).
	$(AS_ROOT) rm -rf .venv .tools .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache dist \
		ui/dist ui/node_modules tests/hub/provider/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
