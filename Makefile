SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help:  ## list what there is to make
	@sed -nE 's/^([a-z][a-z-]*):[^#]*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | awk -F'\t' '{printf "%-14s %s\n", $$1, $$2}'

# ---- environment --------------------------------------------------------------------------------
# Two stamps: what the lock names, and this project on top. Nothing is done while both are current. A tree
# that has moved starts afresh, since console scripts hold absolute paths.
LOCKED    := $(VENV)/.locked
INSTALLED := $(VENV)/.installed
HERE      := $(filter $(CURDIR),$(shell cat $(LOCKED) 2>/dev/null))
ifeq ($(HERE),)
.PHONY: $(LOCKED)
endif

$(LOCKED): requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Paidup needs Python 3.11 or newer: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Installing the locked packages into $(VENV) (a minute or two, only when the lock changes) ..."
	@$(PYTHON) -m venv $(if $(HERE),,--clear) $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes --no-deps --only-binary :all: -r requirements/dev.txt
	@printf '%s' '$(CURDIR)' > $@

$(INSTALLED): $(LOCKED) pyproject.toml
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: venv
venv: $(INSTALLED)  ## make the virtual environment from the hash-pinned lock

# ---- run ----------------------------------------------------------------------------------------
.PHONY: demo serve
demo: $(INSTALLED)  ## play three months of a sample company; OUT=folder for what it writes
	$(BIN)/paidup demo $(if $(OUT),--out $(OUT))

serve: $(INSTALLED)  ## API, console and pay page on loopback; PORT, BACKEND, START, LIVE
	$(BIN)/paidup serve

# ---- check --------------------------------------------------------------------------------------
.PHONY: test test-slow simulate check lint types template format
test: $(INSTALLED)  ## the tests that take seconds, two at a time
	$(BIN)/python -m pytest -n 2 -m "not slow" $(ARGS)

test-slow: $(INSTALLED)  ## the slow ones: crash sweeps, swarms of faults, whole worlds on both stores
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m slow --ignore=tests/browser $(ARGS)

SEEDS      ?= 300
START_SEED ?= 1
BACKEND    ?= memory
simulate: $(INSTALLED)  ## whole companies, one per seed, with faults of every kind; SEEDS, START_SEED, BACKEND=moto
	$(BIN)/python -m tests.simulation.simulator --seeds $(SEEDS) --start-seed $(START_SEED) --backend $(BACKEND)

check: lint types template  ## ruff, mypy, cfn-lint, sam validate

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

template: $(INSTALLED) .local/sam.stamp
	$(BIN)/cfn-lint template.yaml
	$(SAM) validate --lint --region eu-central-1

.PHONY: audit
audit: $(INSTALLED)  ## ask PyPI's database for known weaknesses of what is pinned; fails where it cannot be asked
	@for lock in requirements/*.txt infra/layers/*/requirements.txt; do \
	  echo "Auditing $$lock ..."; \
	  $(BIN)/uv tool run pip-audit --strict --require-hashes --disable-pip --progress-spinner off -r $$lock || { \
	    echo "$$lock is NOT found to be in order: see above. What \"could not be audited\" is not known to be harmless;" >&2; \
	    echo "the database is PyPI's own, and a mirror of packages does not have it." >&2; exit 1; }; done

format: $(INSTALLED)  ## put the code into shape
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

.PHONY: browser
AXE_VERSION := 4.14.1
browser: $(INSTALLED) .local/axe/axe.min.js  ## drive the pages in Chromium; SHOTS=folder for pictures of them
	@command -v chromium >/dev/null || { echo "Installing Debian's Chromium ..."; apt-get update -qq && apt-get install -y -qq chromium >/dev/null; }
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps --only-binary :all: -r requirements/browser.txt
	SHOTS=$(SHOTS) $(BIN)/python -m pytest tests/browser $(ARGS)

.local/axe/axe.min.js:
	@mkdir -p .local/axe
	cd .local/axe && npm pack --silent axe-core@$(AXE_VERSION) && tar -xzf axe-core-$(AXE_VERSION).tgz --strip-components=1 package/axe.min.js

# ---- measure ------------------------------------------------------------------------------------
.PHONY: pictures
pictures: $(INSTALLED)  ## docs/pictures anew; needs pdftoppm (poppler) and chromium on the path
	$(BIN)/python -m infra.pictures

.PHONY: bench bench-quick
bench: $(INSTALLED)  ## every promise about speed and cost, measured; ARGS="--only lifecycle" for some of it
	$(BIN)/python -m benchmarks.board $(ARGS)

bench-quick: $(INSTALLED)  ## counts that must not grow; RECORD=1 to expect from now on what is counted now
	$(BIN)/python -m benchmarks.quick $(if $(RECORD),--record)

.PHONY: peers
peers: $(INSTALLED) .local/peers.stamp  ## the same work by Tryton and djaodjin-saas, measured beside Paidup's
	$(BIN)/python -m benchmarks.side_by_side $(ARGS)

