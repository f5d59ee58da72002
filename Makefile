# The two commands to know: `make quickstart` and `make test`. Both install what they need first.
#
#   make quickstart   the main job end to end on the CPU, over the stories that come with the package
#   make test         every test but those that need a GPU
#   make check        format, lint, types, import rules, quick tests (about two and a half minutes on two cores)
#   make lint         of these all but the tests
#   make install      the environment in .venv, with the development tools
#   make format       put the code into the house format
#   make docs         write docs/recipe.md and docs/recipe.schema.json anew
#   make bench        the benchmarks, each beside its peer
#   make constraints  pin the newest versions that install together (then: make test)
#   make clean        remove .venv, caches and build leftovers; your data stays

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
RECIPE ?= jobs/recipes/quickstart.yaml
COMPILED := $(wildcard novelray/corpus/native/*.pyx)
# A process per core, each with the one thread that is then its share.
TOGETHER = OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/unit tests/contract -n auto --dist loadfile
export DS_BUILD_OPS := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help quickstart test check lint install format docs bench constraints clean

help:
	@sed -n 's/^#   \(make .*\)/\1/p' Makefile

quickstart: $(VENV)/.runtime
	$(BIN)/novelray run $(RECIPE) --no-remain

test: $(VENV)/.dev
	$(TOGETHER) -m "not ray and not gpu"
	$(BIN)/python -m pytest -m "not ray and not gpu" tests/browser tests/chaos tests/cluster
	$(BIN)/python -m pytest -m "ray and not gpu"

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint
	$(TOGETHER) -m "not slow and not ray and not gpu"

install: $(VENV)/.dev

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.runtime
	$(BIN)/python -m novelray.recipe.reference

bench: $(VENV)/.dev
	for benchmark in benchmarks/[a-z]*.py; do $(BIN)/python "$$benchmark"; done

# Three stamps, so that nothing is installed twice: the environment, what runs, what develops.
$(VENV)/.created:
	@test -n "$(PYTHON)" || { echo "NovelRay needs Python 3.11, 3.12 or 3.13 (make PYTHON=/path/to/python3)." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV) || { echo "No venv module: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 2; }
	touch $@

$(VENV)/.runtime: $(VENV)/.created pyproject.toml constraints.txt $(COMPILED)
	@echo 'Installing what runs into $(VENV) (once; a few minutes)'
	$(BIN)/pip install -qq -c constraints.txt -e .
	touch $@

$(VENV)/.dev: $(VENV)/.created pyproject.toml constraints.txt $(COMPILED)
	@echo 'Installing what runs and what tests into $(VENV) (once; a few minutes)'
	$(BIN)/pip install -qq -c constraints.txt -e ".[dev]"
	touch $(VENV)/.runtime $@

constraints:
	rm -rf build/pins
	$(PYTHON) -m venv build/pins
	build/pins/bin/pip install --quiet -e ".[dev]"
	{ sed -n '/^#/p' constraints.txt; build/pins/bin/pip freeze --all --exclude-editable --exclude pip | sed 's/+[a-z0-9.]*$$//'; } \
		> build/constraints.txt
	mv build/constraints.txt constraints.txt

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -f novelray/corpus/native/*.c novelray/corpus/native/*.so
	find . -name __pycache__ -prune -exec rm -rf {} +
