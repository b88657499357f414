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
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from tqdm.auto import tqdm

from eos_jax import machine, measures
from eos_jax.analysis.base import register
from eos_jax.analysis.maps import System, as_system
from eos_jax.checks import check_choice, check_count
from eos_jax.loops import advance, densities, llvm, registers
from eos_jax.loops.primitives import as_scalars
from eos_jax.loops.scalars import NotScalars, Scalars
from eos_jax.observers import maximum
from eos_jax.outcomes import ESCAPE, Outcome
from eos_jax.results import labels, provenance, store
from eos_jax.run import grid as grids
from eos_jax.run.engine import Choice
from eos_jax.run.job import Job, precision
from eos_jax.sample import Sample
from eos_jax.simulate import step_as_scalars

_TILE = 1024
"""Columns that are computed and written at once."""

_VALUES = 2**20
"""Points that are handed to the host at once where XLA runs the orbits."""


class _Work(NamedTuple):
    """What one column is: an orbit, and where its points fall."""

    system: System
    measure: str | Callable
    low: float
    high: float
    bins: int
    settle: int
    samples: int
    every: int
    dtype: str


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
    work = _Work(system, measure, 0.0, 1.0, bins, settle, steps // every, every, dtype)
    # the hash of what is measured is that of an observer of it
    job = Job(*system, grid, settle + steps, None, dtype, (("", maximum(measure)),), every, None,
              ())  # fmt: skip
    low, high = between or _reach(work, job)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"Argument `between` must be low and high, but got {low}, {high}.")
    work = work._replace(low=float(low), high=float(high))
    engine = _choice(work)
    plan = _layout(job, work, follow, backwards, engine)
    block = _block(grid, tile, follow)
    columns = functools.partial(_tile, job, work, engine.engine, follow is not None, backwards)
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


def _choice(work: _Work) -> Choice:
    """Registers where both the step and the measure are lists of scalars on the CPU."""
    if machine.engine_wanted() == "plain":
        return Choice("plain", "asked for")
    platform = jax.local_devices()[0].platform
    if platform != "cpu":
        return Choice("plain", f"lanes run on {platform}")
    try:
        if not llvm.ready():
            raise NotScalars(llvm.missing())
        _lists(work)
    except NotScalars as reason:
        return Choice("plain", f"the program has {reason}")
    return Choice("registers", "the program is a list of scalar operations")


def _value(work: _Work, params: Any, state: Any, hyper: Any) -> jax.Array:
    zero = jnp.zeros((), jnp.int32)
    sample = Sample(*work.system, params, state, hyper, zero, zero)
    return measures.as_measure(work.measure)(sample)


@functools.lru_cache(maxsize=64)
def _lists(work: _Work) -> tuple[Scalars, Scalars, Scalars, int]:
    """How a lane begins and steps, which bin it is in, and how many numbers move."""
    objective, rule = work.system
    begin, step = step_as_scalars(objective, rule, work.dtype)
    with jax.enable_x64(work.dtype == "float64"):
        params, hyper = _like(work)

        def place(point, hyper):
            value = _value(work, *point, hyper)
            scaled = jnp.floor((value - work.low) * (work.bins / (work.high - work.low)))
            inside = (scaled >= 0) & (scaled < work.bins)
            return jnp.where(inside, scaled, work.bins).astype(jnp.int32)

        state = jax.eval_shape(functools.partial(rule.init, objective), params, hyper)
        return begin, step, as_scalars(place, (params, state), hyper), len(step.outputs)


def _like(work: _Work) -> tuple[dict, dict]:
    objective, rule = work.system
    params = {
        n: jax.ShapeDtypeStruct(s, work.dtype)
        for n, s in zip(objective.parameters, objective.shapes)
    }
    kind = {n: jnp.uint32 if n == "seed" else work.dtype for n in rule.hyperparameters}
    return params, {n: jax.ShapeDtypeStruct((), kind[n]) for n in rule.hyperparameters}


