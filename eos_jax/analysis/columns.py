"""Columns of an orbit diagram: orbits past their transient, counted bin by bin.

Where step and measure are lists of scalars a column's orbit and its counts stay in registers; else
XLA runs the orbits, and the host counts.
"""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax import measures
from eos_jax.analysis.maps import System
from eos_jax.loops import advance, densities, llvm, registers
from eos_jax.loops.primitives import as_scalars
from eos_jax.loops.scalars import NotScalars, Scalars
from eos_jax.outcomes import ESCAPE, Outcome
from eos_jax.run import grid as grids
from eos_jax.run.engine import Choice, choose_by
from eos_jax.run.job import Job, precision
from eos_jax.sample import Sample
from eos_jax.simulate import shapes_of_lane, step_as_scalars

_VALUES = 2**20
"""Points that are handed to the host at once where XLA runs the orbits."""


class Work(NamedTuple):
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


def choice_for(work: Work) -> Choice:
    """Registers where both the step and the measure are lists of scalars on the CPU."""
    return choose_by(lambda: _lists(work), jax.local_devices()[0].platform)


def _value(work: Work, params: Any, state: Any, hyper: Any) -> jax.Array:
    zero = jnp.zeros((), jnp.int32)
    sample = Sample(*work.system, params, state, hyper, zero, zero)
    return measures.as_measure(work.measure)(sample)


@functools.lru_cache(maxsize=64)
def _lists(work: Work) -> tuple[Scalars, Scalars, Scalars, int]:
    """How a lane begins and steps, which bin it is in, and how many numbers move."""
    if not llvm.ready():
        raise NotScalars(llvm.missing())
    objective, rule = work.system
    begin, step = step_as_scalars(objective, rule, work.dtype)
    with jax.enable_x64(work.dtype == "float64"):
        params, hyper = shapes_of_lane(objective, rule, work.dtype)

        def place(point, hyper):
            value = _value(work, *point, hyper)
            scaled = jnp.floor((value - work.low) * (work.bins / (work.high - work.low)))
            inside = (scaled >= 0) & (scaled < work.bins)
            return jnp.where(inside, scaled, work.bins).astype(jnp.int32)

        state = jax.eval_shape(functools.partial(rule.init, objective), params, hyper)
        return begin, step, as_scalars(place, (params, state), hyper), len(step.outputs)


def reach(work: Work, job: Job) -> tuple[float, float]:
    """What the measure reaches in some columns, with a margin."""
    grid = job.grid
    chosen = np.unique(np.linspace(0, grid.lanes - 1, min(grid.lanes, 512)).astype(int))
    with precision(job):
        starts = grids.starts_of(grid, chosen, job.rule.hyperparameters)
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


def _split(work: Work, starts: Mapping[str, Any]) -> tuple[dict, dict]:
    objective, rule = work.system
    return (
        {n: jnp.asarray(starts[n]) for n in objective.parameters},
        {n: jnp.asarray(starts[n]) for n in rule.hyperparameters},
    )


@functools.lru_cache(maxsize=64)
def _plain(system: System, measure: str | Callable) -> tuple[Callable, Callable]:
    """How lanes begin, and how they go on while points are recorded, by XLA."""
    objective, rule = system
    nothing = Work(system, measure, 0, 1, 1, 0, 0, 1, "")

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


def _settled(work: Work, point: Any, hyper: Any) -> Any:
    """The points past the transient."""
    _, record = _plain(work.system, work.measure)
    return record(point, hyper, work.settle, 1)[0] if work.settle else point


def _plain_counts(work: Work, point: Any, hyper: Any) -> tuple[Any, np.ndarray]:
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


def _by_xla(work: Work) -> _Runner:
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


def _by_registers(work: Work) -> _Runner:
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


def tile_of(
    job: Job, work: Work, engine: str, follows: bool, backwards: bool, tile: grids.Tile
) -> dict[str, np.ndarray]:
    """The results of one tile of columns."""
    with precision(job):
        run = _by_registers(work) if engine == "registers" else _by_xla(work)
        starts = grids.starts(job.grid, tile, job.rule.hyperparameters)
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
