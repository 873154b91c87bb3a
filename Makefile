# Everything runs from .venv; a stamp file in it remembers what is installed, so a second call is instant.
# `demo` needs the main job's packages only; `test`, `lint` and `docs` add the rest on top (same versions), never remove
# it. Every package is checked against its hash in the lock, and compiled to bytecode once: uv leaves that to the first
# import, and where Python may write none every process compiles JAX anew, seconds each; the package's own likewise.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
MAIN := $(VENV)/.main-installed
ALL := $(VENV)/.all-installed
PIP_INSTALL := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.12 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url
# A file's tests stay in one process, which compiles for them once; files go in the order that tests/conftest.py gives.
FAST := tests/test_*.py $(addprefix tests/,budget codec export files lightpath process ranking spec)
# What another Python may change is the language and the packages: every module is imported, and each kind of package
# used, in files that compile little.
OTHER := $(addprefix tests/test_,$(addsuffix .py,every_module api cache_folder compiled deprecation netlist seeds \
	signatures threefry typecheck units)) $(addprefix tests/,codec export files lightpath spec characterize \
	chip/test_guard.py chip/test_served.py cli/test_app.py explore/test_yield.py laboratory/test_read.py \
	layout/test_golden.py layout/test_pdk.py ranking/test_attention.py)
OTHER_PYTHON ?= python3.13
# What notebooks compile runs for milliseconds, and two run at once: as tests/conftest.py has it.
QUICKLY := JAX_DISABLE_MOST_OPTIMIZATIONS=1 OPENBLAS_NUM_THREADS=1 \
	XLA_FLAGS="--xla_cpu_multi_thread_eigen=false --xla_cpu_use_fusion_emitters=false \
	--xla_cpu_parallel_codegen_split_count=1"
PYTEST_FLAGS ?= -n auto --dist loadfile --no-loadscope-reorder
# The bytecode of what the type check is laid over, and of the tests, is kept, also where Python is told to write none:
# every worker, and every run, would compile a thousand files anew.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/pytest

.PHONY: help demo test fast-test other lint format notebooks docs wheel kits circulax lock clean
.DEFAULT_GOAL := help

help:  ## list these targets
	@grep -hE '^[a-z]+: .*## ' Makefile | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

demo: $(MAIN)  ## set up what it needs, then run the 8x8 chip from spec to ranked blocks
	$(BIN)/prism run layouts/demo_8x8/spec.toml -o out/demo_8x8

test: $(ALL)  ## set up everything, then run the tests
	$(PYTEST) $(PYTEST_FLAGS) -m "not wheel and not kit and not circulax"

fast-test: $(ALL)  ## the fast half of the tests: those of the rooms that compile little
	$(PYTEST) $(PYTEST_FLAGS) -m "not slow and not wheel and not kit and not circulax" $(FAST)

other:  ## what another Python may change, on that one, in an environment of its own (make other OTHER_PYTHON=python3.13)
	$(MAKE) fast-test PYTHON=$(OTHER_PYTHON) VENV=.venv-other PYTEST_FLAGS="-n 0" FAST="$(OTHER)"

lint: $(ALL) notebooks docs  ## format, style, types, walls, spelling; notebooks executed, docs built
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo
	$(BIN)/codespell

format: $(ALL)  ## rewrite the sources into the project's format
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

notebooks: $(ALL)  ## execute every notebook; the committed files stay as they are
	ls notebooks/*.ipynb | $(QUICKLY) xargs -n 1 -P 2 $(BIN)/jupyter nbconvert --log-level WARN \
		--KernelManager.transport_encryption=auto --to notebook --execute --output-dir out/notebooks

docs: $(ALL)  ## build the documentation, warnings are errors
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build
	@echo "docs/_build/index.html"

wheel: $(ALL)  ## build source and wheel, and run the main job and the README's session from it in bare environments
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(BIN)/twine check --strict dist/*
	$(BIN)/pytest -n 0 -m wheel tests/wheel

kits: $(BIN)/uv  ## hold the foundry kits' frozen cells and models against their packages (2 GB, in an environment of its own)
	test -d .venv-kits || $(BIN)/uv venv --quiet --python $(PYTHON) .venv-kits
	$(BIN)/uv pip install --quiet --python .venv-kits/bin/python -e ".[layout,lab,lnoi400]" cspdk==2.1.0 pytest beartype
	.venv-kits/bin/python -m pytest -m kit tests/kits

circulax: $(BIN)/uv  ## hold a row in time against another simulator, in an environment of its own
	test -d .venv-circulax || $(BIN)/uv venv --quiet --python $(PYTHON) .venv-circulax
	$(BIN)/uv pip install --quiet --python .venv-circulax/bin/python -e ".[circulax]" pytest beartype
	.venv-circulax/bin/python -m pytest -m circulax tests/circuit/test_circulax.py

lock: $(BIN)/uv  ## pin new dependencies (make lock UPGRADE=--upgrade moves every pin)
	$(COMPILE) $(UPGRADE) pyproject.toml --extra layout -o requirements.lock
	$(COMPILE) $(UPGRADE) pyproject.toml --extra all --extra dev --extra docs -c requirements.lock -o requirements-dev.lock

clean:  ## remove the environment and all that was made
	rm -rf .venv .venv-* out build dist docs/_build .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 12) and "prism_photonics needs Python 3.12 or newer; $(PYTHON) is " + sys.version.split()[0] + ". Cure: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(MAIN): requirements.lock pyproject.toml | $(BIN)/uv
	$(PIP_INSTALL) --require-hashes -r requirements.lock
	$(PIP_INSTALL) --no-deps -e .
	$(BIN)/python -m compileall -q prism_photonics
	@touch $@

$(ALL): requirements-dev.lock $(MAIN)
	$(PIP_INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@
