# The environment is in .venv. `make` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check
RUN_STAMP := $(VENV)/.run-installed
STAMP := $(VENV)/.installed
NODE := tests/contract/node
NODE_STAMP := $(NODE)/node_modules/.installed
GO := tests/contract/go
GO_CLIENT := $(GO)/build/contract
HELM := tests/deploy/go/build/helm
LAYOUT := src/dualstack_sim/kube/protobuf.json
# Processes share compiled modules, also where the environment forbids to write them.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help rehearse rehearse-large test test-clients test-slow test-kube storm crash mutants lint bench protobuf deploy clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

rehearse: $(RUN_STAMP)  ## rehearse the migration of examples/shoot.yaml
	$(BIN)/python -m dualstack rehearse examples/shoot.yaml

rehearse-large: $(RUN_STAMP)  ## rehearse the migration of 40 nodes in three zones
	$(BIN)/python -m dualstack rehearse examples/shoot-large.yaml

test: $(STAMP)  ## run the quick tests
	$(BIN)/python -m pytest -q -n 3 --dist worksteal -m "not slow and not clients and not kube"

test-clients: $(STAMP) $(NODE_STAMP) $(GO_CLIENT) $(HELM)  ## run upstream clients, open the report in a browser, and build the image; needs kubectl, npm, go, chromium, pdftotext, buildah, mmdebstrap and root
	$(BIN)/python -m pytest -q -m "clients and not slow"

test-slow: $(STAMP)  ## run the slow tests: large clusters, whole rehearsals, restarts
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "slow and not kube"

test-kube: $(STAMP)  ## run migrations and requests on a real kube-apiserver, which it builds once into the user's cache; needs go, or KUBEBUILDER_ASSETS
	$(BIN)/python -m tests.kube.programs
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m kube tests/kube

crash: $(STAMP)  ## kill the product at every call of a migration; CRASH="--sample 40 --seed 1" for some, "--whole" from the Shoot to DNS, "--command prepare", "undo", "finish" or "migrate"
	$(BIN)/python -m tests.crash $(CRASH)

mutants: $(STAMP)  ## list changes of the product that no test notices; MUTANTS="--sample 200 --seed 1" for some, "--package plan" for one
	$(BIN)/python -m tests.mutants $(MUTANTS)

storm: $(STAMP)  ## judge random worlds, faults and kills of a cut-over; STORM="--runs 200 --seed 1" for more
	$(BIN)/python -m tests.storm $(STORM)

lint: $(STAMP)  ## check style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)  ## measure the simulated Compute Engine and the cut-over of large clusters, an operator with many Shoots, at rest and migrating, and the commands for a large cluster: six JSON documents
	@$(BIN)/python -m tests.bench.run
	@$(BIN)/python -m tests.bench.cutover
	@$(BIN)/python -m tests.bench.upstream
	@$(BIN)/python -m tests.bench.many_shoots
	@$(BIN)/python -m tests.bench.many_migrations
	@$(BIN)/python -m tests.bench.live_commands

protobuf: $(GO_CLIENT)  ## generate the protobuf layout of the Kubernetes types that the simulated API serves; needs go
	$(GO)/build/protobuf > $(LAYOUT)

deploy: $(STAMP) $(HELM)  ## generate the files of deploy/ from the code and the Helm chart; needs go
	$(BIN)/python -m tests.deploy.generate --manifests

clean:  ## remove the environment and all caches
	rm -rf $(VENV) $(NODE)/node_modules $(GO)/build tests/deploy/go/build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -prune -exec rm -rf {} +

$(NODE_STAMP): $(NODE)/package.json $(NODE)/package-lock.json
	npm ci --prefix $(NODE) --ignore-scripts --no-audit --no-fund
	touch $@

$(GO_CLIENT): $(GO)/go.mod $(GO)/go.sum $(wildcard $(GO)/*.go $(GO)/*/*.go)
	cd $(GO) && go build -o build/contract . && go build -o build/ ./kubernetes ./protobuf

$(HELM): tests/deploy/go/go.mod tests/deploy/go/go.sum tests/deploy/go/rules/main.go
	cd tests/deploy/go && go build -o build/ helm.sh/helm/v3/cmd/helm ./rules
	touch $@

# Each package is printed as it is installed. The pipe hides the exit status of pip, so a file stands for its success.
define install
	@rm -f $(VENV)/.done
	@{ $(PIP) $(1) && touch $(VENV)/.done; } | awk '/^(Collecting|Obtaining|Installing)/ { print "  " $$1, $$2; fflush() }'
	@test -e $(VENV)/.done && rm $(VENV)/.done
endef

$(RUN_STAMP): pyproject.toml requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; name it with PYTHON=")'
	@echo "Installing dualstack and what it needs into $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	$(call install,--constraint requirements-dev.txt --editable .)
	@touch $@

$(STAMP): $(RUN_STAMP) requirements-dev.txt
	@echo "Installing what the tests need into $(VENV) ..."
	$(call install,--requirement requirements-dev.txt)
	@touch $@
