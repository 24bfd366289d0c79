# make demo      install into .venv and train on real data, in about a minute after installation
# make test      the checks every change passes: format, lint, types, tests
# make test-all  with the slow tests
# make bench     the measurements in bench/RESULTS.md
# make clean     remove what these made

VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
SIDE_BY_SIDE := -n 2 --dist worksteal  # every test is one process with one thread
BENCHES := $(filter-out bench/common.py bench/sketch_%.py,$(wildcard bench/*.py))

.PHONY: demo test test-all check bench clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# The stamps depend on pyproject.toml alone: installed once, quick from then on.
$(VENV)/installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e .
	@$(BIN)/python -c 'import torch'  # off a cold disk this takes many seconds, once
	@touch $@

$(VENV)/installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@ $(VENV)/installed

demo: $(VENV)/installed
	@mkdir -p demo
	@cd demo && { [ -d digits ] || ../$(BIN)/pellucid sample digits; }
	@cd demo && ../$(BIN)/pellucid read digits
	@cd demo && ../$(BIN)/pellucid train digits --budget 20s
	@echo
	@echo "  Paths above start in $(CURDIR)/demo. Open the newest report in a browser:"
	@echo "  $$(ls -td $(CURDIR)/demo/runs/*/report.html | head -1)"

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check
	$(BIN)/pytest $(SIDE_BY_SIDE)

test-all: check
	HYPOTHESIS_PROFILE=default $(BIN)/pytest $(SIDE_BY_SIDE) -m "slow or not slow"

bench: $(VENV)/installed-dev
	@for bench in $(BENCHES); do echo "== $$bench"; $(BIN)/python $$bench || exit 1; done

clean:
	rm -rf $(VENV) demo build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis src/*.egg-info
