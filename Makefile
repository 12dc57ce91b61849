# Everything a person does with a clone. `make help` lists it.

BIND ?= 127.0.0.1:8000
WORKERS ?= 2
# More words for pytest: make test T="tests/cortex -k drain"
T ?=

# Where the command lines of tests/clients/npm are installed.
CLIENTS := $(or $(CORTEX_TEST_CLIENTS),var/clients)

SHELL := /bin/sh
PYTHON := .venv/bin/python
MANAGE := $(PYTHON) manage.py
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(PYTHON) -m pip install -qq --no-deps --require-hashes

# Settings for checks that look at settings: those of a production that does not exist.
NOWHERE := DATABASE_URL=postgres://nobody@127.0.0.1:1/nowhere CORTEX_DATA_DIR=var/check \
	CORTEX_SECRET_KEY=only-for-checks-0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJK \
	CORTEX_ENCRYPTION_KEYS=b25seS1mb3ItY2hlY2tzLTAxMjM0NTY3ODlhYmNkZWY= \
	CORTEX_PUBLIC_URL=https://cortex.invalid CORTEX_ALLOWED_HOSTS=cortex.invalid

.PHONY: help install install-dev demo run test services soak clients check lint types imports templates settings format bench peers chromium
# The directories `templates` and the like are not what the targets of that name make.

help:
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

install: .venv/installed ## the environment, in .venv/

install-dev: .venv/installed-dev

demo: install ## console, API and jobs on 90 days of sample history, until Ctrl-C
	@exec $(MANAGE) up --demo --bind $(BIND) --workers $(WORKERS)

run: install ## the same without sample history; both take BIND=127.0.0.1:8000 WORKERS=2
	@exec $(MANAGE) up --bind $(BIND) --workers $(WORKERS)

# Three on two processors: a third of the time tests wait, for processes that start and for doubles that are slow on purpose.
test: install-dev chromium ## all tests; on an embedded database when DATABASE_URL is empty
	$(PYTHON) -m pytest -n 3 -m "not soak and not services" $(T)

# CORTEX_TEST_DATABASE_URL, CORTEX_TEST_REDIS_URL and CORTEX_TEST_AMQP_URL name them; they may hold nothing that is needed.
services: install-dev ## the tests that want a PostgreSQL, Redis and RabbitMQ of the machine
	DATABASE_URL=$(CORTEX_TEST_DATABASE_URL) $(PYTHON) -m pytest -m "not soak" $(or $(T),tests/services tests/faults tests/routing/test_drain.py)

# Half an hour of a worker's memory, three ways, goes side by side: what it measures is no time.
soak: install-dev chromium clients ## slow fault and load runs, and the vendors' command lines
	$(PYTHON) -m pytest -m soak $(or $(T),--ignore=tests/faults/test_soak.py)
	$(if $(T),,$(PYTHON) -m pytest -m soak -n 3 -rP tests/faults/test_soak.py)

clients: $(CLIENTS)/installed ## Claude Code and Codex CLI as npm packages, 640 MB, for soak

check: lint types imports templates settings ## lint, format, types, import contracts, templates, deployment checks

lint: install-dev
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types: install-dev
	$(NOWHERE) $(PYTHON) -m mypy

imports: install-dev
	$(PYTHON) -c "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"

templates: install-dev
	find templates -name '*.html' -exec .venv/bin/djade --check --target-version 5.2 {} +
	$(PYTHON) -m cortex.vendored

settings: install-dev
	$(NOWHERE) $(MANAGE) check --deploy --fail-level WARNING
	DATABASE_URL= CORTEX_DATA_DIR=var/check $(MANAGE) makemigrations --check --dry-run

format: install-dev ## put code and templates in form
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .
	find templates -name '*.html' -exec .venv/bin/djade --target-version 5.2 {} +

bench: install-dev ## the benchmarks: JSON and a table
	$(PYTHON) -m benchmarks

# Not part of Cortex: each in an environment of its own, and removed with var/. nginx is taken from PATH.
peers: install-dev ## the systems that `make bench` measures Cortex beside, into var/peers
	@command -v npm >/dev/null || { echo "make: Portkey's gateway is an npm package: install Node.js first." >&2; exit 1; }
	$(PYTHON) -m venv var/peers/litellm && var/peers/litellm/bin/pip install -q 'litellm[proxy]==1.106.2'
	$(PYTHON) -m venv var/peers/tensorzero && var/peers/tensorzero/bin/pip install -q tensorzero==2026.6.0
	npm install --silent --no-fund --no-audit --prefix var/peers/portkey @portkey-ai/gateway@1.15.2

# ---------------------------------------------------------------------------------------------------------------------

.venv/bin/python:
	@if command -v uv >/dev/null; then exec uv venv --quiet --python '>=3.11' .venv; fi; \
	for python in python3.11 python3.12 python3.13 python3; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			$$python -m venv .venv && exit; \
			rm -rf .venv; \
			echo "make: $$python cannot make a virtual environment: install its venv module (apt-get install python3-venv)." >&2; \
			exit 1; \
		fi; \
	done; \
	echo "make: Cortex needs Python 3.11 or newer, and there is none on PATH." >&2; exit 1

# The stamps say which lock file .venv holds. The development lock holds the other one whole.
.venv/installed: requirements.lock | .venv/bin/python
	$(call sync,requirements.lock)
	@touch $@

.venv/installed-dev: requirements-dev.lock requirements.lock | .venv/bin/python
	$(call sync,requirements-dev.lock)
	@touch .venv/installed $@

define sync
	@echo "Installing $(1) into .venv/"
	@if command -v uv >/dev/null; then uv pip install --quiet --python $(PYTHON) --no-deps --require-hashes -r $(1); else $(PIP) -r $(1); fi
endef

# None of their install scripts is run: both come ready, each with a launcher of its own.
$(CLIENTS)/installed: tests/clients/npm/package-lock.json tests/clients/npm/package.json
	@command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' || \
	{ echo "make: the clients need Node.js 18 or newer and npm on PATH: install them (sudo apt-get install nodejs npm)." >&2; exit 1; }
	@echo "Installing the command lines of tests/clients/npm into $(CLIENTS)/"
	@mkdir -p $(CLIENTS) && cp $^ $(CLIENTS)/ && npm ci --prefix $(CLIENTS) --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else \
		echo "make: the tests drive Chromium, which is not on PATH: install it (sudo apt-get install chromium)." >&2; exit 1; \
	fi
