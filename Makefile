# Everything starts here: `make help`. Needs Python >= 3.11 and make; the rest is installed into .venv.
.DEFAULT_GOAL := help
.PHONY: help run demo codes test check fmt bench faults stories openapi lock

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
SCRATCH := $(BIN)/python -m config.supervisor scratch
APPS := config core experts marketplace tasks payments
TEMPLATES = find $(APPS) -name '*.html' -path '*/templates/*'
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

run: $(READY) ## Serve Cadre on PORT (8000) with its data in CADRE_HOME (.local); Ctrl-C stops it
	@$(BIN)/python -m config.supervisor run

demo: $(READY) ## Play the demo story in a private instance [INPUT=FILE.ndjson] [JSON=1]
	@$(BIN)/python -m config.supervisor demo $(if $(INPUT),--input "$(INPUT)") $(if $(JSON),--json)

codes: $(READY) ## Print the operators' one-time codes of this moment
	@$(BIN)/python -m config.supervisor codes

test: $(READY) ## Run the tests [ARGS="tests/core -k money"]
	$(BIN)/pytest -n 2 --dist loadgroup $(ARGS)

# Types are checked from scratch: out of a half-stale cache Django's plugin no longer finds managers.
check: $(READY) ## Lint, types, floors, migrations, OpenAPI and deployment settings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(TEMPLATES) -exec $(BIN)/djade --check --target-version 5.2 {} +
	CADRE_MODE=development $(BIN)/mypy --no-incremental .
	$(BIN)/lint-imports
	$(SCRATCH) $(BIN)/python manage.py makemigrations --check --dry-run
	$(SCRATCH) $(BIN)/python manage.py spectacular --validate --fail-on-warn --file $(VENV)/openapi.yaml
	$(SCRATCH) $(BIN)/python manage.py problem_docs --check
	@cmp docs/openapi.yaml $(VENV)/openapi.yaml || { echo "docs/openapi.yaml is out of date: make openapi" >&2; exit 1; }
	CADRE_MODE=production SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(64))') \
	    VAULT_KEYS=$$($(BIN)/python -c 'import base64, os; print(base64.b64encode(os.urandom(32)).decode())') \
	    BASE_URL=https://cadre.example $(BIN)/python manage.py check --deploy --fail-level WARNING

fmt: $(READY) ## Format code and templates, fix what can be fixed
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .
	$(TEMPLATES) -exec $(BIN)/djade --target-version 5.2 {} +

bench: $(READY) .venv-bench/.installed ## Measure the hot paths against stock DRF, the naive ORM and django-hordak
	@CADRE_MODE=development $(SCRATCH) $(BIN)/python -m bench

faults: $(READY) ## Kill everything that moves money 200 times and count it [ARGS="--seed 7 --write"]
	@$(BIN)/python -m tests.faults.series $(ARGS)

stories: $(READY) ## Play random stories about money against a second set of books [EXAMPLES=40 STEPS=80 SEED=20261122]
	CADRE_MONEY_EXAMPLES=$(or $(EXAMPLES),40) CADRE_MONEY_STEPS=$(or $(STEPS),80) $(BIN)/pytest -q -s \
	    --hypothesis-seed=$(or $(SEED),20261122) tests/properties/test_money_machine.py

openapi: $(READY) ## Write docs/openapi.yaml and docs/errors.md anew
	$(SCRATCH) $(BIN)/python manage.py problem_docs
	$(SCRATCH) $(BIN)/python manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml

lock: $(READY) ## Write the lock files anew from pyproject.toml [UPGRADE=1]
	$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml -o requirements.lock
	$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml --group dev -o requirements-dev.lock
	$(COMPILE) $(if $(UPGRADE),--upgrade) --group pyproject.toml:bench -o requirements-bench.lock

# uv where there is one, else uv by its own lock, else (where uv has no wheel) pip: each checks every hash.
# UV_SYSTEM_CERTS: behind a company's proxy the system knows its certificate and uv alone does not.
.venv-bench/.installed: requirements-bench.lock $(READY)
	@test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	@PATH="$$PWD/$(BIN):$$PATH"; \
	    UV_SYSTEM_CERTS=1 uv pip install --quiet --python .venv-bench/bin/python --require-hashes -r requirements-bench.lock \
	    || .venv-bench/bin/pip install --quiet --require-hashes -r requirements-bench.lock
	@touch $@

$(READY): requirements-dev.lock requirements-uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "Cadre needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@command -v uv >/dev/null || test -x $(BIN)/uv \
	    || $(BIN)/pip install --quiet --require-hashes -r requirements-uv.lock || true
	@PATH="$$PWD/$(BIN):$$PATH"; \
	    UV_SYSTEM_CERTS=1 uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements-dev.lock \
	    || $(BIN)/pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@
