# The commands of this repository: `make help` lists them.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
VENV_SETUP := .local/virtualenv

.DEFAULT_GOAL := help
.PHONY: help run test fire fuzz lint types bench openapi costs infra-check images clean
# Without bytecode every process would compile all imports again.
unexport PYTHONDONTWRITEBYTECODE

help: ## List the commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(INSTALLED) ## Start everything on this machine with seeded events; Ctrl-C stops it
	@exec $(RUN) -m emulators.launcher

test: lint types ## Lint, types, then every test on real emulators: what CI runs
	$(RUN) -m pytest -n auto

fire: $(INSTALLED) ## Every crash, fault and order of events at every remote call, with a summary
	MARQUEE_FIRE=full $(RUN) -m pytest tests/fire -n auto

fuzz: $(INSTALLED) ## Thousands of generated calls, good and bad, to every route of openapi.json
	MARQUEE_FUZZ=full $(RUN) -m pytest tests/fuzz -n auto

lint: $(INSTALLED) ## Check style and format
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

types: $(INSTALLED) ## Check types
	$(RUN) -m mypy

bench: $(INSTALLED) ## Measure bookings and requests per second, searches, and cold starts
	$(RUN) -m bench
	$(RUN) -m bench.search
	$(RUN) -m bench.cold_start

openapi: $(INSTALLED) ## Write openapi.json, manifest.json and docs/roles.md from the code
	$(RUN) -m manifest

costs: $(INSTALLED) ## Write docs/costs.md from what a test run counted
	$(RUN) -m bench.costs

infra-check: $(INSTALLED) ## Show what can be shown of terraform/ without a cloud
	@$(RUN) -m infra

images: ## Have Cloud Build make the images that the bundles lack (docs/deploy.md)
	@$(PYTHON) -m infra.images

clean: ## Remove what was installed and generated
	rm -rf $(VENV) .local emulators/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Marquee needs Python 3.11 or newer, and $(PYTHON) is not: set PYTHON, as in make run PYTHON=python3.12" >&2; exit 1; }
	@mkdir -p .local/logs
	@[ -x $(RUN) ] && $(RUN) -m pip --version >/dev/null 2>&1 || { \
	  echo "creating $(VENV) …"; \
	  $(PYTHON) -m venv --clear $(VENV) >.local/logs/venv.log 2>&1 || { \
	    $(PYTHON) -m pip install --quiet --target $(VENV_SETUP) virtualenv && \
	    PYTHONPATH=$(VENV_SETUP) $(PYTHON) -m virtualenv --quiet --clear $(VENV); } >>.local/logs/venv.log 2>&1 || \
	  { echo "$(PYTHON) cannot create a virtual environment: install it (Debian: apt-get install python3-venv)" >&2; exit 1; }; }
	@$(PYTHON) -m emulators.progress "installing Python packages (about 60 s)" .local/logs/install-python.log \
	  $(RUN) -m pip install --disable-pip-version-check -r requirements-dev.txt
	@touch $@
