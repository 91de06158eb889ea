# One task file, the same locally and in continuous integration.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint types unit test-all parity clean

demo: $(STAMP)  ## build the demo library from rendered videos and search it
	$(BIN)/ctf demo

test: lint types unit  ## everything that must hold before a change lands

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)
	$(BIN)/mypy

unit: $(STAMP)
	$(BIN)/pytest

test-all: $(STAMP)  ## the slow tests too
	$(BIN)/pytest -m "not network and not gpu"

parity: $(STAMP)
	$(BIN)/pytest tests/parity

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e ".[dev]"
	touch $(STAMP)

clean:
	rm -rf $(VENV) build dist
