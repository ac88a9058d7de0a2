# `make` lists the targets. Everything is installed into .venv, nothing elsewhere.

# The interpreter that makes .venv: Python 3.11 or newer.
PYTHON ?= python3

# Of `make parity`: a folder of prepared parts, how many seeds, and options such as model.n_epochs=5.
DATA ?= data/01_raw/prepared
SEEDS ?= 10
OPTIONS ?=

export DO_NOT_TRACK := 1
export KEDRO_DISABLE_TELEMETRY := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help install run test soak lint bench parity viz notebook clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: .venv/installed  ## create .venv with the pinned dependencies

run: .venv/installed  ## run the whole workflow on the sample log
	@# one thread: the sample's network is small, and threads that wait for each other on a busy
	@# machine cost minutes
	OMP_NUM_THREADS=1 $(BIN)/kedro run

test: .venv/installed-dev  ## run the tests
	@# one thread for each worker: the workers already share the cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

soak: .venv/installed-dev  ## run the long tests: kills, random logs, scale
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto -m 'soak or fuzz' --hypothesis-profile=soak

lint: .venv/installed-dev  ## check style, types and import directions
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/installed  ## measure speed and memory (15 minutes)
	$(BIN)/python -m benchmarks

parity: .venv/installed  ## compare seeds with the reference: make parity DATA=folder SEEDS=10
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.parity $(DATA) --seeds $(SEEDS) $(OPTIONS)

viz: .venv/installed-viz  ## show the pipelines in the browser
	$(BIN)/kedro viz run

notebook: .venv/installed-notebook  ## open the notebooks in JupyterLab
	@# Kedro installs a kernel: into .venv, not into the home folder
	JUPYTER_DATA_DIR=$(CURDIR)/.venv/share/jupyter $(BIN)/kedro jupyter lab

clean:  ## remove .venv, caches and build products; data/ stays
	rm -rf .venv build dist src/*.egg-info .coverage .hypothesis
	rm -rf .mypy_cache .ruff_cache .import_linter_cache
	find .viz -type f ! -name styles.json -delete
	find src tests -name __pycache__ -prune -exec rm -rf {} +

# A marker is made last, so it stands for an installation that succeeded; while it is newer than
# the two files that decide what is installed, nothing is installed again.
.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: name it as in make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	@# torch first: a build for CPU is kept if one is at hand
	$(INSTALL) torch
	$(INSTALL) -e .
	@touch $@

.venv/installed-%: .venv/installed
	$(INSTALL) -e '.[$*]'
	@touch $@
