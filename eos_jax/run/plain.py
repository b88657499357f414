"""One tile of a sweep by XLA: lanes run until they are decided, and decided lanes cost nothing.

Lanes live in buffers of one fixed shape, the undecided ones in front. Each round runs them for
some blocks of 32 steps with the bare kernel and examines every lane once per block, at its end.
A lane that looks decided there keeps the state of the block's beginning. Such lanes are gathered
and replayed with every step examined, which gives the exact step at which they were decided; the
holes they leave are filled from the back. Shapes never change, so nothing recompiles as lanes
drain, and a lane's own history alone determines its result, whatever its neighbours, the size of
the tile or the device.

Exactly: within a block a lane is decided at its first point within tolerance if the minimum there
is linearly stable under the rule, else at its first point beyond the escape radius. A lane that
leaves the escape radius or comes within tolerance, and has changed its mind at the end of the
block, was not seen.

Observers see the samples between blocks of steps, so that their accumulators stay outside the fast
loop. What they saw in a block that decides a lane is taken back and seen again in the replay, up
to the deciding step.
"""

import functools
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax import curvature
from eos_jax.loops import advance_lanes
from eos_jax.loops.tiles import BLOCK
from eos_jax.machine import COMPILER_OPTIONS, turn
from eos_jax.outcomes import Outcome, near
from eos_jax.registry import made_once
from eos_jax.run.lane import (
    Lanes,
    Program,
    at_rest,
    begin_one,
    blank,
    gone,
    meaning,
    observe_one,
    results_at,
    return_of,
    seems_decided,
)
from eos_jax.run.lane import valid as valid_lanes
from eos_jax.simulate import shapes_of_lane

_PORTION = 16  # groups that are replayed and moved at once

_compiled = functools.partial(jax.jit, static_argnums=0, compiler_options=COMPILER_OPTIONS)


def run_tile(
    program: Program,
    starts: Mapping[str, np.ndarray],
    horizon: int,
    on_round: Callable[[float], Any] = lambda lanes: None,
) -> dict[str, np.ndarray]:
    """The results of one tile.

    Args:
      program: what to run.
      starts: for each parameter and hyperparameter, an array of shape (lanes,) + its own shape.
      horizon: steps at most.
      on_round: called after every round with the lanes it did, undecided ones by the part of the
        horizon that they went; where signals and progress act.

    Returns:
      A dict of arrays of shape (lanes,) + ...
    """
    dtype = starts[program.objective.parameters[0]].dtype.name
    with _turn(program, dtype):
        return _run_tile(program, starts, horizon, on_round)


@made_once
def _turn(program: Program, dtype: str) -> AbstractContextManager:
    """What to run a program's tiles in; see `eos_jax.machine.turn`."""
    capacity, number = program.width * program.groups, np.int32(0)
    params, hyper = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((capacity, *leaf.shape), leaf.dtype),
        shapes_of_lane(program.objective, program.rule, dtype),
    )
    begun = begin.trace(program, params, hyper)
    lanes, rows = begun.out_info, _filled(program, np.empty(0, int), 0)
    ran = run.trace(program, lanes, number, number, number)
    judged = decide.trace(program, lanes, rows, number, number, np.bool_(True))
    return turn(begun.jaxpr, ran.jaxpr, judged.jaxpr)


