"""Orbit diagrams: where orbits go once they have settled, as a density over each column.

A column is a set of hyperparameters and a start; its orbit is advanced past its transient, and
every k-th point then adds one to a bin of some measure. No orbit is kept, so memory is that of the
densities, and with a store that of a tile. Columns start afresh, or one continues where its
neighbour ended, forwards or backwards, which shows where two attractors coexist.
"""

import contextlib
import functools
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from typing import Any

import jax
import numpy as np
import xarray as xr
from tqdm.auto import tqdm

from eos_jax import machine, measures
from eos_jax.analysis.base import register
from eos_jax.analysis.columns import Work, choice_for, reach, tile_of
from eos_jax.analysis.maps import System, as_system
from eos_jax.checks import check_choice, check_count
from eos_jax.observers import maximum
from eos_jax.results import labels, provenance, store
from eos_jax.run import grid as grids
from eos_jax.run.job import Job

_TILE = 1024
"""Columns that are computed and written at once."""


@register(example={"bins": 20, "settle": 30})
def orbit_diagram(
    system: Any,
    axes: Mapping[str, Any],
    steps: int,
    *,
    rule: Any = None,
    measure: str | Callable | None = None,
    bins: int = 1000,
    between: tuple[float, float] | None = None,
    settle: int = 1000,
    every: int = 1,
    follow: str | None = None,
    backwards: bool = False,
    dtype: str = "float64",
    out: str | PathLike | None = None,
    force: bool = False,
    tile: int = _TILE,
    progress: bool | None = None,
) -> xr.Dataset:
    """The density of a measure along settled orbits, for every column of some axes.

    Args:
      system: a `System`, or an objective.
      axes: as in `eos_jax.sweep`.
      steps: counted after the transient.
      rule: of an objective; gradient descent by default.
      measure: on the vertical axis, a measure or its name; by default the first parameter.
      bins: of the density.
      between: their two ends; by default what some columns reach, and a little more. Points
        outside are counted as `outside`.
      settle: steps before the first that counts.
      every: steps between points that count.
      follow: the dimension along which each column continues from the state its neighbour ended
        in; every column starts afresh by default. One that has escaped lets the next start afresh.
      backwards: follow from the last column to the first.
      dtype: "float64" or "float32".
      out: folder of a Zarr store to write tile by tile, as in `eos_jax.sweep`.
      force: as in `eos_jax.sweep`.
      tile: columns that are computed and written at once; whole chains where columns follow.
      progress: as in `eos_jax.sweep`.

    Returns:
      A dataset of `density` with the axes' dimensions and `bin`, counts; `outside`; and `outcome`,
      diverged where an orbit left the escape radius, else undecided. The middles of the bins are
      the coordinate `bin`.

    Raises:
      ValueError: if an argument does not fit.
      FileExistsError: as in `eos_jax.sweep`.

    Example:
      >>> import eos_jax as eos
      >>> ds = eos.analysis.orbit_diagram(
      ...     eos.analysis.logistic(), {"x": 0.3, "r": [2.8, 3.2, 4.0]}, 10_000, between=(0, 1)
      ... )
      >>> print((ds.density > 0).sum("bin").values)  # a point, two points, an interval
      [   1    2 1000]

    Source: May 1976; Grossmann and Thomae 1977.
    """
    system = as_system(system, rule)
    for name, number, least in (("steps", steps, 1), ("bins", bins, 1), ("settle", settle, 0),
                                ("every", every, 1), ("tile", tile, 1)):  # fmt: skip
        check_count(name, number, least=least)
    check_choice("dtype", dtype, ("float64", "float32"))
    grid = grids.make_grid(*system, axes, dtype, "product")
    if follow is not None:
        grid = _innermost(grid, follow, system)
    measure = measure or system.objective.parameters[0]
    work = Work(system, measure, 0.0, 1.0, bins, settle, steps // every, every, dtype)
    # the hash of what is measured is that of an observer of it
    job = Job(*system, grid, settle + steps, None, dtype, (("", maximum(measure)),), every, None,
              ())  # fmt: skip
    low, high = between or reach(work, job)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"Argument `between` must be low and high, but got {low}, {high}.")
    work = work._replace(low=float(low), high=float(high))
    engine = choice_for(work)
    plan = _layout(job, work, follow, backwards, engine)
    block = _block(grid, tile, follow)
    columns = functools.partial(tile_of, job, work, engine.engine, follow is not None, backwards)
    return _run(job, plan, block, columns, out, force, progress)


