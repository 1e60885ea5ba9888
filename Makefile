# Two commands: `make verify` reads the theorems and writes a report, `make test` tests grokverify.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
WORKERS ?= 2

.PHONY: verify test faults kills theorems lint env bench docs reference trust clean

verify: env
	OMP_NUM_THREADS=1 $(BIN)/grokverify run --profile quick --workers $(WORKERS)
	$(BIN)/grokverify audit reports/latest/records.jsonl

test: env lint
	OMP_NUM_THREADS=1 $(BIN)/pytest tests -n $(WORKERS) -m "not slow"

faults: env
	OMP_NUM_THREADS=1 $(BIN)/pytest tests -m fault

# Every claim at quick three times: in peace, then with a worker killed a minute, on two engines.
EVERY ?= 60
kills: env
	OMP_NUM_THREADS=1 $(BIN)/python tests/kills.py --every $(EVERY) --workers $(WORKERS)

theorems: env
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) -m theorem --theorem-profile quick theorems

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Ratios and exponents in reports/bench/index.html, on a quiet machine.
bench: env
	PYTHON=$(PYTHON) bash .ci/peers .venv-peers || echo "some peers are missing; the page names them"
	mkdir -p reports/bench
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/bench --benchmark-only --benchmark-json=reports/bench/bench.json
	$(BIN)/grokverify bench

docs: env
	$(BIN)/python docs/api.py docs/api

# Every claim at smoke, on the CPU, from seed 0; tests hold later runs and pages against it.
reference: env
	OMP_NUM_THREADS=1 $(BIN)/grokverify run --profile smoke --device cpu --seed 0 --workers $(WORKERS) --out reports/reference

# What the verdicts of `make verify` rest on.
trust:
	$(BIN)/grokverify trust reports/latest/records.jsonl > TRUST.md

env: $(STAMP)

$(STAMP): pyproject.toml constraints.txt .ci/install
	PYTHON=$(PYTHON) bash .ci/install $(VENV)
	touch $@

clean:
	rm -rf $(VENV) .venv-peers reports/latest