def _reach(work: _Work, job: Job) -> tuple[float, float]:
    """What the measure reaches in some columns, with a margin."""
    grid = job.grid
    chosen = np.unique(np.linspace(0, grid.lanes - 1, min(grid.lanes, 512)).astype(int))
    with precision(job):
        starts = _starts(job, grids.Tile((0,) * len(grid.shape), grid.shape), chosen)
        begin, record = _plain(work.system, work.measure)
        point, hyper = begin(*_split(work, starts))
        point = _settled(work, point, hyper)
        _, values = record(point, hyper, work.every, min(work.samples, 256))
    values = np.asarray(values, float)
    values = values[np.isfinite(values) & (np.abs(values) <= ESCAPE)]
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    margin = 0.02 * (high - low) or 0.02 * abs(high) or 1.0
    return low - margin, high + margin


def _starts(job: Job, tile: grids.Tile, chosen: Any = slice(None)) -> dict[str, np.ndarray]:
    """The starts of chosen lanes of a tile; of a large grid only those are made."""
    if isinstance(chosen, slice):
        return grids.starts(job.grid, tile, job.rule.hyperparameters)
    return grids.starts_of(job.grid, chosen, job.rule.hyperparameters)


def _split(work: _Work, starts: Mapping[str, Any]) -> tuple[dict, dict]:
    objective, rule = work.system
    return (
        {n: jnp.asarray(starts[n]) for n in objective.parameters},
        {n: jnp.asarray(starts[n]) for n in rule.hyperparameters},
    )


@functools.lru_cache(maxsize=64)
def _plain(system: System, measure: str | Callable) -> tuple[Callable, Callable]:
    """How lanes begin, and how they go on while points are recorded, by XLA."""
    objective, rule = system
    nothing = _Work(system, measure, 0, 1, 1, 0, 0, 1, "")

    @jax.jit
    def begin(params, hyper):
        return (params, jax.vmap(functools.partial(rule.init, objective))(params, hyper)), hyper

    every_step = jax.vmap(lambda point, hyper: rule.step(objective, *point, hyper))
    every_value = jax.vmap(lambda point, hyper: _value(nothing, *point, hyper))

    @functools.partial(jax.jit, static_argnums=3)
    def record(point, hyper, every, samples):
        def turn(point, _):
            point = advance(lambda p: every_step(p, hyper), point, every)
            return point, every_value(point, hyper)

        return jax.lax.scan(turn, point, length=samples)

    return begin, record


def _settled(work: _Work, point: Any, hyper: Any) -> Any:
    """The points past the transient."""
    _, record = _plain(work.system, work.measure)
    return record(point, hyper, work.settle, 1)[0] if work.settle else point


