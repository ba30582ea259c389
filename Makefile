# Every target works from a bare checkout with only python3 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Where a target installs Debian's packages: as root, or by asking for the right.
ROOT := $(shell test "$$(id -u)" = 0 || echo sudo)
APT := $(ROOT) apt-get update -qq && $(ROOT) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq
LOCK := uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header
export PYTHONHASHSEED ?= 0
# Debian keeps nginx where only root looks.
export PATH := $(PATH):/usr/sbin

.PHONY: demo test test-servers coverage check bench fuzz docs lock dist advisories clean

$(READY): requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: $(READY)       ## watch a clean model pass and a pickled one be stopped
	$(BIN)/python -m tools.demo

test: $(READY)       ## everything that needs only Python packages
	$(BIN)/python -m pytest -q -n 2 -m "not servers"

test-servers: $(READY)  ## tests against real servers, which it installs and starts itself
	command -v nginx >/dev/null || { $(APT) nginx-light >/dev/null; }
	command -v npm >/dev/null || { $(APT) nodejs npm >/dev/null; }
	$(BIN)/python -m pytest -q -m servers tests/servers

coverage: $(READY)   ## the same tests, and which lines and branches they ran; takes three times as long
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q -n 2 -m "not servers"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

check: $(READY)      ## format, lint, types, floors, spelling, generated files, workflows
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/typos
	$(BIN)/python -m tools.docs --check
	$(BIN)/zizmor --offline --no-progress .github

bench: $(READY)      ## ours and the peers', side by side in one run
	$(BIN)/python -m benchmarks.run

fuzz: $(READY)       ## seeded fuzzing of every format: FUZZ_SECONDS=60 FUZZ_SEED=0 make fuzz
	$(BIN)/python -m tools.fuzz --seconds $${FUZZ_SECONDS:-60} --seed $${FUZZ_SEED:-0}

docs: $(READY)       ## regenerate rule pages and the README's --help blocks
	$(BIN)/python -m tools.docs

lock: $(READY)       ## pin and hash the dependencies again, without index addresses
	$(BIN)/$(LOCK) pyproject.toml -o requirements/core.txt
	$(BIN)/$(LOCK) pyproject.toml --group dev -o requirements/dev.txt
	$(BIN)/$(LOCK) --group release -o requirements/release.txt

dist: $(READY)       ## the wheel and the source archive, the same bytes for the same tree
	rm -rf dist
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/uv build --quiet --no-build-isolation --out-dir dist
	rm -f dist/.gitignore

advisories: $(READY) ## known vulnerabilities in what a user installs; asks the package index
	$(BIN)/pip-audit --progress-spinner off --disable-pip --require-hashes -r requirements/core.txt

clean:
	rm -rf $(VENV) build dist demo-output .mypy_cache .ruff_cache .pytest_cache .hypothesis
