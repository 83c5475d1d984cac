# Two commands, each from nothing but Python 3.10 to 3.13:
#   make demo    train, compare, export and serve on real ratings
#   make test    the test suite

VENV ?= .venv
BIN := $(VENV)/bin
# PYTHON=... chooses; else the first that can make an environment.
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.13 python3.10 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
	2>/dev/null && echo $$p && break; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq install
PACKAGING := setup.cfg pyproject.toml
EXTRAS ?= dev
# Two processes; tests/conftest.py says which tests stay together.
PYTEST ?= -n 2

.PHONY: demo test test-ann fuzz mutants lint types bench docs notebooks saved_models help
.DEFAULT_GOAL := help

help:
	@echo "make demo   real MovieLens: train, compare, export, serve (5 minutes)"
	@echo "make test   the test suite (30 minutes on two cores)"
	@echo "make mutants   do the tests notice faults?  MUTANTS='--only gru4rec' for some"
	@echo "make fuzz      spoiled files, for an hour;  FUZZ='--minutes 10' for less"
	@echo "make test-ann  indexes with ScaNN, and retrieval, in .venv-ann"
	@echo "make lint   ruff;  make types   mypy;  make bench   speed, in ratios"
	@echo "make notebooks     runs them and writes their outputs; NAMES=tuning for one"
	@echo "make saved_models  trains and exports the sample models again"
	@echo "make docs          the site, in build/site: README, notebooks, reference"

demo: $(VENV)/demo.stamp
	$(BIN)/tfrec demo

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest $(PYTEST)

# ScaNN needs a TensorFlow of its own, the oldest that tfrec works with.
RETRIEVAL := $(foreach m,two_tower youtube_dnn tree_deep_match,tests/parity/test_$(m).py)
test-ann:
	$(MAKE) test VENV=.venv-ann EXTRAS=dev,ann \
		PYTEST='$(PYTEST) tests/indexes $(RETRIEVAL)'

# Spoiled files, an hour of them: FUZZ='--minutes 10 --kind csv' for less.
fuzz: $(VENV)/dev.stamp
	$(BIN)/python tests/fuzz/run.py $(FUZZ)

# Whether the tests notice faults: makes each of tests/mutants in a scratch copy.
mutants: $(VENV)/dev.stamp
	$(BIN)/python tests/mutants/run.py $(MUTANTS)

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev.stamp
	$(BIN)/mypy

bench: $(VENV)/demo.stamp
	$(BIN)/tfrec bench speed

notebooks: $(VENV)/dev.stamp
	$(BIN)/python notebooks/execute.py $(NAMES)

saved_models: $(VENV)/dev.stamp
	$(BIN)/python saved_models/make.py

# The site: README, notebooks and the reference, which is made of the docstrings.
docs: $(VENV)/docs.stamp
	DISABLE_MKDOCS_2_WARNING=true $(BIN)/mkdocs build --strict --site-dir build/site

$(VENV)/venv.stamp:
	@test -n "$(PYTHON)" || { echo "tfrec needs Python 3.10 to 3.13 with venv: \
	install one, or name it with make PYTHON=/path/to/python."; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@# The pip that old Pythons bring resolves these requirements for hours.
	@$(PIP) --upgrade pip
	@touch $@

$(VENV)/demo.stamp: $(VENV)/venv.stamp $(PACKAGING)
	@echo "Installing tfrec and TensorFlow into $(VENV), once."
	$(PIP) --editable '.[movielens]'
	@touch $@

$(VENV)/docs.stamp: $(VENV)/venv.stamp $(PACKAGING)
	$(PIP) --editable '.[docs]'
	@touch $@

$(VENV)/dev.stamp: $(VENV)/venv.stamp $(PACKAGING)
	@echo "Installing tfrec, TensorFlow and the test tools into $(VENV), once."
	$(PIP) --editable '.[$(EXTRAS)]'
	@touch $@