def _plain_counts(work: _Work, point: Any, hyper: Any) -> tuple[Any, np.ndarray]:
    """The ends, and the counts of each lane with those outside last."""
    _, record = _plain(work.system, work.measure)
    point = _settled(work, point, hyper)
    lanes = len(next(iter(point[0].values())))
    length, done = work.bins + 1, 0
    counts = np.zeros(lanes * length, np.int64)
    while done < work.samples:
        chunk = min(max(1, _VALUES // lanes), work.samples - done)
        point, values = record(point, hyper, work.every, chunk)
        with np.errstate(invalid="ignore", over="ignore"):
            scaled = np.floor(
                (np.asarray(values) - work.low) * (work.bins / (work.high - work.low))
            )
            inside = (scaled >= 0) & (scaled < work.bins)
        places = np.where(inside, scaled, work.bins).astype(np.int64) + np.arange(lanes) * length
        counts += np.bincount(places.ravel(), minlength=counts.size)
        done += chunk
    return point, counts.reshape(lanes, length).astype(np.uint32)


class _Runner(NamedTuple):
    """How lanes begin with hyperparameters, and how they are counted: (point, hyper) -> ends."""

    begin: Callable[[Mapping[str, np.ndarray]], Any]
    count: Callable[[Any, Mapping[str, np.ndarray]], tuple[Any, np.ndarray]]
    params: Callable[[Any], list[np.ndarray]]
    choose: Callable[[np.ndarray, Any, Any], Any]


def _by_xla(work: _Work) -> _Runner:
    def begin(starts):
        return _plain(work.system, work.measure)[0](*_split(work, starts))[0]

    def choose(mask, yes, no):
        return jax.tree.map(
            lambda a, b: jnp.where(jnp.reshape(mask, (-1,) + (1,) * (a.ndim - 1)), a, b), yes, no
        )

    return _Runner(
        begin,
        lambda point, starts: _plain_counts(work, point, _split(work, starts)[1]),
        lambda point: [np.asarray(leaf) for leaf in point[0].values()],
        choose,
    )


def _by_registers(work: _Work) -> _Runner:
    begin_list, step, place, moving = _lists(work)
    objective, rule = work.system
    names = sorted(objective.parameters)
    columns = sum(math.prod(dict(zip(objective.parameters, objective.shapes))[n]) for n in names)

    def entries(starts, of):
        lanes = len(starts[names[0]])
        return registers.entries([np.asarray(starts[n]) for n in of], lanes), lanes

    def begin(starts):
        given, lanes = entries(starts, [*names, *sorted(rule.hyperparameters)])
        return [leaf[:lanes] for leaf in registers.apply(begin_list, given, lanes)]

    def count(point, starts):
        constants, lanes = entries(starts, sorted(rule.hyperparameters))
        state = registers.entries(point, lanes)
        assert len(state) == moving
        registers.advance(step, state, constants, lanes, work.settle)
        rows = np.zeros((registers.padded(lanes), work.bins + 1), np.uint32)
        densities.count(step, place, state, constants, lanes, work.samples, work.every, rows)
        return [leaf[:lanes] for leaf in state], rows[:lanes]

    return _Runner(
        begin,
        count,
        lambda point: point[:columns],
        lambda mask, yes, no: [np.where(mask, a, b) for a, b in zip(yes, no)],
    )


def _tile(
    job: Job, work: _Work, engine: str, follows: bool, backwards: bool, tile: grids.Tile
) -> dict[str, np.ndarray]:
    """The results of one tile of columns."""
    with precision(job):
        run = _by_registers(work) if engine == "registers" else _by_xla(work)
        starts = _starts(job, tile)
        if not follows:
            point, counts = run.count(run.begin(starts), starts)
            gone = _gone(run.params(point))
        else:
            counts, gone = _chains(run, starts, tile.shape[-1], work.bins, backwards)
    outcome = np.where(gone, Outcome.DIVERGED, Outcome.UNDECIDED).astype(np.uint8)
    return {
        "density": counts[:, :-1].reshape(*tile.shape, work.bins),
        "outside": counts[:, -1].reshape(tile.shape),
        "outcome": outcome.reshape(tile.shape),
    }


def _chains(run, starts, length, bins, backwards):
    """Columns that follow one another: a lane for each chain."""
    chains = len(next(iter(starts.values()))) // length
    counts = np.empty((chains, length, bins + 1), np.uint32)
    gone = np.ones((chains, length), bool)
    order = range(length)[::-1] if backwards else range(length)
    point, fresh = None, np.ones(chains, bool)
    for column in order:
        here = {n: v.reshape(chains, length, *v.shape[1:])[:, column] for n, v in starts.items()}
        begun = run.begin(here)
        point = begun if point is None else run.choose(fresh, begun, point)
        point, counts[:, column] = run.count(point, here)
        fresh = gone[:, column] = _gone(run.params(point))
    return counts.reshape(-1, bins + 1), gone.ravel()


def _gone(leaves: list[np.ndarray]) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.any(
            [~(np.abs(leaf.reshape(len(leaf), -1)) <= ESCAPE).all(axis=1) for leaf in leaves],
            axis=0,
        )


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
        raise ValueError("An axis of an orbit diagram cannot be named `bin`.")
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
