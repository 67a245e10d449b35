# `make` lists what there is. Everything runs in .venv, which makes itself once from requirements.lock.

PORT ?= 5000
JOBS ?= 1
TEST_JOBS ?= 2
export REVISION ?= HEAD
# --upgrade takes the newest versions that pyproject.toml allows; without it only what must change changes.
LOCK_FLAGS ?=

# The first interpreter found that all packages have wheels for; PYTHON=... overrules it.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c '$(SUPPORTED)' 2>/dev/null && echo $$python && break; done)

INSTALLED := .venv/.installed
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# Nothing here reports to anybody.
export DO_NOT_TRACK := true
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help check repro retrain compare smoke prune ui verify test test-full faults bench format lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "JOBS=4 runs independent stages side by side, PORT=5001 moves the ui, PYTHON=python3.12 chooses the interpreter."

check: $(INSTALLED) ## say within seconds whether params.yaml holds together
	@python -m pipeline check

repro: check ## make every result that is missing or out of date (JOBS=1)
	@python -m pipeline repro --jobs $(JOBS)
	@echo "Results: report/index.html and report/results.md. Runs, curves and models: make ui"

retrain: $(INSTALLED) ## what a runner calls on schedule: pull, update imports, repro, promote, reports/retrain.md (JOBS=1)
	@python -m pipeline retrain --jobs $(JOBS)

compare: $(INSTALLED) ## scores and parameters that differ from a commit, as Markdown (REVISION=HEAD)
	@python -m pipeline compare "$$REVISION"

smoke: $(INSTALLED) ## the whole pipeline in a small form, in a copy that is thrown away (JOBS=1)
	@python -m pipeline smoke --jobs $(JOBS)

prune: $(INSTALLED) ## remove what variants and datasets that are gone from params.yaml left behind
	@python -m pipeline prune

ui: $(INSTALLED) ## show all runs in MLflow (PORT=5000)
	@if [ -n "$$MLFLOW_TRACKING_URI" ]; then \
		case "$$MLFLOW_TRACKING_URI" in \
			sqlite:*|postgresql*:*|mysql*:*) ;; \
			*) echo "The runs are at $$MLFLOW_TRACKING_URI (MLFLOW_TRACKING_URI is set)."; exit 0 ;; \
		esac; \
	elif [ ! -f mlflow.db ]; then \
		echo "No runs here yet: 'make repro' makes them; where results are here already," \
			"'$(INSTALLED:.installed=bin/python) -m pipeline sync' records them."; exit 1; \
	fi; \
	echo "MLflow at http://127.0.0.1:$(PORT), Ctrl-C ends it"; \
	exec mlflow ui --host 127.0.0.1 --port $(PORT) --workers 1 \
		--backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///$(CURDIR)/mlflow.db}"

verify: $(INSTALLED) ## compare every hash in dvc.lock with the files here, running nothing
	@python -m pipeline verify

test: lint ## style, types, walls between the modules, and the tests
	@pytest -n $(TEST_JOBS)

test-full: lint ## the same with the tests that train for minutes
	@pytest -n $(TEST_JOBS) -m "full or not full"

faults: $(INSTALLED) ## kill stages at fifty random moments and compare what comes of it (about 10 minutes)
	@pytest -m faults -rA --tb=short

.PHONY: lint
lint: $(INSTALLED)
	@ruff check
	@ruff format --check
	@mypy
	@lint-imports --no-logo

bench: $(INSTALLED) ## measure speed against the figures of benchmarks/
	@python -m benchmarks

format: $(INSTALLED) ## put the code into the house's form
	@ruff check --fix
	@ruff format

lock: $(INSTALLED) ## resolve pyproject.toml again and rewrite requirements.lock
	@[ -x .venv/bin/uv ] || python -m pip install -qq uv
	uv pip compile pyproject.toml --extra dev --output-file requirements.lock --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-annotate --no-header --quiet $(LOCK_FLAGS)

clean: ## remove the environments and tools' caches; data, models, reports and runs stay
	rm -rf .venv .venv-bench .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(INSTALLED): requirements.lock
	@[ -n "$(PYTHON)" ] && "$(PYTHON)" -c '$(SUPPORTED)' || { \
		echo "Cadence needs Python 3.11, 3.12 or 3.13; found: $$("$(or $(PYTHON),python3)" --version 2>&1)." \
			"Install one, or name it: make PYTHON=python3.12" >&2; exit 2; }
	@echo "Installing the packages of requirements.lock into .venv (once, about 3-4 minutes)"
	@[ -x .venv/bin/python ] || "$(PYTHON)" -m venv .venv
	@.venv/bin/python -m pip install -qq --use-pep517 --require-hashes --no-deps -r requirements.lock
	@touch $@
