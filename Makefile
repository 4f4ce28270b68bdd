# Two commands do everything: `make run` and `make test`. Both set up what is missing; both need root.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PY := .venv/bin/python
PORT ?= 5000
SHELL_SCRIPTS = $(shell grep -rIlE '^\#!/(usr/)?bin/(env )?(ba)?sh' .ci ci image overlay) image/lib/common.sh

.PHONY: help run test lint unit bench fresh types lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: ## Run the gateway for real in a virtual LAN; UI on http://127.0.0.1:5000 (PORT=... to change); Ctrl-C stops it
	@ci/setup run
	@exec ci/lab run --port $(PORT)

test: ## Run everything that is tested: lint, unit, kernel, lab and browser tests
	@ci/setup test
	@$(MAKE) --no-print-directory lint
	@$(PY) -m pytest tests/unit tests/kernel -n 2 --dist loadfile -q
	@$(PY) -m pytest tests/lab tests/browser -q

lint: ## ruff, pyright (strict), import-linter and shellcheck; biome and tsc (strict) for the page
	@ci/setup test
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/lint-imports --no-cache
	@shellcheck $(SHELL_SCRIPTS)
	@.venv/bin/pyright
	@.cache/biome ci --error-on-warnings
	@.cache/tsc -p .

unit: ## Only the quick tests
	@ci/setup test
	@$(PY) -m pytest tests/unit -n 2 --dist loadfile -q

bench: ## Measure, side by side in one run, and print ratios
	@ci/setup bench
	@ci/bench

fresh: ## Try a clone in bare systems of Debian and Ubuntu, made and thrown away (DISTRIBUTIONS="trixie here" for some)
	@ci/fresh $(DISTRIBUTIONS)

types: ## Renew the page's types from the API's description
	@ci/setup test
	@$(PY) -m ci.page_types

lock: ## Renew the lock files from pyproject.toml and package.json
	@$(PY) -m pip install --quiet uv
	@$(PY) -m uv pip compile -q --universal --fork-strategy fewest --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.lock
	@$(PY) -m uv pip compile -q --universal --fork-strategy fewest --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
	@.venv/bin/npm update --package-lock-only

clean: ## Remove what was built or installed here
	rm -rf .venv node_modules build .cache .pytest_cache .ruff_cache .hypothesis

-include image/image.mk
