"""One tile of a sweep: lanes run until they are decided, and decided lanes cost nothing.

Lanes live in buffers of one fixed shape, the undecided ones in front. Each round runs them for
some blocks of 32 steps with the bare kernel and examines every lane once per block, at its end.
A lane that looks decided there keeps the state of the block's beginning. Such lanes are gathered
and replayed step by step with everything checked, which gives the exact step at which they were
decided; the holes they leave are filled from the back. Shapes never change, so nothing recompiles
as lanes drain, and a lane's own history alone determines its result, whatever its neighbours, the
size of the tile or the device.

Exactly: within a block a lane is decided at the first point beyond the escape radius, or at the
first point within tolerance if that point is linearly stable. A lane that leaves the escape
radius or the tolerance and is back at the end of the block has not been seen.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax import observers
from eos_jax.kernel import COMPILER_OPTIONS
from eos_jax.objectives.base import Objective
from eos_jax.outcomes import Outcome, Stop, escaped, excess_loss
from eos_jax.simulate import advance, advance_lanes
from eos_jax.updates import Update

BLOCK = 32
"""Steps between examinations. Part of what a result means, so not a setting."""


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
    state: tuple
    eta: jax.Array
    steps: jax.Array


def _take(lanes, start, width):
    return jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, start, width), lanes)


def _put(lanes, part, start):
    return jax.tree.map(
        lambda leaf, new: jax.lax.dynamic_update_slice_in_dim(leaf, new, start, 0), lanes, part
    )


def _where(mask, yes, no):
    """Choose whole lanes."""
    return jax.tree.map(
        lambda a, b: jnp.where(mask.reshape(mask.shape + (1,) * (a.ndim - 1)), a, b), yes, no
    )


def _looks_decided(program, params):
    """Per lane: within tolerance of the floor, or escaped."""
    if program.stop is None:
        return jnp.zeros(len(next(iter(params.values()))), bool)
    tolerance, escape = program.stop
    return jax.vmap(lambda p: (excess_loss(program.objective, p) < tolerance) | escaped(p, escape))(
        params
    )


@functools.partial(jax.jit, static_argnums=0, compiler_options=COMPILER_OPTIONS)
def begin(program: Program, params, eta) -> Lanes:
    """Lanes at their starts."""
    state = jax.vmap(lambda p, e: program.rule.init(program.objective, p, e))(params, eta)
    return Lanes(params, state, eta, jnp.zeros(eta.shape, jnp.int32))


@functools.partial(jax.jit, static_argnums=0, donate_argnums=1, compiler_options=COMPILER_OPTIONS)
def run(program: Program, lanes: Lanes, groups, blocks, horizon):
    """Advance the first groups by some blocks each; also says which lanes look decided.

    A lane that does, or that has less than a block to its horizon, stays at its block's beginning.
    """

    def one_block(_, carry):
        lanes, seen = carry
        params, state = advance_lanes(
            program.objective,
            program.rule,
            (lanes.params, lanes.state),
            lanes.eta,
            BLOCK,
        )
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


@functools.partial(jax.jit, static_argnums=0, compiler_options=COMPILER_OPTIONS)
def decide(program: Program, lanes: Lanes, chosen, groups, horizon):
    """Replay one block of the chosen lanes step by step.

    Returns:
      What is known of each chosen lane, in the order chosen, and the lanes at their blocks' ends.
    """

    def one_group(index, carry):
        rows = jax.lax.dynamic_slice_in_dim(chosen, index * program.width, program.width)
        group = jax.tree.map(lambda leaf: leaf[rows], lanes)
        return _put(carry, _replay(program, group, horizon), index * program.width)

    empty = jax.tree.map(
        lambda leaf: jnp.zeros((len(chosen), *leaf.shape[1:]), leaf.dtype),
        jax.eval_shape(lambda lanes: _replay(program, lanes, horizon), lanes),
    )
    return jax.lax.fori_loop(0, groups, one_group, empty)


def _replay(program, lanes, horizon):
    objective, rule = program.objective, program.rule

    def examine(lanes):
        """Whether each lane has to stop here, and whether it is within tolerance."""
        at_end = lanes.steps >= horizon
        if program.stop is None:
            return at_end, jnp.zeros_like(at_end)
        tolerance, escape = program.stop
        gone = jax.vmap(lambda p: escaped(p, escape))(lanes.params)
        near = jax.vmap(lambda p: excess_loss(objective, p) < tolerance)(lanes.params)
        return gone | at_end, near & ~gone

    def step(carry):
        lanes, calm, found = carry
        halted, near = examine(lanes)
        calm = _where(near & ~found, lanes, calm)
        params, state = jax.vmap(lambda s, e: rule.step(objective, *s, e))(
            (lanes.params, lanes.state), lanes.eta
        )
        moved = Lanes(params, state, lanes.eta, lanes.steps + 1)
        return _where(halted, lanes, moved), calm, found | near

    end, calm, found = advance(step, (lanes, lanes, jnp.zeros(lanes.eta.shape, bool)), BLOCK)
    halted, near = examine(end)
    calm, found = _where(near & ~found, end, calm), found | near

    def measure(params):
        here = observers.Sample(objective, params, None, None, None)
        return observers.loss(here), observers.sharpness(here)

    calm_loss, calm_sharpness = jax.vmap(measure)(calm.params)
    converged = found & (calm_sharpness < rule.threshold(calm.eta))
    end_loss, end_sharpness = jax.vmap(measure)(end.params)
    if program.stop is None:
        gone = jnp.zeros_like(halted)
    else:
        gone = jax.vmap(lambda p: escaped(p, program.stop.escape))(end.params)
    outcome = jnp.where(
        converged,
        Outcome.CONVERGED,
        jnp.where(gone, Outcome.DIVERGED, jnp.where(halted, Outcome.UNDECIDED, Outcome.PENDING)),
    ).astype(jnp.uint8)
    last = _where(converged, calm, end)
    results = {
        "outcome": outcome,
        "steps": last.steps,
        "loss": _finite(jnp.where(converged, calm_loss, end_loss)),
        "sharpness": _finite(jnp.where(converged, calm_sharpness, end_sharpness)),
        **{f"{name}_final": _finite(leaf) for name, leaf in last.params.items()},
    }
    return results, end


def _finite(values):
    """Infinities as NaN: nothing finite can be said."""
    return jnp.where(jnp.isfinite(values), values, jnp.nan)


@functools.partial(jax.jit, static_argnums=0, donate_argnums=1, compiler_options=COMPILER_OPTIONS)
def move(program: Program, lanes: Lanes, holes, sources, groups) -> Lanes:
    """Copy the lanes at `sources` into the places `holes`, a group at a time."""

    def one_group(index, lanes):
        start = index * program.width
        to = jax.lax.dynamic_slice_in_dim(holes, start, program.width)
        rows = jax.lax.dynamic_slice_in_dim(sources, start, program.width)
        return jax.tree.map(lambda leaf: leaf.at[to].set(leaf[rows], mode="drop"), lanes)

    return jax.lax.fori_loop(0, groups, one_group, lanes)


@functools.partial(jax.jit, static_argnums=0, donate_argnums=1, compiler_options=COMPILER_OPTIONS)
def put_back(program: Program, lanes: Lanes, ends: Lanes, places) -> Lanes:
    """Lanes that were replayed and not decided, at their blocks' ends."""
    return jax.tree.map(lambda leaf, end: leaf.at[places].set(end, mode="drop"), lanes, ends)


