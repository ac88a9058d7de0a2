# `make` lists the targets. Everything is installed into .venv, nothing elsewhere.

# The interpreter that makes .venv: Python 3.11 or newer.
PYTHON ?= python3

# Which build of torch a new .venv gets: cpu; cuda, on Linux 6 GB; or auto: cpu on Linux without a
# GPU of NVIDIA, elsewhere what pip takes.
TORCH ?= auto

# Of `make tuning` and `make parity`: options such as model.n_epochs=5.
OPTIONS ?=

# Of `make parity`: a folder of prepared parts, and how many seeds.
DATA ?= data/01_raw/prepared
SEEDS ?= 10

# Of `make serve`: a model file, or a folder whose newest is taken; more options of `gru4rec serve`.
MODEL ?= data/06_models/gru4rec.pth
ARGUMENTS ?=

export DO_NOT_TRACK := 1
export KEDRO_DISABLE_TELEMETRY := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install -c constraints.txt

# A torch that is there already and fits stays; else the build for CPU is among those that pip finds,
# or uv knows where it is published.
TORCH_PIN = $(shell sed -n 's/^torch==//p' constraints.txt)
CPU_TORCH = $(BIN)/python -m pip list --format=freeze | grep -q '^torch==$(TORCH_PIN)' \
	|| $(INSTALL) 'torch==$(TORCH_PIN)+cpu' 2>/dev/null \
	|| { $(INSTALL) uv && $(BIN)/uv pip install --python $(BIN)/python --torch-backend cpu \
	     -c constraints.txt torch; } \
	|| { echo 'make: found no build of torch for CPU; TORCH=cuda takes that with CUDA (6 GB)'; exit 1; }
WANTED = $(if $(filter auto,$(TORCH)),$(shell \
	[ "$$(uname)" = Linux ] && ! nvidia-smi -L >/dev/null 2>&1 && echo cpu || echo cuda),$(TORCH))

.DEFAULT_GOAL := help
.PHONY: help install run tuning test soak lint bench parity serve viz viz-build notebook docs clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo 'On Linux a new .venv gets torch for CPU, or with CUDA (6 GB) where a GPU of NVIDIA is found;'
	@echo 'TORCH=cpu or TORCH=cuda decides, as in: make install TORCH=cuda'

install: .venv/installed  ## create .venv with the pinned dependencies

# kedro-viz notes times and sizes of a run while it goes, if it is there by then
run: .venv/installed-viz  ## run the whole workflow on the sample log
	@# one thread: the sample's network is small, and threads that wait for each other on a busy
	@# machine cost minutes
	OMP_NUM_THREADS=1 $(BIN)/kedro run

tuning: .venv/installed-tuning  ## find better options: make tuning OPTIONS=tuning.n_trials=20
	OMP_NUM_THREADS=1 $(BIN)/kedro run --pipelines data_engineering,tuning \
		$(if $(OPTIONS),--params $(OPTIONS))

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

serve: .venv/installed-serve  ## answer over HTTP with the newest model of the catalog
	$(BIN)/gru4rec serve $(MODEL) $(ARGUMENTS)

viz: .venv/installed-viz  ## show the pipelines in the browser
	$(BIN)/kedro viz run

viz-build: .venv/installed-viz  ## the same as a static site for any file server: build/index.html
	$(BIN)/kedro viz build --include-previews

notebook: .venv/installed-notebook  ## open the notebooks in JupyterLab
	@# Kedro installs a kernel: into .venv, not into the home folder
	JUPYTER_DATA_DIR=$(CURDIR)/.venv/share/jupyter $(BIN)/kedro jupyter lab

docs: .venv/installed-docs  ## build the pages of docs/ as a site: build/site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

clean:  ## remove .venv, caches and build products; data/ stays
	rm -rf .venv build dist src/*.egg-info .coverage .hypothesis
	rm -rf .mypy_cache .ruff_cache .import_linter_cache
	find .viz -type f ! -name styles.json -delete
	find src tests -name __pycache__ -prune -exec rm -rf {} +

# A marker is made last, so it stands for an installation that succeeded; while it is newer than
# the two files that decide what is installed, nothing is installed again.
.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: name it as in make PYTHON=python3.11")'
	$(if $(filter auto cpu cuda,$(TORCH)),,$(error TORCH=$(TORCH) is unknown: give auto, cpu or cuda))
	$(PYTHON) -m venv .venv
	$(if $(filter cpu,$(WANTED)),$(CPU_TORCH))
	$(INSTALL) -e .
	@touch $@

.venv/installed-%: .venv/installed
	$(INSTALL) -e '.[$*]'
	@touch $@
