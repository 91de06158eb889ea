# One task file, the same locally and in continuous integration.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint types unit test-all parity docs package-test run-test clean

demo: $(STAMP)  ## build the demo library from rendered videos and search it
	$(BIN)/ctf demo

test: lint types unit  ## everything that must hold before a change lands

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)
	$(BIN)/mypy

unit: $(STAMP)  ## the default tests, a process a core
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --maxprocesses 8 --dist loadfile

test-all: $(STAMP)  ## the slow tests too
	$(BIN)/pytest -m "not network and not gpu"

parity: $(STAMP)
	$(BIN)/pytest tests/parity

docs: $(STAMP)  ## the documentation as a site in docs/_build/html; a warning is an error
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html

package-test: $(STAMP)  ## build wheel and sdist, install and use them elsewhere; build the site, run its first page
	$(BIN)/pytest -m slow tests/test_distribution.py tests/docs

run-test: $(STAMP)  ## a whole experiment on the drawn world, from nothing to the report
	$(BIN)/ctf run --config world --out runs/world

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e ".[dev]"
	touch $(STAMP)

clean:
	rm -rf $(VENV) build dist