def run_tile(program: Program, starts, horizon: int, on_round=lambda lanes_decided: None):
    """The results of one tile.

    Args:
      program: what to run.
      starts: for each parameter and eta, an array of shape (lanes,) + the parameter's shape.
      horizon: steps at most.
      on_round: called after every round with the number of lanes it decided; where signals and
        progress act.

    Returns:
      A dict of NumPy arrays of shape (lanes,) + ...
    """
    starts = dict(starts)
    count = len(starts["eta"])
    capacity = program.width * program.groups
    invalid = ~np.logical_and.reduce(
        [np.isfinite(v).reshape(count, -1).all(axis=1) for v in starts.values()]
    )
    origin = np.flatnonzero(~invalid)  # the lane that each place of the buffers holds
    eta = starts.pop("eta")

    def padded(values):
        buffer = np.ones((capacity, *values.shape[1:]), values.dtype)
        buffer[: len(origin)] = values[origin]
        return buffer

    lanes = begin(program, {n: padded(v) for n, v in starts.items()}, padded(eta))
    results = _blank(program, lanes, count)
    results["outcome"][invalid] = Outcome.INVALID
    on_round(int(invalid.sum()))
    alive = len(origin)
    origin = np.concatenate([origin, np.zeros(capacity - alive, origin.dtype)])
    horizon = np.int32(horizon)

    while alive:
        # few lanes left: longer rounds, so that the host is asked as rarely as with many
        blocks = max(1, min(64, capacity // (4 * alive)))
        lanes, seen = run(program, lanes, _groups(program, alive), np.int32(blocks), horizon)
        chosen = np.flatnonzero(np.asarray(seen)[:alive])
        if len(chosen) == 0:
            on_round(0)
            continue
        known, ends = decide(
            program, lanes, _indices(chosen, capacity, 0), _groups(program, len(chosen)), horizon
        )
        known = {name: np.asarray(leaf)[: len(chosen)] for name, leaf in known.items()}
        decided = known["outcome"] != Outcome.PENDING
        for name, values in known.items():
            results[name][origin[chosen[decided]]] = values[decided]
        if not decided.all():
            places = np.where(decided, capacity, chosen)
            lanes = put_back(program, lanes, ends, _indices(places, capacity, capacity))
        free = chosen[decided]
        alive -= len(free)
        on_round(len(free))
        holes = free[free < alive]
        sources = np.setdiff1d(np.arange(alive, alive + len(free)), free, assume_unique=True)
        if len(holes):
            lanes = move(
                program,
                lanes,
                _indices(holes, capacity, capacity),
                _indices(sources, capacity, 0),
                _groups(program, len(holes)),
            )
            origin[holes] = origin[sources]
    return results


def _groups(program, lanes):
    return np.int32(-(-lanes // program.width))


def _indices(values, capacity, fill):
    """Indices in a buffer of fixed shape."""
    buffer = np.full(capacity, fill, np.int32)
    buffer[: len(values)] = values
    return buffer


def _blank(program, lanes, count):
    """Result arrays with every lane pending and nothing known."""
    kinds = jax.eval_shape(lambda lanes: _replay(program, lanes, np.int32(0))[0], lanes)
    return {
        name: np.full((count, *kind.shape[1:]), np.nan if kind.dtype.kind == "f" else 0, kind.dtype)
        for name, kind in kinds.items()
    }
