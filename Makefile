# Everything a person or CI does with this project. `make help` lists it.
# The environment lives in .venv and is made from the locks in requirements/: exact versions with their hashes, so that
# an install repeats. Each target installs what it needs: `make run` the fewest, tests, lint and docs theirs on top.

PYTHON ?= python3
PYTEST_WORKERS ?= 2
PYTEST_ARGS ?=
# Runs of `make soak`, ten power cuts each: less than an hour on two idle cores (docs/howto/campaigns.md). And runs of the
# fault campaign: three of every fault in every state.
SOAK_RUNS ?= 10000
SOAK_FAULTS ?= 2268
SOAK_SEED ?= 1
SOAK_ARGS ?=
# `make bench AGAINST=v1 BENCH_ARGS="--only speed,commands --rounds 9"`
AGAINST ?=
BENCH_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run test lint format traceability emulate bench growth soak docs dist pictures flash size lock clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

setup: $(VENV)/.thecal  ## Make .venv and install thecal and what it runs on (quick when nothing changed)

run: setup  ## Boot the emulated pump, program it, let 24 h pass, show and plot what was delivered
	@$(BIN)/python -m thecal.simulation.demo

test: $(VENV)/.test  ## Run every test that needs no board (PYTEST_ARGS="..." narrows it)
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist=worksteal $(PYTEST_ARGS)

lint: $(VENV)/.lint  ## Check style, types, layers, firmware rules, the traceability page and the fragments of changes/
	@CHECK_PYTHON=$(BIN)/python tools/lint.sh

format: $(VENV)/.lint  ## Put every file into the one format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

traceability: $(VENV)/.test  ## Write docs/reference/traceability.md anew from the test markers
	@$(BIN)/python tools/checks/traceability.py

emulate: setup  ## Run an emulated pump on a pty and print its path
	@$(BIN)/thecal emulate

bench: $(VENV)/.test  ## Measure, print a table and write build/bench.json (AGAINST=REV: in turn with that commit)
	@$(BIN)/python benchmarks/$(if $(AGAINST),against.py "$(AGAINST)",run.py) $(BENCH_ARGS)

growth: $(VENV)/.test  ## Measure how cost grows, write docs/reference/growth.md and its plot (GROWTH_ARGS=--only steps)
	@$(BIN)/python benchmarks/growth.py $(GROWTH_ARGS)

soak: $(VENV)/.test  ## Power cuts and faults in therapy, again and again, and years of it (SOAK_RUNS=..., SOAK_SEED=..., SOAK_ARGS=--resume)
	@$(BIN)/thecal campaign power-cuts --runs $(SOAK_RUNS) --seed $(SOAK_SEED) $(SOAK_ARGS)
	@$(BIN)/thecal campaign faults --runs $(SOAK_FAULTS) --seed $(SOAK_SEED) $(SOAK_ARGS)
	@THECAL_SOAK=1 $(BIN)/python -m pytest -q -n 0 -s --timeout 7200 tests/system/security/test_fuzz.py  # a million frames
	@THECAL_SOAK=1 $(BIN)/python -m pytest -n $(PYTEST_WORKERS) -rA --timeout 7200 tests/host/outside  # 10^5 lies, and files
	@THECAL_SOAK=1 $(BIN)/python -m pytest -n $(PYTEST_WORKERS) -rA tests/firmware/records tests/firmware/event_log tests/system/security
	@THECAL_SOAK=1 $(BIN)/python -m pytest -n $(PYTEST_WORKERS) -rA --timeout 7200 \
		tests/system/fuzz tests/system/settling tests/host/cli/test_several.py tests/host/simulation/test_budget.py
	@THECAL_SOAK=1 $(BIN)/python -m pytest -n $(PYTEST_WORKERS) -rA --timeout 7200 tests/host/safety/test_nuisance.py tests/host/report
	@THECAL_SOAK=1 $(BIN)/python -m pytest -n 0 -rA tests/boards/rp2040  # a day of the emulated chip: skips without an image

docs: $(VENV)/.docs  ## Build the documentation's site into build/site (no internet needed; a warning is an error)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "build/site/index.html"

dist: $(VENV)/.dist  ## Build dist/: sdist, the wheel of it, what it runs on (CycloneDX SBOM), SHA-256 of each
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation --outdir dist . >build.log 2>&1 || { cat build.log >&2; exit 1; }
	@rm build.log
	@$(BIN)/python -W ignore -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible \
		--output-file dist/thecal.cdx.json requirements/run.lock
	@cd dist && sha256sum -- * >SHA256SUMS && cat SHA256SUMS

pictures: $(VENV)/.docs $(VENV)/.test  ## Make the pictures of the documents anew: `make run`, live monitor, the page (needs chromium)
	@$(BIN)/python -m thecal.simulation.demo
	@cp build/run.png docs/images/run.png
	@$(BIN)/python tools/generate/monitor_picture.py
	@$(BIN)/python tools/generate/web_pictures.py  # docs/images/web.gif, docs/images/web.png

flash: setup  ## Put the firmware on a board (PORT=/dev/ttyACM0 FLASH_ARGS="--production")
	@$(BIN)/thecal flash --port "$(PORT)" $(FLASH_ARGS)

size: $(VENV)/.test  ## Bytes of every compiled module of the firmware, against docs/size-budget.json
	@$(BIN)/python tools/checks/size.py

lock:  ## Write requirements/*.lock anew from the ranges in pyproject.toml (UPGRADE=1: newest versions)
	@PYTHON=$(PYTHON) tools/lock.sh

clean:  ## Remove build/ and caches (not .venv)
	@rm -rf build .pytest_cache .ruff_cache .hypothesis
	@find firmware boards host_tools tools tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp for each layer. A changed lock of what thecal runs on makes the environment anew (nothing old stays in it); a
# changed lock of another layer adds to it; a changed pyproject.toml only installs thecal itself again.
INSTALL = $(PIP) install --no-deps --require-hashes -r

$(VENV)/.run: requirements/run.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "thecal needs Python 3.11 or newer; $(PYTHON) is older. Say: make setup PYTHON=python3.11" >&2; exit 1; }
	@echo "Installing the packages of $< into $(VENV) (less than a minute, once)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(INSTALL) $<
	@touch $@

$(VENV)/.thecal: $(VENV)/.run pyproject.toml $(wildcard host_tools/thecal/__init__.py protocol/thecal_protocol/version.py)
	@$(PIP) install --no-deps --no-build-isolation -e .
	@# Type checkers follow a .pth, not setuptools' import hook: pyright on code that imports thecal finds it here.
	@$(BIN)/python -c 'import pathlib, sysconfig; \
		pathlib.Path(sysconfig.get_path("purelib"), "thecal_sources.pth").write_text("$(CURDIR)/host_tools\n$(CURDIR)/protocol\n")'
	@touch $@

$(VENV)/.dist $(VENV)/.docs $(VENV)/.test $(VENV)/.lint: $(VENV)/.%: requirements/%.lock $(VENV)/.thecal
	@echo "Adding the packages of $< to $(VENV) (once)"
	@$(INSTALL) $<
	@touch $@
