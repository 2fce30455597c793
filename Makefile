# Everything runs in .venv, which is made when it is missing and renewed when pyproject.toml or constraints.txt change.

PYTHON ?= python3
PIP := .venv/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo test check audit figures clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s%s\n", $$1, $$2 }' Makefile

demo: .venv/installed ## Install, run the double-descent study, say where its report is
	@.venv/bin/python sweeps/double_descent.py

test: .venv/installed-test ## Install, then run everything that CI runs
	@$(MAKE) --no-print-directory check

check: .venv/installed-test ## Format, lint, types, import rules, dependency audit, tests
	ruff format --check .
	ruff check .
	pyright
	lint-imports
	@$(MAKE) --no-print-directory audit
	pytest --numprocesses 2 --no-loadscope-reorder -rs

audit: .venv/installed-test ## Known vulnerabilities of the exact versions; what could not be asked is said
	pip --disable-pip-version-check check
	pip-audit --requirement constraints.txt --no-deps --disable-pip --progress-spinner off --format json 2>/dev/null \
		| python .ci/audit.py

figures: .venv/installed ## Draw the figures of docs/measures anew
	@.venv/bin/python -m docs.figures

clean: ## Remove the environment and caches; results in store/ and reports/ stay
	rm -rf .venv .pytest_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is written last, so an interrupted installation is taken up again.
.venv/installed: .venv/created pyproject.toml constraints.txt
	@rm -f $@ .venv/installed-test
	@echo "Installing gensweep and what it needs into .venv (several GB at first: a few minutes) ..."
	@$(PIP) --editable .
	@touch $@

.venv/installed-test: .venv/installed
	@echo "Installing the tools for tests and checks, the MLflow server's parts, the peers of benchmarks, and the sampler ..."
	@$(PIP) --editable '.[server,test,benchmarks,posterior]'
	@touch $@

.venv/created:
	@command -v $(PYTHON) >/dev/null || { echo "'$(PYTHON)' is not there: name a Python of 3.11 or later, as in 'make demo PYTHON=python3.12'"; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("$(PYTHON) is Python %d.%d: name one of 3.11 or later, as in: make demo PYTHON=python3.12" % v[:2])'
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
	@touch $@
