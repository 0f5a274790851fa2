# `make` alone lists the targets.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PORT   ?= 8000
export PATH := $(CURDIR)/$(BIN):$(PATH)
.DEFAULT_GOAL := help
.PHONY: help run serve demo test slow all endurance check fix status clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

run: $(VENV)/.installed ## install, run the nightly flow on the embedded data, publish the model
	@tandem run

serve: $(VENV)/.installed ## serve the published model: http://127.0.0.1:8000
	@tandem serve --port $(PORT)

demo: $(VENV)/.installed ## run and serve the made-up fashion shop
	@tandem demo fashion --port $(PORT)

status: $(VENV)/.installed ## which stages would run and why, and what is published
	@tandem status

# Two processes with a thread each: the tests wait as much as they compute. Tests of a module share its fixtures.
PROCESSES := --numprocesses 2 --dist loadscope

test: $(VENV)/.installed-test ## install what the tests need and run the quick ones
	@OMP_NUM_THREADS=1 pytest $(PROCESSES)

slow: $(VENV)/.installed-test ## the tests that take minutes each
	@pytest -m slow

all: $(VENV)/.installed-test ## every test but the endurance ones, in two processes, as CI runs them
	@OMP_NUM_THREADS=1 pytest -m "not endurance" $(PROCESSES)

endurance: $(VENV)/.installed-test ## kill a run in every stage, for a quarter of an hour
	@pytest -m endurance

check: $(VENV)/.installed-test ## lint, format, types, layers, dead code, dependencies
	@ruff check . && ruff format --check . && mypy && lint-imports && vulture && deptry .

fix: $(VENV)/.installed-test ## format, and mend what the linter can mend
	@ruff check --fix . && ruff format .

clean: ## remove the environment, results, runs and caches; the project's own files and paid answers stay
	find .tandem -mindepth 1 -maxdepth 1 ! -name enrichment -exec rm -rf {} + 2>/dev/null || true
	rm -rf $(VENV) mlruns mlflow.db data/[!i]* .dvc/cache .dvc/tmp .mypy_cache .ruff_cache .pytest_cache

$(VENV)/.installed: pyproject.toml constraints.txt install/system.sh
	@echo "Installing into $(VENV): a few minutes the first time"
	@install/system.sh
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@install/system.sh test
	@$(BIN)/python -m pip install --constraint constraints.txt --editable ".[test]"
	@touch $@
