# Every habit of the project, with its own set-up: `make demo`, `make test`, `make check`, ...
# Another interpreter, beside the first: `make test PYTHON=python3.13 VENV=.venv313`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# a file to each worker: its tests share compiled programs
PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile
# all of them, or for example TESTS=tests/theory
TESTS ?=

.PHONY: demo docs test test-fast test-long claims mutants optax soak check format benchmark clean

# The marker is written last, so an installation that was cut short is done again.
$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev,nets]'
	touch $@

demo: $(VENV)/ready
	$(BIN)/eos-jax sweep configs/fig2b.toml --out demo/fig2b.zarr
	$(BIN)/eos-jax plot demo/fig2b.zarr --kind sharpness --out demo/fig2b.png
	$(BIN)/eos-jax sweep configs/fig7a.toml --out demo/fig7a.zarr
	$(BIN)/eos-jax plot demo/fig7a.zarr --kind outcome --out demo/fig7a.png

test: $(VENV)/ready
	$(PYTEST) $(TESTS)

test-fast: $(VENV)/ready
	$(PYTEST) -m 'not slow and not long' $(or $(TESTS),tests)

test-long: $(VENV)/ready
	$(PYTEST) -m '' --optimised $(TESTS)

claims: $(VENV)/ready
	$(BIN)/eos-jax reproduce claims --out build/claims

# deliberate errors, and who notices; writes docs/mutants.md; a quarter of an hour and more
mutants: $(VENV)/ready
	$(BIN)/python -m tests.mutants

# what is found out of every rule of optax; writes docs/guide/optax.md; some minutes
optax: $(VENV)/ready
	$(BIN)/python docs/optax_rules.py

# faults at length; writes docs/soak.md; hours
soak: $(VENV)/ready
	$(BIN)/python -m tests.soak

check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ty check --python $(VENV) eos_jax

format: $(VENV)/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	$(BIN)/python -m benchmarks

# the site, into build/docs: runs the gallery's scripts and the guide's code; warnings are errors
docs: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --editable '.[docs,export]'
	$(BIN)/python -m pytest -m '' tests/test_docs.py
	$(BIN)/sphinx-build -W --keep-going docs build/docs

clean:
	rm -rf docs/gallery docs/generated docs/reference
	rm -rf .venv .venv-newest demo build dist .pytest_cache .ruff_cache
