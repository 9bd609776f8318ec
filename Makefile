# Two commands do everything on a machine with Python 3.11, venv and make:
#   make demo    a finished run over examples/documents
#   make test    lint, types and the whole suite
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
# processes of tests: more than cores, since tests also wait
JOBS   ?= 3

.PHONY: demo test lint types suite test-long apt examples docs bench chaos quality clean

demo: $(VENV)/.installed
	$(BIN)/docherd run examples/documents -o demo-out --exit-zero

test: lint types suite

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-test
	$(BIN)/mypy

suite: $(VENV)/.installed-test
	$(BIN)/pytest -q -n $(JOBS) --dist worksteal -m "not slow"

# The long suites: tens of thousands of documents, dozens of kills.
test-long: $(VENV)/.installed-test
	$(BIN)/pytest -q -m slow --timeout 1800

# Debian packages some tests use; those tests say so and skip where they are missing.
apt:
	apt-get update -q
	apt-get install -q -y strace chromium util-linux catdoc

examples: $(VENV)/.installed-test
	$(BIN)/python examples/make_documents.py

# The documentation as a site, in site/; the suite builds it, too.
docs: $(VENV)/.installed-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# Against peers and bare loops, in an environment of its own; writes docs/benchmarks.md.
# Some of it: make bench BENCH="--only noop --rounds 5"
bench: .venv-bench/.installed
	.venv-bench/bin/python -m benchmarks $(BENCH)

# Thousands of faults, each followed by the same command again; writes docs/reliability.md (needs
# strace, and root for power cuts). Some of it: make chaos CHAOS="--only points"
chaos: $(VENV)/.installed-test
	$(BIN)/python -m chaos $(CHAOS)

# What extract says of ../shared/corpus, beside what other libraries say; writes docs/quality.md (ten
# minutes). Other documents: make quality QUALITY="--corpus FOLDER"
quality: .venv-quality/.installed
	.venv-quality/bin/python -m quality $(QUALITY)

.venv-bench/.installed: pyproject.toml constraints.txt benchmarks/requirements.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt -e .
	.venv-bench/bin/python benchmarks/install.py
	touch $@

.venv-quality/.installed: pyproject.toml constraints.txt quality/requirements.txt
	$(PYTHON) -m venv .venv-quality
	.venv-quality/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt -e .
	.venv-quality/bin/python benchmarks/install.py quality
	touch $@

clean:
	rm -rf $(VENV) .venv-bench .venv-quality demo-out site build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@ $(VENV)/.installed
