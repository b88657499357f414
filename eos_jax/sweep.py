"""Many orbits: axes to lanes, lanes to tiles, tiles to devices, and a labelled dataset out."""

import functools
import math
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from tqdm import tqdm

from eos_jax import engine, kernel, labels, store
from eos_jax.grid import Tile, make_grid, starts, tile_shape, tiles
from eos_jax.objectives.base import Objective
from eos_jax.observers import trace
from eos_jax.outcomes import Stop, checked
from eos_jax.simulate import as_update, check_count, simulate, tile_width
from eos_jax.updates import Update

DTYPES = ("float64", "float32")


def sweep(
    objective: Objective,
    axes: Mapping[str, Any],
    steps: int,
    *,
    update: Update | Callable | None = None,
    stop: Stop | None = Stop(),  # noqa: B008  an immutable default
    combine: str = "product",
    dtype: str = "float64",
    out: str | os.PathLike | None = None,
    force: bool = False,
    tile: int | None = None,
    devices: Sequence[jax.Device] | None = None,
    progress: bool | None = None,
) -> xr.Dataset:
    """Run every start with every step size until its fate is decided.

    Args:
      objective: what is descended.
      axes: for each parameter and for `eta` a number, or an array of shape (n,) (for a parameter
        that is not a scalar: its shape, or (n,) + its shape).
      steps: the horizon: steps at most.
      update: the rule; gradient descent by default. A function from eta to an optax
        transformation, such as `optax.adam`, does as well.
      stop: when a lane is decided; None runs every lane to the horizon.
      combine: "product" of the axes, or "zip" of axes of one length, along a dimension `lane`.
      dtype: "float64" or "float32".
      out: folder of a Zarr store to write tile by tile. A store of the same configuration is
        resumed; one of another is refused. Without it the result stays in memory.
      force: resume a store although versions, device or XLA's options differ.
      tile: lanes that are computed and written at once; by default chosen for the device.
      devices: where to run; by default all local devices of the default backend.
      progress: show a progress bar; by default on a terminal.

    Returns:
      A dataset with dimensions in the order of the axes and, per lane, `outcome` (see
      `eos.Outcome`), `steps` until decided, and `loss`, `sharpness` (of the full Hessian) and
      `x_final`, ... at the last point: the point at which the lane was decided, or that at the
      horizon. NaN where nothing finite can be said. Results do not depend on `tile` or `devices`.

    Raises:
      ValueError: if an argument does not fit; the message names it.
      FileExistsError: if `out` holds something else, or a result of another configuration.

    Example:
      >>> import eos_jax as eos, numpy as np
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> ds = eos.sweep(obj, {"x": np.linspace(2, 3, 5), "y": 0.3, "eta": 0.2}, steps=2000)
      >>> ds.outcome.values
      array([1, 1, 1, 1, 1], dtype=uint8)
      >>> print(float(ds.sharpness.max().round(3)))
      9.927

    Source: the labels, Zhu et al. 2023, sections 3 and 4.3; a lane that passes close to a minimum
    sharper than 2/eta goes on.
    """
    check_count("steps", steps, least=0)
    if steps >= 2**31 - engine.BLOCK:
        raise ValueError(f"Argument `steps` must be below 2^31 - {engine.BLOCK}, but got {steps}.")
    _check_dtype(dtype)
    if tile is not None:
        check_count("tile", tile, least=1)
    rule = as_update(update)
    stop = checked(stop, dtype) if stop is not None else None
    grid = make_grid(objective, axes, dtype, combine)
    workers = kernel.workers(list(devices or jax.local_devices()))
    precision = functools.partial(jax.enable_x64, dtype == "float64")

    with precision():
        configuration = labels.describe(objective, grid, steps, rule, stop, dtype)
    plan = labels.layout(objective, grid, dtype, labels.attributes(configuration, workers[0]))
    block = tile_shape(grid.shape, tile or _default_tile(grid.lanes, workers))
    if out is None:
        values = {n: np.full(v.shape, v.fill, v.dtype) for n, v in plan.variables.items()}
        pending = list(tiles(grid.shape, block))
        write = functools.partial(_write_memory, values)
    else:
        block = store.create(out, plan, block, force=force)
        pending = store.pending(out, tiles(grid.shape, block))
        write = store.writer(out)

    width, groups = _shape_of_work(objective, dtype, math.prod(block), workers[0])
    program = engine.Program(objective, rule, stop, width, groups)

    def run(tile: Tile, device: jax.Device, on_round) -> dict[str, np.ndarray]:
        with precision(), jax.default_device(device):
            results = engine.run_tile(program, starts(grid, tile), steps, on_round)
        return {n: v.reshape(tile.shape + v.shape[1:]) for n, v in results.items()}

    done = grid.lanes - sum(math.prod(tile.shape) for tile in pending)
    with tqdm(
        total=grid.lanes,
        initial=done,
        unit="lane",
        unit_scale=True,
        delay=0.5,
        disable=None if progress is None else not progress,
    ) as bar:
        _run_all(run, write, pending, workers, bar.update)
    return labels.to_dataset(plan, values) if out is None else store.open_dataset(out)


