# Everything runs in .venv, which these targets make and keep up to date by themselves.
VENV := .venv
PYTHON := $(VENV)/bin/python
PIP := $(PYTHON) -m pip --disable-pip-version-check --quiet
# Twice what CI has of cores: half of what the tests of terminals and consoles take is waiting.
WORKERS ?= 4
BENCH_JOBS ?= 200000

# Tests and snapshots must not depend on the terminal they are started from, nor on the operator's own settings.
PLAIN := env $(foreach name,NO_COLOR FORCE_COLOR COLORTERM COLUMNS LINES \
	$(filter TEXTUAL_% PACELINE_%,$(.VARIABLES)),-u $(name)) TERM=xterm-256color

.PHONY: help demo test check format lock crash bench screenshots
.DEFAULT_GOAL := help

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.runtime ## Run an example campaign against a local relay and open the console
	@$(VENV)/bin/paceline demo

# Compiled first: the tests start hundreds of programs, and where Python may write no bytecode each would compile anew.
# Neighbours go to one worker, so that what a module shares is made once; who is done takes over from others.
test: $(VENV)/.dev ## Run all tests
	@$(PYTHON) -m compileall -q tui engine storage tests
	@$(PLAIN) $(PYTHON) -m pytest -n $(WORKERS) --dist worksteal

# Compiled first, as an installed program is: the table tells how long a start takes.
crash: $(VENV)/.dev ## Kill it in every way and count at the receiver; PROVE=1 takes the guards out one by one
	@$(PYTHON) -m compileall -q tui engine storage
	@$(PLAIN) $(PYTHON) -m tests.crash.crash_table $(if $(PROVE),--prove)

bench: $(VENV)/.dev ## Measure pipeline and intent (needs smtp-sink), planning, forecast, background jobs, and the console on BENCH_JOBS jobs (200,000)
	@$(PYTHON) -m benchmarks.pipeline
	@$(PYTHON) -m benchmarks.intent
	@$(PYTHON) -m benchmarks.planning
	@$(PYTHON) -m benchmarks.gate
	@$(PYTHON) -m benchmarks.forecast
	@$(PYTHON) -m benchmarks.jobs --jobs 20000 --concurrency 10 100
	@$(PYTHON) -m benchmarks.console --jobs $(BENCH_JOBS)

check: $(VENV)/.dev ## Lint, format, types, the three floors, the locks
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	@if grep -nEi '://|^[[:space:]]*-(i|f|-index-url|-extra-index-url|-find-links)' requirements/*.txt; \
	then echo "requirements/ must name no index address"; exit 1; fi

format: $(VENV)/.dev ## Put the code into its form
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

screenshots: $(VENV)/.runtime ## Draw the pictures of the console anew (about a minute)
	@$(PYTHON) -m screenshots.make

# uv is a tool of this one target, so it stands in no lock.
LOCK := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header
lock: $(VENV)/.dev ## Write the locked requirements anew
	@test -x $(VENV)/bin/uv || $(PIP) install uv
	$(LOCK) pyproject.toml -o requirements/runtime.txt
	$(LOCK) pyproject.toml --extra dev -o requirements/dev.txt
	@$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])' \
		| $(LOCK) - -o requirements/build.txt

# --- set-up ---

$(PYTHON):
	@for candidate in python3.13 python3.12 python3.11 python3; do \
		$$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		found=$$candidate; \
		$$candidate -c 'import ensurepip, venv' 2>/dev/null || continue; \
		echo "Making $(VENV) with $$($$candidate --version)"; \
		rm -rf $(VENV) && $$candidate -m venv $(VENV) || exit 1; \
		exit 0; \
	done; \
	if [ -n "$$found" ]; then \
		version=$$($$found -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
		echo "Python $$version is here, but not its venv module: on Debian or Ubuntu, apt install python$$version-venv"; \
	else \
		echo "Paceline needs Python 3.11 or newer, and none was found: install it, then run make again"; \
	fi >&2; exit 1

# setuptools comes from its own lock, so that building the package downloads nothing unchecked.
# What an earlier build left in the tree would hide the kinds of jobs that this one registers.
INSTALL = rm -rf paceline.egg-info && $(PIP) install --require-hashes -r requirements/build.txt $(1) && \
	$(PIP) install --no-deps --no-build-isolation --editable . && \
	$(PYTHON) -m compileall -q tui engine storage

$(VENV)/.runtime: requirements/runtime.txt requirements/build.txt pyproject.toml | $(PYTHON)
	@echo "Installing what Paceline needs"
	@$(call INSTALL,-r requirements/runtime.txt)
	@touch $@

$(VENV)/.dev: requirements/dev.txt requirements/runtime.txt requirements/build.txt pyproject.toml | $(PYTHON)
	@echo "Installing Paceline and the tools of its checks"
	@$(call INSTALL,-r requirements/dev.txt)
	@touch $@ $(VENV)/.runtime