.PHONY: bench-documents
bench-documents: $(INSTALLED)  ## what a PDF, an e-invoice and a mail cost: CPU
	$(BIN)/python -m benchmarks.documents

.PHONY: bench-rehearsal
bench-rehearsal: $(INSTALLED)  ## how long a rehearsal takes, and how much memory
	$(BIN)/python -m benchmarks.rehearsal $(ARGS)

.PHONY: bench-mail
bench-mail: $(INSTALLED)  ## what a mail costs, from its message to its mark: CPU
	$(BIN)/python -m benchmarks.mail

# ---- documents that are made --------------------------------------------------------------------
.PHONY: access
access: $(INSTALLED)  ## write docs/ACCESS.md, the table of routes and roles
	$(BIN)/python -m infra.access

# ---- locks --------------------------------------------------------------------------------------
LAYERS  := core documents
COMPILE_LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-header --no-emit-index-url --no-emit-find-links

.PHONY: lock
lock: $(INSTALLED)  ## pin again after editing a .in file; UPGRADE=1 for the newest of everything
	$(COMPILE_LOCK) $(if $(UPGRADE),--upgrade) -o requirements/dev.txt requirements/dev.in
	$(COMPILE_LOCK) $(if $(UPGRADE),--upgrade) -c requirements/dev.txt -o requirements/browser.txt requirements/browser.in
	$(COMPILE_LOCK) $(if $(UPGRADE),--upgrade) -o requirements/sam.txt requirements/sam.in
	$(COMPILE_LOCK) $(if $(UPGRADE),--upgrade) -o requirements/ministack.txt requirements/ministack.in
	$(COMPILE_LOCK) $(if $(UPGRADE),--upgrade) -o requirements/runtime.txt requirements/runtime.in
	$(COMPILE_LOCK) $(if $(UPGRADE),--upgrade) -o requirements/peers.txt requirements/peers.in
	for layer in $(LAYERS); do \
	  $(COMPILE_LOCK) --upgrade -c requirements/dev.txt \
	    -o infra/layers/$$layer/requirements.txt infra/layers/$$layer/requirements.in; done

# What lives apart: the SAM command line, which pins what it needs without regard to us, and what Paidup is measured beside.
SAM := env SAM_CLI_TELEMETRY=0 .local/sam/bin/sam
.local/sam.stamp .local/peers.stamp: .local/%.stamp: requirements/%.txt
	@mkdir -p .local
	@echo "Making .local/$* (once) ..."
	@$(PYTHON) -m venv --clear .local/$*
	@.local/$*/bin/python -m pip install --quiet --require-hashes --no-deps --only-binary :all: -r $<
	@touch $@

# ---- build --------------------------------------------------------------------------------------
# dist/ARCH/app and dist/ARCH/layers/*: the same bytes on every machine. template.yaml names arm64's.
ARCH     ?= arm64
# pyenv's python3.13 on PATH refuses to run unless that version is selected, so its own folder is tried too.
PY313    ?= $(firstword $(foreach p,python3.13 $(wildcard $(HOME)/.pyenv/versions/3.13.*/bin/python3.13),\
  $(shell $(p) -c 'print("$(p)")' 2>/dev/null)) python3.13)
DIST     := dist/$(ARCH)
PLATFORM := $(if $(filter arm64,$(ARCH)),aarch64,x86_64)-manylinux_2_28
AWS_APIS := dynamodb events s3 secretsmanager sesv2 sqs sts  # botocore's models that stay in the layer
LOCALES  := en de fr pl                                      # babel's locales that stay in the layer
E_INVOICE := facturx-en16931                                 # the one form of e-invoice whose schema stays
STRIPE_UNUSED := params events                               # types for editors, and events of the other API: 13 MB
# Reproducible .pyc files: found valid without a timestamp, and naming the paths Lambda will see.
PRECOMPILE = $(PY313) -m compileall -q -f --invalidation-mode unchecked-hash -s $(1) -p $(2) $(1)

.PHONY: build app has-python313
build: app $(LAYERS:%=$(DIST)/%.stamp)  ## what `sam deploy` uploads; ARCH=arm64 or x86_64
	@$(BIN)/python -m infra.deployed.bundles $(ARCH)

has-python313:
	@$(PY313) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null || { \
	  echo "Precompiling for Lambda needs Python 3.13: make build PY313=/path/to/python3.13" >&2; exit 1; }

app: has-python313  # always: it takes a moment, and so never keeps a deleted file
	rm -rf $(DIST)/app && mkdir -p $(DIST)/app
	find functions shared -type f ! -name '*.pyc' -print0 | xargs -0 cp --parents -t $(DIST)/app
	$(call PRECOMPILE,$(DIST)/app,/var/task)

