# The commands of this repository: `make help` lists them.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
VENV_SETUP := .local/virtualenv

.DEFAULT_GOAL := help
.PHONY: help run test fire fuzz lint types bench openapi costs lock bundle bundles-all infra-check images dead-letters smoke clean
# Without bytecode every process would compile all imports again.
unexport PYTHONDONTWRITEBYTECODE

help: ## List the commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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

costs: $(INSTALLED) ## Write docs/costs.md from what a test run counted, and the month's bill in docs/deploy.md
	$(RUN) -m bench.costs
	$(RUN) -m bench.monthly

lock: $(INSTALLED) ## Pin in requirements.lock whatever the other two requirements files lead to, with hashes
	UV_CUSTOM_COMPILE_COMMAND="make lock" $(RUN) -m uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes requirements-dev.txt -o requirements.lock

bundle: $(INSTALLED) ## Write one zip per function into build/bundles, and say what changed since the last time
	@$(RUN) -m manifest.bundle

bundles-all: $(INSTALLED) ## Start every function's bundle alone, with only its own packages, and make its usual call
	MARQUEE_BUNDLES=all $(RUN) -m pytest tests/bundles -n auto

infra-check: $(INSTALLED) ## Show what can be shown of terraform/ without a cloud
	@$(RUN) -m infra

images: ## Have Cloud Build make the images that the bundles lack (docs/deploy.md)
	@$(PYTHON) -m infra.images

dead-letters: $(INSTALLED) ## See, explain, replay events that were given up: DO="replay EVENT" [PROJECT=P]
	@$(RUN) -m infra.dead_letters $(if $(PROJECT),--project $(PROJECT)) $(DO)

smoke: $(INSTALLED) ## Does the deployment at URL=https://DOMAIN work? (docs/smoke.md)
	@$(RUN) -m infra.smoke $(URL)

clean: ## Remove what was installed and generated
	rm -rf $(VENV) .local build emulators/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements.lock
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
	  $(RUN) -m pip install --disable-pip-version-check -r requirements.lock
	@touch $@
