# Every target works from a bare checkout with only python3 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export PYTHONHASHSEED ?= 0

.PHONY: demo test test-servers check bench fuzz docs lock clean

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
	command -v nginx >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nginx-light >/dev/null; }
	command -v npm >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nodejs npm >/dev/null; }
	$(BIN)/python -m pytest -q -m servers

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

fuzz: $(READY)       ## seeded fuzzing of every format: FUZZ_SECONDS=60 make fuzz
	$(BIN)/python -m tools.fuzz --seconds $${FUZZ_SECONDS:-60}

docs: $(READY)       ## regenerate rule pages and the README's --help blocks
	$(BIN)/python -m tools.docs

lock: $(READY)       ## pin and hash the dependencies again, without index addresses
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --group dev pyproject.toml -o requirements/dev.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header pyproject.toml -o requirements/core.txt

clean:
	rm -rf $(VENV) build dist demo-output .mypy_cache .ruff_cache .pytest_cache .hypothesis