def orbits(
    objective: Objective,
    axes: Mapping[str, Any],
    steps: int,
    *,
    every: int = 1,
    update: Update | Callable | None = None,
    combine: str = "product",
    dtype: str = "float64",
) -> xr.Dataset:
    """Whole orbits, for a few starts and step sizes: every point, its loss and its sharpness.

    Args:
      objective: what is descended.
      axes: as in `sweep`.
      steps: number of steps.
      every: steps between the points that are kept.
      update: as in `sweep`.
      combine: as in `sweep`.
      dtype: as in `sweep`.

    Returns:
      A dataset with the axes' dimensions and `step`: `loss`, `sharpness` and `x_orbit`, ...

    Raises:
      ValueError: if an argument does not fit; the message names it.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> ds = eos.orbits(obj, {"x": 2.5, "y": 0.4001, "eta": [0.2, 0.25]}, steps=1000)
      >>> dict(ds.sizes)
      {'eta': 2, 'step': 1001}

    Source: Zhu et al. 2023, figure 2a.
    """
    _check_dtype(dtype)
    check_count("steps", steps, least=0)
    check_count("every", every, least=1)
    rule = as_update(update)
    grid = make_grid(objective, axes, dtype, combine)
    with jax.enable_x64(dtype == "float64"):
        lanes = starts(grid, Tile((0,) * len(grid.shape), grid.shape))
        eta = jnp.asarray(lanes.pop("eta"))

        @jax.jit
        @jax.vmap
        def run(params, eta):
            return simulate(objective, params, eta, steps, rule, trace(), every)

        traced = jax.tree.map(np.asarray, run({n: jnp.asarray(v) for n, v in lanes.items()}, eta))
        configuration = labels.describe(objective, grid, steps, rule, None, dtype)
    plan = labels.layout(objective, grid, dtype, labels.attributes(configuration, jax.devices()[0]))
    variables = {}
    for name, values in traced.items():
        if name == "step":
            continue
        known = plan.variables.get(f"{name}_final") or plan.variables[name]
        own = known.dims[len(grid.dims) :]
        values = values.reshape(*grid.shape, *values.shape[1:])
        kept = f"{name}_orbit" if name in objective.parameters else name
        variables[kept] = ((*grid.dims, "step", *own), values, {"long_name": name, "units": "1"})
    step = ("step", traced["step"][0], {"long_name": "step", "units": "steps"})
    return xr.Dataset(variables, coords={**plan.coords, "step": step}, attrs=plan.attrs)


def _check_dtype(dtype: str) -> None:
    if dtype not in DTYPES:
        raise ValueError(f"Argument `dtype` must be one of {', '.join(DTYPES)}, but got {dtype!r}.")


def _run_all(run, write, pending, workers, report) -> None:
    """Run every tile, one at a time on each worker, and write it while the worker goes on.

    An error or an interrupt stops all workers at the end of their rounds.
    """
    cancelled = threading.Event()
    ahead = iter(pending)
    lock = threading.Lock()

    def on_round(lanes_decided):
        if cancelled.is_set():
            raise _Cancelled
        with lock:
            report(lanes_decided)

    def work(device, writer):
        written = None
        while True:
            with lock:
                tile = next(ahead, None)
            results = run(tile, device, on_round) if tile is not None else None
            if written is not None:
                written.result()  # at most one tile waits, so memory stays flat
            if tile is None:
                return
            written = writer.submit(write, tile, results)

    with ThreadPoolExecutor(1) as writer, ThreadPoolExecutor(len(workers)) as pool:
        futures = [pool.submit(work, device, writer) for device in workers]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            cancelled.set()
            raise


class _Cancelled(Exception):
    """Raised in a worker at the end of a round once another has failed or was interrupted."""


def _default_tile(lanes: int, workers: list[jax.Device]) -> int:
    """Lanes of a tile: many enough to hide the host, few enough to occupy every worker."""
    most = 2**18 if workers[0].platform == "cpu" else 2**22
    return max(1, min(most, -(-lanes // len(workers))))


def _shape_of_work(objective, dtype, lanes: int, device: jax.Device) -> tuple[int, int]:
    """Width and groups for tiles of so many lanes: what fits the cache, or fills an accelerator."""
    most = tile_width(objective, dtype) if device.platform == "cpu" else 2**18
    # a single lane compiles to other instructions, which round differently
    width = min(most, max(16, lanes))
    return width, -(-lanes // width)


def _write_memory(values, tile, results) -> None:
    for name, part in results.items():
        values[name][tile.slices] = part
