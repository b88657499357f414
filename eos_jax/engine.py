"""One tile of a sweep: lanes run until they are decided, and decided lanes cost nothing.

Lanes live in buffers of one fixed shape, the undecided ones in front. Each round runs them for
some blocks of 32 steps with the bare kernel and examines every lane once per block, at its end.
A lane that looks decided there keeps the state of the block's beginning. Such lanes are gathered
and replayed with every step examined, which gives the exact step at which they were decided; the
holes they leave are filled from the back. Shapes never change, so nothing recompiles as lanes
drain, and a lane's own history alone determines its result, whatever its neighbours, the size of
the tile or the device.

Exactly: within a block a lane is decided at its first point within tolerance if that point is
linearly stable, else at its first point beyond the escape radius. A lane that leaves the escape
radius or comes within tolerance, and has changed its mind at the end of the block, was not seen.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax import observers
from eos_jax.kernel import COMPILER_OPTIONS
from eos_jax.objectives.base import Objective
from eos_jax.outcomes import Outcome, Stop, escaped, excess_loss
from eos_jax.simulate import advance_lanes
from eos_jax.updates import Update

BLOCK = 32
"""Steps between examinations. Part of what a result means, so not a setting."""

_NEVER = -1.0  # a tolerance that no excess loss is below

_PORTION = 16  # groups that are replayed and moved at once

_compiled = functools.partial(jax.jit, static_argnums=0, compiler_options=COMPILER_OPTIONS)


class Program(NamedTuple):
    """What is fixed when a tile is compiled.

    Attributes:
      objective: what is descended.
      rule: how.
      stop: when a lane is decided; None runs every lane to the horizon.
      width: lanes that are advanced together, few enough to stay in the cache.
      groups: groups of `width` lanes in the buffers.
    """

    objective: Objective
    rule: Update
    stop: Stop | None
    width: int
    groups: int


class Lanes(NamedTuple):
    """Lanes in flight; every leaf has a leading axis of lanes."""

    params: dict[str, jax.Array]
    state: Any
    eta: jax.Array
    steps: jax.Array


def run_tile(
    program: Program,
    starts: Mapping[str, np.ndarray],
    horizon: int,
    on_round: Callable[[int], Any] = lambda lanes_decided: None,
) -> dict[str, np.ndarray]:
    """The results of one tile.

    Args:
      program: what to run.
      starts: for each parameter and eta, an array of shape (lanes,) + the parameter's shape.
      horizon: steps at most.
      on_round: called after every round with the number of lanes it decided; where signals and
        progress act.

    Returns:
      A dict of arrays of shape (lanes,) + ...
    """
    count = len(starts["eta"])
    capacity = program.width * program.groups
    valid = np.logical_and.reduce(
        [np.isfinite(v).reshape(count, -1).all(axis=1) for v in starts.values()]
    )
    origin = np.flatnonzero(valid)  # the lane that each place of the buffers holds
    alive = len(origin)

    def buffer(values):
        filled = np.ones((capacity, *values.shape[1:]), values.dtype)
        filled[:alive] = values[origin]
        return filled

    params = {name: buffer(starts[name]) for name in program.objective.parameters}
    lanes = begin(program, params, buffer(starts["eta"]))
    results = _blank(program.objective, count, starts["eta"].dtype)
    results["outcome"][~valid] = Outcome.INVALID
    on_round(count - alive)
    last_step = np.int32(horizon)

    while alive:
        # few lanes left: longer rounds, so that the host is asked as rarely as with many
        blocks = np.int32(max(1, min(64, capacity // (4 * alive))))
        groups = np.int32(-(-alive // program.width))
        lanes, seen = run(program, lanes, groups, blocks, last_step)
        found = []
        for rows in _portions(program, np.flatnonzero(np.asarray(seen)[:alive])):
            lanes, known, decided = _judge(program, lanes, rows, last_step)
            found.append(rows[decided])
            for name, values in known.items():
                results[name][origin[rows[decided]]] = values[decided]
        free = np.concatenate(found) if found else np.empty(0, int)
        alive -= len(free)
        on_round(len(free))
        holes = free[free < alive]
        behind = np.setdiff1d(np.arange(alive, alive + len(free)), free, assume_unique=True)
        origin[holes] = origin[behind]
        for to, rows in zip(_portions(program, holes), _portions(program, behind)):
            lanes = move(program, lanes, _filled(program, to, capacity), _filled(program, rows, 0))
    return results


def _judge(program, lanes, rows, horizon):
    """What becomes of the lanes at `rows`; those not decided are put where their block ended."""
    buffer, groups = _filled(program, rows, 0), np.int32(-(-len(rows) // program.width))
    tolerance = program.stop.tolerance if program.stop else _NEVER
    known, ends = decide(program, lanes, buffer, groups, horizon, tolerance)
    known = {name: np.asarray(leaf)[: len(rows)] for name, leaf in known.items()}
    decided = known["outcome"] != Outcome.PENDING
    if not decided.all():
        # within tolerance but not stable there: replayed once more, to the end of the block
        last, ends = decide(program, lanes, buffer, groups, horizon, _NEVER)
        known = {
            name: np.where(_like(decided, values), values, np.asarray(last[name])[: len(rows)])
            for name, values in known.items()
        }
        decided = known["outcome"] != Outcome.PENDING
        nowhere = program.width * program.groups
        places = _filled(program, np.where(decided, nowhere, rows), nowhere)
        lanes = put_back(program, lanes, ends, places)
    return lanes, known, decided


@_compiled
def begin(program: Program, params, eta) -> Lanes:
    """Lanes at their starts."""
    state = jax.vmap(lambda p, e: program.rule.init(program.objective, p, e))(params, eta)
    return Lanes(params, state, eta, jnp.zeros(eta.shape, jnp.int32))


@functools.partial(_compiled, donate_argnums=1)
def run(program: Program, lanes: Lanes, groups, blocks, horizon):
    """Advance the first groups by some blocks each; also says which lanes look decided.

    A lane that does, or that has less than a block to its horizon, stays at its block's beginning.
    """

    def step(state, constants):
        return program.rule.step(program.objective, *state, *constants)

    def one_block(_, carry):
        lanes, seen = carry
        params, state = advance_lanes(step, (lanes.params, lanes.state), (lanes.eta,), BLOCK)
        moved = Lanes(params, state, lanes.eta, lanes.steps + BLOCK)
        seen = seen | (moved.steps > horizon) | _looks_decided(program, params)
        return _where(seen, lanes, moved), seen

    def one_group(index, carry):
        lanes, seen = carry
        start = index * program.width
        group = _take(lanes, start, program.width)
        group, group_seen = jax.lax.fori_loop(
            0, blocks, one_block, (group, _looks_decided(program, group.params))
        )
        return _put(lanes, group, start), _put(seen, group_seen, start)

    return jax.lax.fori_loop(0, groups, one_group, (lanes, jnp.zeros(lanes.eta.shape, bool)))


@_compiled
def decide(program: Program, lanes: Lanes, chosen, groups, horizon, tolerance):
    """Replay one block of the chosen lanes, stopping each at the first point that may decide it.

    Returns:
      What is known of each chosen lane, in the order chosen, and the lanes where they stopped.
    """

    def one_group(index, carry):
        rows = _take(chosen, index * program.width, program.width)
        group = jax.tree.map(lambda leaf: leaf[rows], lanes)
        return _put(carry, _replay(program, group, horizon, tolerance), index * program.width)

    shapes = jax.eval_shape(lambda lanes: _replay(program, lanes, horizon, tolerance), lanes)
    empty = jax.tree.map(lambda leaf: jnp.zeros((len(chosen), *leaf.shape[1:]), leaf.dtype), shapes)
    return jax.lax.fori_loop(0, groups, one_group, empty)


@functools.partial(_compiled, donate_argnums=1)
def move(program: Program, lanes: Lanes, holes, sources) -> Lanes:
    """Copy the lanes at `sources` into the places `holes`; a place beyond the end means none."""
    return jax.tree.map(lambda leaf: leaf.at[holes].set(leaf[sources], mode="drop"), lanes)


@functools.partial(_compiled, donate_argnums=1)
def put_back(program: Program, lanes: Lanes, ends: Lanes, places) -> Lanes:
    """Lanes that were replayed and not decided, where their blocks ended."""
    return jax.tree.map(lambda leaf, end: leaf.at[places].set(end, mode="drop"), lanes, ends)


def _replay(program, lanes, horizon, tolerance):
    objective, rule, stop, *_ = program
    # in the lanes' own dtype, so that the step below is one kind of arithmetic
    left = jnp.minimum(horizon - lanes.steps, BLOCK).astype(lanes.eta.dtype)
    tolerance = jnp.full_like(lanes.eta, tolerance)

    def near(params, tolerance):
        return excess_loss(objective, params) < tolerance

    def gone(params):
        return escaped(params, stop.escape) if stop else jnp.zeros((), bool)

    def step(state, constants):
        params, rest, taken = state
        eta, left, tolerance = constants
        halted = near(params, tolerance) | gone(params) | (taken >= left)
        moved = (*rule.step(objective, params, rest, eta), taken + 1)
        return jax.tree.map(lambda old, new: jnp.where(halted, old, new), state, moved)

    start = (lanes.params, lanes.state, jnp.zeros_like(lanes.eta))
    params, state, taken = advance_lanes(step, start, (lanes.eta, left, tolerance), BLOCK)
    steps = lanes.steps + taken.astype(lanes.steps.dtype)

    def measure(params, eta, step):
        here = observers.Sample(objective, params, eta, step, step)
        return observers.loss(here), observers.sharpness(here)

    loss, sharpness = jax.vmap(measure)(params, lanes.eta, steps)
    stable = sharpness < rule.threshold(lanes.eta)
    outcome = jnp.select(
        [jax.vmap(near)(params, tolerance) & stable, jax.vmap(gone)(params), steps >= horizon],
        [jnp.uint8(o) for o in (Outcome.CONVERGED, Outcome.DIVERGED, Outcome.UNDECIDED)],
        jnp.uint8(Outcome.PENDING),
    )
    results = {
        "outcome": outcome,
        "steps": steps,
        "loss": _finite(loss),
        "sharpness": _finite(sharpness),
        **{f"{name}_final": _finite(leaf) for name, leaf in params.items()},
    }
    return results, lanes._replace(params=params, state=state, steps=steps)


def _looks_decided(program, params):
    """Per lane: within tolerance of the floor, or escaped."""
    if program.stop is None:
        return jnp.zeros(len(next(iter(params.values()))), bool)
    tolerance, escape = program.stop
    return jax.vmap(lambda p: (excess_loss(program.objective, p) < tolerance) | escaped(p, escape))(
        params
    )


def _take(lanes, start, width):
    return jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, start, width), lanes)


def _put(lanes, part, start):
    return jax.tree.map(
        lambda leaf, new: jax.lax.dynamic_update_slice_in_dim(leaf, new, start, 0), lanes, part
    )


def _where(mask, yes, no):
    """Choose whole lanes."""
    return jax.tree.map(lambda a, b: jnp.where(_like(mask, a), a, b), yes, no)


def _like(mask, leaf):
    """A mask over lanes with as many axes as a leaf."""
    return mask.reshape(mask.shape + (1,) * (leaf.ndim - 1))


def _finite(values):
    """Infinities as NaN: nothing finite can be said."""
    return jnp.where(jnp.isfinite(values), values, jnp.nan)


def _portions(program, rows):
    """Rows in portions whose results stay in the cache."""
    size = program.width * min(program.groups, _PORTION)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _filled(program, rows, fill):
    """The rows in a buffer of the one shape that programs are compiled for."""
    buffer = np.full(program.width * min(program.groups, _PORTION), fill, np.int32)
    buffer[: len(rows)] = rows
    return buffer


def _blank(objective, count, dtype):
    """Result arrays with every lane pending and nothing known."""
    finals = {f"{n}_final": shape for n, shape in zip(objective.parameters, objective.shapes)}
    return {
        "outcome": np.zeros(count, np.uint8),
        "steps": np.zeros(count, np.int32),
        **{
            name: np.full((count, *shape), np.nan, dtype)
            for name, shape in {"loss": (), "sharpness": (), **finals}.items()
        },
    }
