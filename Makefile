# Two commands matter: `make demo` and `make test`. Each sets up everything it needs in .venv.
PYTHON ?= python3
CATEGORY ?= sample
DATA ?= sample
FORMAT ?= table
SELECT ?= *
MODELS ?=
BENCH ?=
LOCK ?=
KILLS ?= 50
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TESTS := $(VENV)/.installed-dev
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
PEERS := .venv-peers
LOCKS := .venv-lock
DOCS := .venv-docs
export DAGSTER_HOME := $(CURDIR)
export ALSOBOUGHT_HOME := $(CURDIR)
export RAW_DIR ?= data/raw
export DAGSTER_DISABLE_TELEMETRY := yes
export NO_MKDOCS_2_WARNING := 1

.PHONY: help demo test test-fast faults bench bench-large lint format materialize leaderboard ui lock docs docs-build clean
.DEFAULT_GOAL := help

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

$(STAMP): requirements.lock requirements-torch.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (once) ..."
	@$(PIP) --no-deps --require-hashes -r requirements.lock
	@$(PIP) -r requirements-torch.lock
	@$(PIP) --no-deps --editable .
	@touch $@

$(TESTS): $(STAMP) requirements-dev.lock
	@$(PIP) --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(STAMP)  ## [DATA=journey]: materialize a category, then serve the Dagster UI and the explorer
	@test $(DATA) != journey || $(PIP) --no-deps --require-hashes -r requirements-journey.lock
	@$(BIN)/alsobought demo $(DATA)

test: $(TESTS)  ## lint, type-check and run the whole test suite
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/pytest -n 2

test-fast: $(TESTS)  ## for the inner loop: the tests without Dagster, browser, training and what is marked slow
	@$(BIN)/pytest -n 2 -m "not slow and not browser" --durations=5 --durations-min=2 \
		--ignore=tests/orchestration --ignore=tests/explorer --ignore=tests/core/models --ignore=tests/core/training

faults: $(TESTS)  ## [KILLS=50]: kill rebuilds at random points with SIGKILL; says how many survived and how many lost
	@$(BIN)/python -m tests.faults --kills $(KILLS)

$(PEERS)/.installed: benchmarks/peers.lock
	@test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install -qq --disable-pip-version-check -r benchmarks/peers.lock
	@touch $@

bench: $(TESTS) $(PEERS)/.installed  ## every part beside its peers
	@$(BIN)/python benchmarks/run.py short --peer-python $(PEERS)/bin/python $(BENCH)

bench-large: $(TESTS) $(PEERS)/.installed  ## the same at books scale, and the whole pipeline up to 2M products
	@$(BIN)/python benchmarks/run.py large --peer-python $(PEERS)/bin/python $(BENCH)

lint: $(TESTS)  ## check style and types only
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: $(TESTS)  ## format the code
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

materialize: $(STAMP)  ## CATEGORY=beauty RAW_DIR=... [SELECT='+recommendations' | MODELS=rp3beta,blend]: a category or a part
	@$(BIN)/alsobought materialize $(CATEGORY) --select '$(SELECT)' --models '$(MODELS)'

leaderboard: $(STAMP)  ## CATEGORY=beauty [FORMAT=markdown, json or csv]: print its leaderboard
	@$(BIN)/alsobought leaderboard $(CATEGORY) --format $(FORMAT)

ui: $(STAMP)  ## the Dagster UI and its daemon and the explorer, without materializing anything first
	@$(BIN)/alsobought serve

lock:  ## [LOCK=--upgrade]: make the lock files anew after a change of the dependencies in pyproject.toml
	@test -x $(LOCKS)/bin/uv || { $(PYTHON) -m venv $(LOCKS) && $(LOCKS)/bin/python -m pip install -qq uv; }
	@$(LOCKS)/bin/python .ci/lock.py $(LOCK)

$(DOCS)/.installed: docs/requirements.lock
	@test -x $(DOCS)/bin/python || $(PYTHON) -m venv $(DOCS)
	@echo "installing into $(DOCS) (once) ..."
	@$(DOCS)/bin/python -m pip install -qq --disable-pip-version-check --no-compile --no-deps -r docs/requirements.lock
	@touch $@

docs: docs-build  ## build the documentation and serve it on http://127.0.0.1:8000
	@$(DOCS)/bin/mkdocs serve --strict --dev-addr 127.0.0.1:8000

docs-build: $(DOCS)/.installed  ## build the documentation into site/; a warning is an error
	@$(DOCS)/bin/mkdocs build --quiet --strict

clean:  ## remove the environment and caches; keeps data/ and .dagster/
	rm -rf $(VENV) $(PEERS) $(LOCKS) $(DOCS) site .pytest_cache .mypy_cache .ruff_cache *.egg-info
