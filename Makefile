# Two commands: `make verify` reads the theorems and writes a report, `make test` tests grokverify.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
WORKERS ?= 2

.PHONY: verify test theorems lint env bench clean

verify: env
	OMP_NUM_THREADS=1 $(BIN)/grokverify run --profile quick --workers $(WORKERS) --out reports/latest

test: env lint
	OMP_NUM_THREADS=1 $(BIN)/pytest tests -n $(WORKERS) -m "not slow"

theorems: env
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) -m theorem --theorem-profile quick theorems

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: env
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/bench --benchmark-only

env: $(STAMP)

$(STAMP): pyproject.toml constraints.txt .ci/install
	PYTHON=$(PYTHON) bash .ci/install $(VENV)
	touch $@

clean:
	rm -rf $(VENV) reports/latest
