"""Results in the formats of others: NetCDF, and CSV with one row for each lane."""

import csv
import importlib.util
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from eos_jax.files import whole
from eos_jax.outcomes import Outcome

ENDINGS = (".nc", ".csv")

_FIRST = ("outcome", "steps")

_ROWS = 2**16  # read at once: of the numbers of a row as Python objects this is some megabytes


def write(dataset: xr.Dataset, path: str | os.PathLike) -> None:
    """Write a result into one file, NetCDF or CSV by its ending; one that is there is replaced.

    Args:
      dataset: of `eos_jax.sweep`, `eos_jax.orbits` or `eos_jax.open`.
      path: where to; folders are made.

    Raises:
      ValueError: if the ending is neither, or the format cannot hold the values.

    Example:
      >>> import eos_jax as eos, pathlib, tempfile
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> ds = eos.sweep(obj, {"x": [2.0, 7.0], "y": 0.4, "eta": 0.2}, 100, keep=["steps"])
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     write(ds, f"{folder}/a.csv")
      ...     print(pathlib.Path(folder, "a.csv").read_text().strip())
      x,eta,y,outcome,steps
      2.0,0.2,0.4,converged,36
      7.0,0.2,0.4,diverged,2
    """
    path = Path(path)
    if path.suffix.lower() not in ENDINGS:
        raise ValueError(f"Argument `path` must end in {' or '.join(ENDINGS)}, but got `{path}`.")
    with whole(path) as part:
        (_netcdf if path.suffix.lower() == ".nc" else _csv)(dataset, part)


def _netcdf(dataset: xr.Dataset, path: Path) -> None:
    """NetCDF 4 where h5netcdf is installed, else NetCDF 3 by SciPy; a variable at a time."""
    needs = {"h5netcdf": ("h5netcdf", "h5py"), "scipy": ("scipy",)}
    engine: Any = next((e for e in needs if all(map(importlib.util.find_spec, needs[e]))), None)
    if engine is None:
        raise ValueError("NetCDF needs h5netcdf: install eos_jax[export].")
    try:
        dataset.drop_encoding().to_netcdf(path, engine=engine)
    except (ValueError, TypeError, OverflowError) as error:
        hint = " NetCDF 4 may: install eos_jax[export]." if engine == "scipy" else ""
        raise ValueError(f"NetCDF cannot hold this result: {error}.{hint}") from error


def _csv(dataset: xr.Dataset, path: Path) -> None:
    """Plain rows, written as they are read; nothing where nothing is known."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        for number, (names, rows) in enumerate(_tables(dataset)):
            if number == 0:
                writer.writerow(names)
            writer.writerows(rows)


def _tables(dataset: xr.Dataset) -> Iterator[tuple[list[str], Iterator[tuple]]]:
    """Names of the columns and rows, for slabs along the first dimension."""
    lanes = dataset.outcome.dims if "outcome" in dataset else ()
    named = [d for d in dataset.dims if d in lanes or d == "step"]
    dims = [d for d in (*lanes, "step") if d in named]
    if not dims:
        yield _columns(dataset, dims)
        return
    first, size = dims[0], dataset.sizes[dims[0]]
    chunk = dataset.outcome.encoding.get("chunks", (1,))[0] if "outcome" in dataset else 1
    others = int(np.prod([dataset.sizes[d] for d in dims[1:]]))
    length = max(1, _ROWS // others // chunk) * chunk
    for start in range(0, size, length):
        yield _columns(dataset.isel({first: slice(start, start + length)}).load(), dims)


def _columns(slab: xr.Dataset, dims: list) -> tuple[list[str], Iterator[tuple]]:
    """The columns of a slab: coordinates first; arrays within a row are a column each."""
    sizes = {d: slab.sizes[d] for d in dims}
    names, columns = [], []
    # a store gives variables in any order
    labels = sorted(slab.coords, key=lambda n: (dims.index(n) if n in dims else len(dims), str(n)))
    results = sorted(slab.data_vars, key=lambda name: (name not in _FIRST, str(name)))
    for name in (*labels, *results):
        values = slab[name]
        inner = [d for d in values.dims if d not in sizes]
        if name in slab.coords and inner:  # starts that are no numbers, or labels of `inner`
            if list(values.dims) == [name]:
                continue
        whole = values.expand_dims({d: n for d, n in sizes.items() if d not in values.dims})
        whole = whole.transpose(*dims, *inner)
        for place in itertools.product(*(range(slab.sizes[d]) for d in inner)):
            names.append(str(name) + "".join(f"[{i}]" for i in place))
            columns.append(_texts(str(name), whole.values[(..., *place)].ravel()))
    return names, zip(*columns)


def _texts(name: str, values: np.ndarray) -> list:
    """Values as Python's, which `csv` writes in full; fates in words."""
    if name == "outcome":
        words = {int(kind): kind.name.lower() for kind in Outcome}
        return [words.get(value, value) for value in values.tolist()]
    if values.dtype.kind != "f":
        return values.tolist()
    # float32 by its own shortest digits
    short = values.dtype != np.float64
    return [
        "" if value != value else (str(value) if short else value)
        for value in (values if short else values.tolist())
    ]
