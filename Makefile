# Two commands do everything: `make run` and `make test`. Both set up what is missing; both need root.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PY := .venv/bin/python
PORT ?= 5000
SETUP = ci/setup
SHELL_SCRIPTS = $(shell grep -rIlE '^\#!/(usr/)?bin/(env )?(ba)?sh' .ci ci image overlay) image/lib/common.sh

.PHONY: help run test lint unit kernel lab browser bench fresh types lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: ## Run the gateway for real in a virtual LAN; UI on http://127.0.0.1:5000 (PORT=... to change); Ctrl-C stops it
	@ci/setup run
	@exec ci/lab run --port $(PORT)

test: ## Run everything that is tested: lint, unit, kernel, lab and browser tests
	@ci/setup test
	@$(MAKE) --no-print-directory lint
	@echo 'The tests of the lab wait most of the time, so the others run beside them; each part tells at its end.'
	@$(MAKE) --no-print-directory --jobs=2 --output-sync SETUP=: lab unit kernel browser

lint: ## ruff, pyright, import-linter, shellcheck, no package that nothing uses; biome and tsc for the page
	@ci/setup test
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/lint-imports --no-cache
	@$(PY) -m ci.used_packages
	@shellcheck $(SHELL_SCRIPTS)
	@.venv/bin/pyright
	@.cache/biome ci --error-on-warnings
	@.cache/tsc -p .

unit: ## Only the quick tests
	@$(SETUP) test
	@$(PY) -m pytest tests/unit -n 2 --dist loadfile -q

kernel: ## Only the tests on the kernel's own interfaces, each in a network namespace
	@$(SETUP) test
	@$(PY) -m pytest tests/kernel -n 2 --dist loadfile -q

lab: ## Only the tests of the whole gateway in a virtual LAN
	@$(SETUP) test
	@$(PY) -m pytest tests/lab -q

browser: ## Only the tests of the page in a real browser
	@$(SETUP) test
	@$(PY) -m pytest tests/browser -q

bench: ## Measure, side by side in one run, and print ratios
	@ci/setup bench
	@ci/bench

fresh: ## Try a clone in bare systems of Debian and Ubuntu, made and thrown away (DISTRIBUTIONS="trixie here" for some)
	@ci/fresh $(DISTRIBUTIONS)

types: ## Renew the page's types from the API's description and the gateway's events
	@ci/setup test
	@$(PY) -m ci.page_types

lock: ## Renew the lock files from pyproject.toml and package.json
	@$(PY) -m pip install --quiet uv
	@$(PY) -m uv pip compile -q --universal --fork-strategy fewest --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.lock
	@$(PY) -m uv pip compile -q --universal --fork-strategy fewest --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
	@$(PY) -m uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group page -c requirements-dev.lock -o requirements-page.lock
	@.venv/bin/npm update --package-lock-only

clean: ## Remove what was built or installed here
	rm -rf .venv node_modules app/web/static/vendor build .cache .pytest_cache .ruff_cache .hypothesis

-include image/image.mk