def _innermost(grid: grids.Grid, follow: str, system: System) -> grids.Grid:
    """The grid with the dimension that columns follow last, so that a tile holds whole chains."""
    moving = {grid.along[n] for n in system.rule.hyperparameters if n in grid.along}
    if follow not in moving or any(
        grid.along.get(n) == follow for n in system.objective.parameters
    ):
        raise ValueError(
            f"Argument `follow` must be one of {', '.join(sorted(moving)) or 'no dimension'}, "
            f"dimensions of hyperparameters alone, but got {follow!r}."
        )
    dims = (*(dim for dim in grid.dims if dim != follow), follow)
    shape = tuple(grid.shape[grid.dims.index(dim)] for dim in dims)
    return grid._replace(dims=dims, shape=shape)


def _block(grid: grids.Grid, tile: int, follow: str | None) -> tuple[int, ...]:
    if follow is None:
        return grids.tile_shape(grid.shape, tile)
    return (*grids.tile_shape(grid.shape[:-1], max(1, tile // grid.shape[-1])), grid.shape[-1])


def _layout(job, work, follow, backwards, engine) -> labels.Layout:
    objective, rule = work.system
    name = work.measure if isinstance(work.measure, str) else work.measure.__name__
    long_name, units = measures.label_of(work.measure)
    how = {"name": "orbit_diagram", "measure": name, "between": [work.low, work.high],
           "bins": work.bins, "settle": work.settle, "every": work.every, "follow": follow,
           "backwards": backwards if follow else None}  # fmt: skip
    configuration = {**provenance.describe(job), "analysis": how}
    title = f"Orbit diagram of {objective.name} under {rule.name}"
    device = jax.local_devices()[0]
    attrs = provenance.attributes(configuration, device, title, rule.remark, engine)
    plan = labels.layout(job, attrs)
    edges = np.linspace(work.low, work.high, work.bins + 1)
    middles = ("bin",), (edges[1:] + edges[:-1]) / 2, {"long_name": long_name, "units": units}
    outcome = plan.variables["outcome"]
    number = np.dtype(np.uint32)
    variables = {
        "density": labels.Variable(
            (*outcome.dims, "bin"), (*outcome.shape, work.bins), number, 0,
            {"long_name": f"points of the orbit by {long_name}", "units": "1", "measure": name},
        ),
        "outside": labels.Variable(
            outcome.dims, outcome.shape, number, 0,
            {"long_name": "points of the orbit in no bin", "units": "1"},
        ),
        "outcome": outcome,
    }  # fmt: skip
    if "bin" in plan.coords:
        raise ValueError("Argument `axes` must leave `bin` to the diagram, but got it as a name.")
    coords = {**plan.coords, "bin": middles}
    return labels.Layout(coords, variables, {**attrs, "order": " ".join((*coords, *variables))})


def _run(job, plan, block, columns, out, force, progress) -> xr.Dataset:
    """All tiles that are not done, on all cores, into memory or a store."""
    if out is None:
        values = {n: np.full(v.shape, v.fill, v.dtype) for n, v in plan.variables.items()}
        todo = list(grids.tiles(job.grid.shape, block))

        def sink(tile, found):
            for name, part in found.items():
                values[name][tile.slices] = part
    else:
        block = store.create(out, plan, block, force=force)
        todo = list(grids.tiles(job.grid.shape, block, store.pending(out)))
        sink = store.writer(out)
    left = sum(math.prod(tile.shape) for tile in todo)
    bar = tqdm(total=job.grid.lanes, initial=job.grid.lanes - left, unit="column", delay=0.5,
               disable=None if progress is None else not progress)  # fmt: skip
    lock = threading.Lock()

    def work(ahead):
        for tile in _each(ahead, lock):
            found = columns(tile)
            with lock:
                sink(tile, found)
                bar.update(math.prod(tile.shape))

    workers = machine.workers(jax.local_devices()[:1])
    ahead = iter(todo)
    with bar, ThreadPoolExecutor(len(workers)) as pool:
        futures = [pool.submit(work, ahead) for _ in workers]
        try:
            for future in futures:
                future.result()
        except BaseException:
            with lock, contextlib.suppress(Exception):
                for _ in ahead:  # the others find nothing left
                    pass
            raise
    return labels.to_dataset(plan, values) if out is None else store.open_dataset(out)


def _each(ahead: Iterator, lock: threading.Lock) -> Iterator:
    """Tiles one after another, shared by several threads."""
    while True:
        with lock:
            tile = next(ahead, None)
        if tile is None:
            return
        yield tile


__all__ = ["orbit_diagram"]
