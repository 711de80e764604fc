# Two commands matter: `make demo` shows mlguard at work, `make check` is what CI runs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := .venv-demo

.PHONY: check demo lint types layers test wheel bench honest clean

check: lint types layers test  ## lint, types, layering, tests

$(BIN)/mlguard: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

lint: $(BIN)/mlguard
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(BIN)/mlguard
	$(BIN)/mypy

layers: $(BIN)/mlguard
	$(BIN)/lint-imports --no-cache

test: $(BIN)/mlguard
	$(BIN)/python -m pytest -n 2

# A user's installation: the wheel's dependencies and nothing else.
$(DEMO)/bin/mlguard: pyproject.toml
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python -m pip install --quiet --disable-pip-version-check .
	touch $@

demo: $(DEMO)/bin/mlguard  ## install as a user would, scan the demo repository, write SARIF
	@mkdir -p demo-report
	@$(DEMO)/bin/mlguard scan examples/churn -o sarif=demo-report/mlguard.sarif -o json=demo-report/mlguard.json; \
	code=$$?; \
	echo; \
	echo "The demo repository has faults of every kind, so the gate is not passed: exit code $$code (1 failed, 3 incomplete)."; \
	echo "SARIF for code scanning: demo-report/mlguard.sarif. The full report: demo-report/mlguard.json."; \
	echo "Its clean twin passes:   $(DEMO)/bin/mlguard scan examples/churn-clean"; \
	test $$code -eq 1

wheel: $(BIN)/mlguard  ## build the wheel, install it into an empty environment, run it there
	rm -rf dist build/wheel-venv
	$(PYTHON) -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	$(PYTHON) -m venv build/wheel-venv
	build/wheel-venv/bin/python -m pip install --quiet --disable-pip-version-check dist/mlguard-*.whl
	cd build && wheel-venv/bin/mlguard --version && wheel-venv/bin/mlguard doctor && wheel-venv/bin/mlguard rules | tail -n 1
	cd build && wheel-venv/bin/mlguard scan ../examples/churn-clean --jobs 1

bench: $(BIN)/mlguard  ## CPU ratios against the peers, in one run
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/models.py
	$(BIN)/python benchmarks/infra.py
	$(BIN)/python benchmarks/code.py
	$(BIN)/python benchmarks/code_secrets.py build/code-trees-venv/lib/python3*/site-packages/mlflow --peer build/code-trees-venv/bin/detect-secrets
	$(BIN)/python benchmarks/code_audit.py

honest: $(BIN)/mlguard  ## write models with the real libraries (large, slow) and say what is wrongly reported
	$(BIN)/python tests/corpus/honest.py

clean:
	rm -rf $(VENV) $(DEMO) build dist demo-report .mypy_cache .ruff_cache .pytest_cache
