# The environment lives in .venv; everything else is the `dualstack` command and pytest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NODE := tests/contract/node
NODE_STAMP := $(NODE)/node_modules/.installed
GO := tests/contract/go
GO_CLIENT := $(GO)/build/contract

.PHONY: rehearse rehearse-large test test-clients test-slow lint bench clean crash

rehearse: $(STAMP)  ## rehearse the migration of examples/shoot.yaml
	$(BIN)/dualstack rehearse examples/shoot.yaml

rehearse-large: $(STAMP)  ## the same for 40 nodes in three zones
	$(BIN)/dualstack rehearse examples/shoot-large.yaml

test: $(STAMP)  ## the tests that take under five minutes together
	$(BIN)/pytest -q -n 2 --dist worksteal -m "not slow and not clients"

test-clients: $(STAMP) $(NODE_STAMP) $(GO_CLIENT)  ## the simulated cloud against programs that others wrote; needs kubectl, node and go
	$(BIN)/pytest -q -m "clients and not slow"

test-slow: $(STAMP)  ## the large example and the kills
	$(BIN)/pytest -q -m slow

crash: $(STAMP)  ## kill the product before and after every call of a migration; CRASH="--sample 40 --seed 1" for some, CRASH="--whole ..." with the Shoot, nodes and DNS
	$(BIN)/python -m tests.crash $(CRASH)

lint: $(STAMP)  ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)  ## how fast the simulated Compute Engine is, and what the cut-over of large clusters costs: two JSON documents
	@$(BIN)/python -m tests.bench.run
	@$(BIN)/python -m tests.bench.cutover

clean:  ## remove the environment and all caches
	rm -rf $(VENV) $(NODE)/node_modules $(GO)/build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(NODE_STAMP): $(NODE)/package.json $(NODE)/package-lock.json
	npm ci --prefix $(NODE) --ignore-scripts --no-audit --no-fund
	touch $@

$(GO_CLIENT): $(GO)/go.mod $(GO)/go.sum $(GO)/main.go
	cd $(GO) && go build -o build/contract .

$(STAMP): pyproject.toml requirements-dev.txt
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; name it with PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@
