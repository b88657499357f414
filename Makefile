# Every habit of the project, with its own set-up: `make demo`, `make test`, `make check`, ...
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check format benchmark clean

# The marker is written last, so an installation that was cut short is done again.
.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev,nets]'
	touch $@

demo: .venv/ready
	$(BIN)/eos-jax sweep configs/fig2b.toml --out demo/fig2b.zarr
	$(BIN)/eos-jax plot demo/fig2b.zarr --kind sharpness --out demo/fig2b.png
	$(BIN)/eos-jax sweep configs/fig7a.toml --out demo/fig7a.zarr
	$(BIN)/eos-jax plot demo/fig7a.zarr --kind outcome --out demo/fig7a.png

test: .venv/ready
	$(BIN)/python -m pytest -n auto

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ty check --python .venv eos_jax

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: .venv/ready
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv demo build dist .pytest_cache .ruff_cache