$(DIST)/%.stamp: infra/layers/%/requirements.txt Makefile $(INSTALLED) | has-python313
	rm -rf $(DIST)/layers/$* && mkdir -p $(DIST)/layers/$*/python
	$(BIN)/uv pip install --quiet --target $(DIST)/layers/$*/python --require-hashes --no-deps \
	  --only-binary :all: --python-platform $(PLATFORM) --python-version 3.13 --link-mode copy -r $<
	cd $(DIST)/layers/$*/python && rm -rf bin .lock
	cd $(DIST)/layers/$*/python && if [ -d botocore ]; then \
	  find botocore/data -mindepth 1 -maxdepth 1 -type d $(foreach a,$(AWS_APIS),! -name $(a)) -exec rm -rf {} + ; fi
	cd $(DIST)/layers/$*/python && if [ -d babel ]; then find babel/locale-data -name '*.dat' ! -name root.dat \
	  $(foreach l,$(LOCALES),! -name '$(l).dat' ! -name '$(l)_*.dat') -delete; fi
	cd $(DIST)/layers/$*/python && rm -rf $(addprefix stripe/,$(STRIPE_UNUSED))
	cd $(DIST)/layers/$*/python && if [ -d facturx ]; then find facturx/xsd_and_schematron -mindepth 1 -maxdepth 1 \
	  -type d ! -name $(E_INVOICE) -exec rm -rf {} + ; fi
	cd $(DIST)/layers/$*/python && find . \( -path '*.dist-info/RECORD' -o -path '*.dist-info/INSTALLER' \
	  -o -path '*.dist-info/REQUESTED' -o -path '*.dist-info/uv_*' \) -delete
	$(call PRECOMPILE,$(DIST)/layers/$*,/opt)
	touch $@

# ---- deployed to a stand-in ---------------------------------------------------------------------
HOST_ARCH := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86_64)
PORT      ?= 4566

# Functions run in ministack's own interpreter, so that has to be the runtime's Python.
.local/ministack.stamp: requirements/ministack.txt $(INSTALLED) | has-python313
	@mkdir -p .local
	@echo "Making .local/ministack (once) ..."
	@$(BIN)/uv venv --quiet --clear --python $(PY313) .local/ministack
	@$(BIN)/uv pip install --quiet --python .local/ministack --require-hashes --only-binary :all: -r $<
	@touch $@

.local/runtime.stamp: requirements/runtime.txt $(INSTALLED) | has-python313
	@mkdir -p .local
	@$(BIN)/uv venv --quiet --clear --python $(PY313) .local/runtime
	@$(BIN)/uv pip install --quiet --python .local/runtime --require-hashes --only-binary :all: -r $<
	@touch $@

.PHONY: check-bundles
check-bundles: .local/runtime.stamp  ## build twice and compare, start every function from its bundle alone, time it
	@$(MAKE) --no-print-directory build ARCH=$(HOST_ARCH)
	@$(MAKE) --no-print-directory app $(LAYERS:%=dist/again/%.stamp) ARCH=$(HOST_ARCH) DIST=dist/again
	diff -r dist/$(HOST_ARCH)/app dist/again/app && diff -r dist/$(HOST_ARCH)/layers dist/again/layers
	@rm -rf dist/again
	$(BIN)/python -m infra.deployed.bundles $(HOST_ARCH) --python $$($(PY313) -c 'import sys; print(sys.executable)') \
	  --runtime .local/runtime/bin/python

.PHONY: check-units
check-units: .local/ministack.stamp  ## hold the calculator of DynamoDB's units against the stand-in's; PORT
	$(BIN)/python -m benchmarks.agreement --port $(PORT)

.PHONY: deploy-local
deploy-local: .local/sam.stamp .local/ministack.stamp  ## deploy to a stand-in for AWS on loopback and run a month through it; PORT
	@$(MAKE) --no-print-directory build ARCH=$(HOST_ARCH)
	$(BIN)/python -m infra.deployed --port $(PORT)

# An older version on main, which `make upgrade-local` updates from. It runs on this version's layers, which have all that it had.
BEFORE_COMMIT := 061942575fb40c6372d6e2ec94905edadd3913be
.PHONY: upgrade-local
upgrade-local: .local/sam.stamp .local/ministack.stamp  ## there, an older version, and this one over it in the middle of a run; PORT
	@$(MAKE) --no-print-directory build ARCH=$(HOST_ARCH)
	rm -rf .local/before && mkdir -p .local/before/dist/$(HOST_ARCH)/app
	git archive $(BEFORE_COMMIT) functions shared template.yaml | tar -x -C .local/before
	cd .local/before && cp -r functions shared dist/$(HOST_ARCH)/app
	$(call PRECOMPILE,.local/before/dist/$(HOST_ARCH)/app,/var/task)
	ln -s $(CURDIR)/dist/$(HOST_ARCH)/layers .local/before/dist/$(HOST_ARCH)/layers
	$(BIN)/python -m infra.deployed.upgrade --before .local/before --port $(PORT)

.PHONY: deploy
deploy: build .local/sam.stamp  ## to your own AWS account, after asking
	$(SAM) deploy

.PHONY: clean
clean:  ## remove everything that was made
	rm -rf $(VENV) .local dist build out .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
