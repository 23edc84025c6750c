# Everything a developer runs. The first use makes a virtual environment in .venv.
PYTHON ?= python3
VENV ?= .venv
OUT ?= demo
# A server for the tests, by npm. Later ones than this want a later node than is usual.
AZURITE := azurite@3.35

BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test slow lint format bench clean

demo: $(READY)  ## set up, and run the main job
	$(BIN)/roverd demo $(OUT)

test: $(READY)  ## set up, and run the tests
	$(BIN)/python -m pytest -n 2 $(ARGS)

slow: $(READY)  ## the tests that take longer
	$(BIN)/python -m pytest -n 2 -m slow $(ARGS)
	$(BIN)/python -m pytest -m alone $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)  ## every figure the README quotes
	$(BIN)/python -m bench.picture
	$(BIN)/python -m bench.many_traces
	$(BIN)/python -m bench $(ARGS)

clean:
	rm -rf $(VENV) bench/out demo

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet \
		--disable-pip-version-check --editable '.[dev,plot]'
	@if command -v npm >/dev/null; then \
		npm install --prefix $(VENV)/azurite --no-audit --no-fund --fetch-retries=1 \
			--loglevel=error $(AZURITE) >/dev/null || echo "tests of Azure will be skipped: npm could not install $(AZURITE)"; \
	else echo "tests of Azure will be skipped: there is no npm to install $(AZURITE)"; fi
	touch $@