def _run_tile(program, starts, horizon, on_round):
    objective, rule = program.objective, program.rule
    like = starts[objective.parameters[0]]
    count, dtype = len(like), like.dtype
    capacity = program.width * program.groups
    valid = valid_lanes(starts)
    origin_of = np.flatnonzero(valid)  # the lane that each place of the buffers holds
    alive = len(origin_of)

    def buffer(values):
        filled = np.ones((capacity, *values.shape[1:]), values.dtype)
        filled[:alive] = values[origin_of]
        return filled

    results = blank(meaning(program._replace(width=1, groups=1), dtype.name).results, count)
    results["outcome"][~valid] = Outcome.INVALID
    on_round(count - alive)
    if not alive:
        return results
    lanes = begin(
        program,
        {name: buffer(starts[name]) for name in objective.parameters},
        {name: buffer(starts[name]) for name in rule.hyperparameters},
    )
    last_step = np.int32(horizon)
    reported = 0.0  # of the lanes in the buffers

    # every round takes every lane a block further or decides it
    for _ in range(2 * (horizon // BLOCK) + 4):
        # few lanes left: longer rounds, so that the host is asked as rarely as with many
        blocks = np.int32(max(1, min(64, capacity // (4 * alive))))
        groups = np.int32(-(-alive // program.width))
        lanes, seen = run(program, lanes, groups, blocks, last_step)
        found = []
        for rows in _portions(program, np.flatnonzero(np.asarray(seen)[:alive])):
            lanes, known, decided = _judge(program, lanes, rows, last_step)
            found.append(rows[decided])
            for name in results:
                results[name][origin_of[rows[decided]]] = known[name][decided]
        free = np.concatenate(found) if found else np.empty(0, int)
        alive -= len(free)
        holes = free[free < alive]
        behind = np.setdiff1d(np.arange(alive, alive + len(free)), free, assume_unique=True)
        origin_of[holes] = origin_of[behind]
        for to, rows in zip(_portions(program, holes), _portions(program, behind)):
            lanes = move(program, lanes, _filled(program, to, capacity), _filled(program, rows, 0))
        going = float(np.asarray(lanes.steps)[:alive].sum(dtype=float)) / max(horizon, 1)
        on_round(len(free) + going - reported)
        reported = going
        if not alive:
            return results
    raise RuntimeError(
        f"{alive} lanes of {objective.name} under {rule.name} were not decided in as many rounds "
        "as take every lane to the horizon; please report this as an error of eos_jax."
    )


def _judge(program, lanes, rows, horizon):
    """What becomes of the lanes at `rows`; those not decided are put where their block ended."""
    buffer, groups = _filled(program, rows, 0), np.int32(-(-len(rows) // program.width))
    known, ends = decide(program, lanes, buffer, groups, horizon, np.bool_(True))
    known = {name: np.asarray(leaf)[: len(rows)] for name, leaf in known.items()}
    decided = known["outcome"] != Outcome.PENDING
    if not decided.all():
        # within tolerance but not stable there: replayed once more, to the end of the block
        last, ends = decide(program, lanes, buffer, groups, horizon, np.bool_(False))
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
def begin(
    program: Program, params: Mapping[str, jax.Array], hyper: Mapping[str, jax.Array]
) -> Lanes:
    """Lanes at their starts, which are their first samples."""
    return jax.vmap(functools.partial(begin_one, program))(params, hyper)


@functools.partial(_compiled, donate_argnums=1)
def run(
    program: Program, lanes: Lanes, groups: jax.Array, blocks: jax.Array, horizon: jax.Array
) -> tuple[Lanes, jax.Array]:
    """Advance the first groups by some blocks each; also says which lanes look decided.

    A lane that does, or that has less than a block to its horizon, stays at its block's beginning.
    """

    def one_block(_, carry):
        lanes, seen = carry
        moved = _block(program, lanes)
        seen = seen | (moved.steps > horizon) | _look(program, moved)
        return _where(program, seen, lanes, moved), seen

    def one_group(index, carry):
        lanes, seen = carry
        start = index * program.width
        group = _take(lanes, start, program.width)
        group, group_seen = jax.lax.fori_loop(0, blocks, one_block, (group, _look(program, group)))
        return _put(lanes, group, start), _put(seen, group_seen, start)

    return jax.lax.fori_loop(0, groups, one_group, (lanes, jnp.zeros(lanes.steps.shape, bool)))


@_compiled
def decide(
    program: Program,
    lanes: Lanes,
    chosen: jax.Array,
    groups: jax.Array,
    horizon: jax.Array,
    heed: jax.Array,
) -> tuple[dict[str, jax.Array], Lanes]:
    """Replay one block of the chosen lanes, stopping each at the first point that may decide it.

    Args:
      program: what runs.
      lanes: all lanes.
      chosen: places of those to replay.
      groups: how many groups of them there are.
      horizon: steps at most.
      heed: whether points within tolerance stop a lane.

    Returns:
      What is known of each chosen lane, in the order chosen, and the lanes where they stopped.
    """

    def one_group(index, carry):
        rows = _take(chosen, index * program.width, program.width)
        group = jax.tree.map(lambda leaf: leaf[rows], lanes)
        return _put(carry, _replay(program, group, horizon, heed), index * program.width)

    count, dtype = len(chosen), next(iter(lanes.params.values())).dtype.name
    spec = meaning(program._replace(width=1, groups=1), dtype).results
    known = {name: jnp.zeros((count, *result.shape), result.dtype) for name, result in spec.items()}
    ends = jax.tree.map(lambda leaf: jnp.zeros((count, *leaf.shape[1:]), leaf.dtype), lanes)
    return jax.lax.fori_loop(0, groups, one_group, (known, ends))


@functools.partial(_compiled, donate_argnums=1)
def move(program: Program, lanes: Lanes, holes: jax.Array, sources: jax.Array) -> Lanes:
    """Copy the lanes at `sources` into the places `holes`; a place beyond the end means none."""
    return jax.tree.map(lambda leaf: leaf.at[holes].set(leaf[sources], mode="drop"), lanes)


@functools.partial(_compiled, donate_argnums=1)
def put_back(program: Program, lanes: Lanes, ends: Lanes, places: jax.Array) -> Lanes:
    """Lanes that were replayed and not decided, where their blocks ended."""
    return jax.tree.map(lambda leaf, end: leaf.at[places].set(end, mode="drop"), lanes, ends)


def _block(program, lanes):
    """All lanes 32 steps on, their samples on the way seen."""
    chunk = math.gcd(program.every, BLOCK) if program.observers else BLOCK

    def one_chunk(_, lanes):
        params, state = _advance(program, lanes, chunk)
        return _observe_all(
            program, lanes._replace(params=params, state=state, steps=lanes.steps + chunk)
        )

    if chunk == BLOCK:
        return one_chunk(0, lanes)
    return jax.lax.fori_loop(0, BLOCK // chunk, one_chunk, lanes)


def _advance(program, lanes, count):
    names = program.rule.hyperparameters

    def step(state, constants):
        return program.rule.step(program.objective, *state, dict(zip(names, constants)))

    constants = tuple(lanes.hyper[name] for name in names)
    return advance_lanes(step, (lanes.params, lanes.state), constants, count)


def _replay(program, lanes, horizon, heed):
    """Lanes one block on, every step examined; what is known of them, and where they stopped."""
    objective, rule = program.objective, program.rule
    dtype = next(iter(lanes.params.values())).dtype
    names = rule.hyperparameters
    chunk = math.gcd(program.every, BLOCK) if program.observers else BLOCK
    # in the lanes' own dtype, so that the step below is one kind of arithmetic
    left = jnp.minimum(horizon - lanes.steps, BLOCK).astype(dtype)
    heeds = jnp.broadcast_to(heed, left.shape).astype(dtype)
    start = jax.tree.leaves(lanes.start)

    def step(state, constants):
        params, rest, taken = state
        left, heeds, *others = constants
        compared = jax.tree.unflatten(jax.tree.structure(lanes.start), others[: len(start)])
        hyper = dict(zip(names, others[len(start) :]))
        halted = gone(program, params) | (taken >= left)
        if program.stop:
            halted = halted | ((heeds > 0) & near(objective, params, compared, program.stop))
        moved = (*rule.step(objective, params, rest, hyper), taken + 1)
        return jax.tree.map(lambda old, new: jnp.where(halted, old, new), state, moved)

    constants = (left, heeds, *start, *(lanes.hyper[name] for name in names))

    def one_chunk(index, carry):
        lanes, taken = carry
        state = (lanes.params, lanes.state, taken)
        params, state, after = advance_lanes(step, state, constants, chunk, unroll=1)
        steps = lanes.steps + (after - taken).astype(lanes.steps.dtype)
        lanes = lanes._replace(params=params, state=state, steps=steps)
        # a lane that stopped before this point has shown it already, or never came here
        return _observe_all(program, lanes, after == (index + 1) * chunk), after

    carry = (lanes, jnp.zeros_like(left))
    if chunk == BLOCK:
        lanes, _ = one_chunk(0, carry)
    else:
        lanes, _ = jax.lax.fori_loop(0, BLOCK // chunk, one_chunk, carry)
    known = jax.vmap(lambda lane, *more: results_at(program, lane, heed, horizon, *more))(
        lanes, *_rests(program, lanes, horizon), _returns(program, lanes, horizon)
    )
    return known, lanes


def _rests(program, lanes, horizon):
    """Per lane: within tolerance, the minimum beside it if it is, at rest at the horizon.

    Nothing is computed for a group of which no lane needs it.
    """
    objective, stop = program.objective, program.stop
    if stop is None:
        nowhere = jnp.zeros(lanes.steps.shape, bool)
        return nowhere, lanes.params, nowhere
    within = jax.vmap(lambda lane: near(objective, lane.params, lane.start, stop))(lanes)
    minimum = jax.lax.cond(
        within.any(),
        jax.vmap(lambda params: curvature.minimum_nearby(objective, params)),
        lambda params: params,
        lanes.params,
    )
    if objective.floor is None:
        return within, minimum, within
    resting = jax.lax.cond(
        (lanes.steps >= horizon).any(),
        jax.vmap(functools.partial(at_rest, program)),
        lambda params: jnp.zeros_like(within),
        lanes.params,
    )
    return within, minimum, within | resting


def _returns(program, lanes, horizon):
    """Per lane: its period from here on; nothing is looked for where no lane is at the horizon."""
    look = jax.vmap(functools.partial(return_of, program))
    nothing = jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(look, lanes)
    )
    return jax.lax.cond((lanes.steps >= horizon).any(), look, lambda lanes: nothing, lanes)


def _observe_all(program, lanes, shown=None):
    """Lanes, their points seen by the observers; nothing is measured where none is a sample."""
    if not program.observers:
        return lanes
    shown = jnp.ones(lanes.steps.shape, bool) if shown is None else shown
    observe = jax.vmap(functools.partial(observe_one, program))
    if BLOCK % program.every == 0:
        return observe(lanes, shown)
    due = (shown & (lanes.steps % program.every == 0)).any()
    seen = jax.lax.cond(due, lambda them: observe(them, shown).seen, lambda them: them.seen, lanes)
    return lanes._replace(seen=seen)


def _look(program, lanes):
    """Per lane: whether it seems decided."""
    if program.stop is None:
        return jnp.zeros(lanes.steps.shape, bool)
    return jax.vmap(functools.partial(seems_decided, program))(lanes)


def _take(lanes, start, width):
    return jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, start, width), lanes)


def _put(lanes, part, start):
    return jax.tree.map(
        lambda leaf, new: jax.lax.dynamic_update_slice_in_dim(leaf, new, start, 0), lanes, part
    )


def _where(program, mask, yes, no):
    """Choose whole lanes; records by index stay, what they hold too much is forgotten later."""
    choose = lambda a, b: jnp.where(_like(mask, a), a, b)  # noqa: E731
    seen = {
        name: no.seen[name] if o.by_index else jax.tree.map(choose, yes.seen[name], no.seen[name])
        for name, o in program.observers
    }
    chosen = jax.tree.map(choose, yes._replace(seen={}), no._replace(seen={}))
    return chosen._replace(seen=seen)


def _like(mask, leaf):
    """A mask over lanes with as many axes as a leaf."""
    return mask.reshape(mask.shape + (1,) * (leaf.ndim - 1))


def _portions(program, rows):
    """Rows in portions whose results stay in the cache."""
    size = program.width * min(program.groups, _PORTION)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _filled(program, rows, fill):
    """The rows in a buffer of the one shape that programs are compiled for."""
    buffer = np.full(program.width * min(program.groups, _PORTION), fill, np.int32)
    buffer[: len(rows)] = rows
    return buffer
