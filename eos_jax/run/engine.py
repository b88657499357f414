"""One tile of a sweep: lanes run until they are decided, and decided lanes cost nothing.

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
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax import curvature, fingerprint, measures, returns
from eos_jax.loops import advance_lanes
from eos_jax.machine import COMPILER_OPTIONS
from eos_jax.objectives.base import Objective
from eos_jax.observers.base import Label, Observer, results_of
from eos_jax.outcomes import (
    Origin,
    Outcome,
    Stop,
    escaped,
    excess_loss,
    near,
    origin,
    stationary,
)
from eos_jax.rules import Rule
from eos_jax.sample import Sample

BLOCK = 32
"""Steps between examinations. Part of what a result means, so not a setting."""

_PORTION = 16  # groups that are replayed and moved at once

_compiled = functools.partial(jax.jit, static_argnums=0, compiler_options=COMPILER_OPTIONS)


class Program(NamedTuple):
    """What is fixed when a tile is compiled.

    Attributes:
      objective: what is descended.
      rule: how.
      stop: when a lane is decided; None runs every lane to the horizon.
      observers: what is recorded, pairs of a name and an observer.
      every: steps between samples.
      samples: how many samples an orbit to the horizon has, its start included.
      method: how the sharpness is measured; None for not at all.
      keep: names of the results wanted; None for all.
      width: lanes that are advanced together, few enough to stay in the cache.
      groups: groups of `width` lanes in the buffers.
    """

    objective: Objective
    rule: Rule
    stop: Stop | None
    observers: tuple[tuple[str, Observer], ...]
    every: int
    samples: int
    method: str | None
    keep: tuple[str, ...] | None
    width: int
    groups: int


class Lanes(NamedTuple):
    """Lanes in flight; every leaf has a leading axis of lanes.

    Attributes:
      params: the points.
      state: the rule's state there.
      hyper: the rule's hyperparameters.
      steps: steps taken.
      start: what ends are compared with; see `eos_jax.outcomes.Origin`.
      seen: the observers' accumulators, by name.
    """

    params: dict[str, jax.Array]
    state: Any
    hyper: dict[str, jax.Array]
    steps: jax.Array
    start: Origin | tuple[()]
    seen: dict[str, Any]


class Result(NamedTuple):
    """One array that a lane yields: its shape and dtype at one lane, and its label."""

    shape: tuple[int, ...]
    dtype: np.dtype
    label: Label


class Meaning(NamedTuple):
    """What a program stands for, known without running it.

    Attributes:
      results: what a sweep yields per lane, by name, `outcome` last; the one place that names,
        shapes, dtypes and labels come from.
      sha256: the hash of one step with all that is measured and recorded, every constant included.
    """

    results: dict[str, Result]
    sha256: str


@functools.lru_cache(maxsize=256)
def meaning(program: Program, dtype: str) -> Meaning:
    """What a program yields and the hash of its mathematics, from one step of one lane, traced."""
    objective, rule = program.objective, program.rule
    with jax.enable_x64(dtype == "float64"):
        params = {
            name: jax.ShapeDtypeStruct(shape, dtype)
            for name, shape in zip(objective.parameters, objective.shapes)
        }
        hyper = {
            name: jax.ShapeDtypeStruct((), jnp.uint32 if name == "seed" else dtype)
            for name in rule.hyperparameters
        }
        step = functools.partial(_first_step, program)
        traced, shapes = jax.make_jaxpr(step, return_shape=True)(params, hyper)
    found, observed, *_ = shapes
    results = {
        name: Result(found[name].shape, np.dtype(found[name].dtype), label)
        for name, label in _labels(program, observed).items()
        if name in found
    }
    return Meaning(results, fingerprint.digest(traced))


def _labels(program, observed):
    labels = {
        "steps": Label("steps until decided", "steps"),
        "loss": Label("loss at the last point"),
        "sharpness": Label("sharpness at the last point", "1/eta"),
        "period": Label(
            "period at the horizon; 0 if none was found, -1 if not looked for", "steps"
        ),
        "curvature": Label("curvature that the rule judges by, at the last point", "1/eta"),
        "threshold": Label("stability threshold at the last point", "1/eta"),
        "sharpness_minimum": Label("sharpness of the minimum that the orbit ended at", "1/eta"),
        **{f"{n}_final": Label(f"{n} at the last point") for n in program.objective.parameters},
    }
    for name, observer in program.observers:
        own = results_of(name, observer, observed[name])
        twice = sorted(own.keys() & labels.keys())
        if name and twice:
            raise ValueError(
                f"Two results would be called `{twice[0]}`; give observer `{name}` another name."
            )
        labels |= {n: label for n, (_, label) in own.items()}
    return {**labels, "outcome": Label("fate of the orbit")}


def _first_step(program, params, hyper):
    """One step of one lane with all that is measured and recorded."""
    lane = _begin(program, params, hyper)
    params, state = program.rule.step(program.objective, lane.params, lane.state, lane.hyper)
    moved = _observe(program, lane._replace(params=params, state=state, steps=lane.steps + 1))
    decided = _seems_decided(program, moved)
    rest = (decided, moved.params, decided, _return(program, moved))
    results = _results(program, moved, decided, moved.steps, *rest)
    sample = _sample(program, moved)
    observed = {name: o.finalize(moved.seen[name], sample) for name, o in program.observers}
    return results, observed, moved, decided


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
    objective, rule = program.objective, program.rule
    like = starts[objective.parameters[0]]
    count, dtype = len(like), like.dtype
    capacity = program.width * program.groups
    valid = np.logical_and.reduce(
        [np.isfinite(v).reshape(count, -1).all(axis=1) for v in starts.values()]
    )
    origin_of = np.flatnonzero(valid)  # the lane that each place of the buffers holds
    alive = len(origin_of)

    def buffer(values):
        filled = np.ones((capacity, *values.shape[1:]), values.dtype)
        filled[:alive] = values[origin_of]
        return filled

    results = _blank(meaning(program._replace(width=1, groups=1), dtype.name).results, count)
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
    return jax.vmap(functools.partial(_begin, program))(params, hyper)


def _begin(program, params, hyper):
    objective, rule, stop = program.objective, program.rule, program.stop
    params = {name: jnp.asarray(params[name]) for name in objective.parameters}
    state = rule.init(objective, params, hyper)
    start = origin(objective, params) if stop else ()
    lane = Lanes(params, state, hyper, jnp.zeros((), jnp.int32), start, {})
    sample = _sample(program, lane)
    seen = {name: o.init(sample, program.samples) for name, o in program.observers}
    return _observe(program, lane._replace(seen=seen))


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
        halted = _gone(program, params) | (taken >= left)
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
    known = jax.vmap(lambda lane, *more: _results(program, lane, heed, horizon, *more))(
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

    def at_rest(params):  # a saddle is, though not near the floor
        loss = excess_loss(objective, params)
        above = Origin(jnp.zeros_like(loss), jnp.full_like(loss, objective.floor))
        return stationary(objective, params, above, stop.tolerance)

    resting = jax.lax.cond(
        (lanes.steps >= horizon).any(),
        jax.vmap(at_rest),
        lambda params: jnp.zeros_like(within),
        lanes.params,
    )
    return within, minimum, within | resting


def _return(program, lane):
    """The period of one lane from here on, if periods are asked for."""
    stop = program.stop
    if not (stop and stop.longest_period):
        return ()
    return returns.first_return(_sample(program, lane), stop.longest_period, stop.period_of)


def _returns(program, lanes, horizon):
    """Per lane: its period from here on; nothing is looked for where no lane is at the horizon."""
    look = jax.vmap(functools.partial(_return, program))
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype),
                           jax.eval_shape(look, lanes))  # fmt: skip
    return jax.lax.cond((lanes.steps >= horizon).any(), look, lambda lanes: nothing, lanes)


def _results(program, lane, heed, horizon, within, minimum, resting, returned):
    """What is known of one lane at its last point, and whether that decides it."""
    stop, here = program.stop, _sample(program, lane)
    # the minimum in reach is judged, not the point that happens to lie beside it
    pair = jax.tree.map(lambda a, b: jnp.stack([a, b]), dict(here.params), dict(minimum))
    bends = jax.vmap(lambda params: _bends(program, here._replace(params=params)))(pair)
    at_point = jax.tree.map(lambda leaf: leaf[0], bends)
    # a formula such as |z|^2 may lose its second derivative at the very minimum, not beside it
    curved = bends["sharpness"][1] > 0
    at_minimum = jax.tree.map(lambda leaf: jnp.where(curved, leaf[1], leaf[0]), bends)
    loss = measures.loss(here)
    results = {
        "steps": lane.steps,
        "loss": _finite(loss),
        "sharpness": _finite(at_point["sharpness"]),
        "threshold": _finite(at_point["threshold"]),
        **{f"{name}_final": _finite(leaf) for name, leaf in lane.params.items()},
    }
    if program.rule.curvature is not measures.sharpness:
        results["curvature"] = _finite(at_point["curvature"])
    if stop is None:
        decision = [(lane.steps >= horizon, Outcome.UNDECIDED)]
    else:
        results["sharpness_minimum"] = _finite(jnp.where(within, at_minimum["sharpness"], jnp.nan))
        decision = [
            (within & at_minimum["stable"] & heed, Outcome.CONVERGED),
            (_gone(program, lane.params), Outcome.DIVERGED),
            ((lane.steps >= horizon) & resting, Outcome.STATIONARY),
            (lane.steps >= horizon, Outcome.UNDECIDED),
        ]
    if returned:
        at_end = (lane.steps >= horizon) & ~_gone(program, lane.params)
        decision[-1:-1] = [
            (at_end & (returned.period > 0), Outcome.PERIODIC),
            (at_end & returned.parting, Outcome.APERIODIC),
        ]
        still = decision[0][0] | (at_end & resting)
        period = jnp.where(at_end, returned.period, -1)
        results["period"] = jnp.where(still, 1, period).astype(jnp.int32)
    conditions, outcomes = zip(*decision)
    codes = [jnp.uint8(outcome) for outcome in outcomes]
    results["outcome"] = jnp.select(conditions, codes, jnp.uint8(Outcome.PENDING))
    for name, observer in program.observers:
        result = observer.finalize(lane.seen[name], here)
        results |= {n: leaf for n, (leaf, _) in results_of(name, observer, result).items()}
    if program.keep is not None:
        results = {n: v for n, v in results.items() if n in program.keep or n == "outcome"}
    return results


def _bends(program, sample):
    """Curvatures at one point, and whether it would be a stable minimum if it were stationary."""
    rule, objective = program.rule, program.objective
    sharpness, threshold = measures.sharpness(sample), measures.threshold(sample)
    plain = rule.curvature is measures.sharpness
    bend = sharpness if plain else rule.curvature(sample)
    stable = bend < threshold
    if program.stop and objective.floor is None:  # something may lie below
        lowest, highest = curvature.extreme_eigenvalues_at(
            objective, sample.params, program.method or "auto"
        )
        rounding = float(jnp.finfo(highest.dtype).eps) ** 0.5
        stable &= (highest > 0) & (lowest >= -rounding * highest)
    return {"sharpness": sharpness, "curvature": bend, "threshold": threshold, "stable": stable}


def _sample(program, lane):
    """A lane as observers see it."""
    index = lane.steps // program.every
    return Sample(
        program.objective, program.rule, lane.params, lane.state, lane.hyper, lane.steps, index,
        program.method, program.every,
    )  # fmt: skip


def _observe(program, lane, shown=True):
    """One lane, its point seen by the observers if it is a sample."""
    due = shown & (lane.steps % program.every == 0) & ~_gone(program, lane.params)
    sample = _sample(program, lane)
    place = jnp.where(due, sample.index, program.samples)

    def changed(observer, before):
        if observer.by_index:
            return observer.update(before, sample._replace(index=place))
        after = observer.update(before, sample)
        return jax.tree.map(lambda old, new: jnp.where(due, new, old), before, after)

    return lane._replace(seen={name: changed(o, lane.seen[name]) for name, o in program.observers})


def _observe_all(program, lanes, shown=None):
    """Lanes, their points seen by the observers; nothing is measured where none is a sample."""
    if not program.observers:
        return lanes
    shown = jnp.ones(lanes.steps.shape, bool) if shown is None else shown
    observe = jax.vmap(functools.partial(_observe, program))
    if BLOCK % program.every == 0:
        return observe(lanes, shown)
    due = (shown & (lanes.steps % program.every == 0)).any()
    seen = jax.lax.cond(due, lambda them: observe(them, shown).seen, lambda them: them.seen, lanes)
    return lanes._replace(seen=seen)


def _gone(program, params):
    """Whether one lane has left the escape radius."""
    return escaped(params, program.stop.escape) if program.stop else jnp.zeros((), bool)


def _seems_decided(program, lane):
    """Whether one lane is within tolerance or has left the escape radius."""
    if program.stop is None:
        return jnp.zeros((), bool)
    within = near(program.objective, lane.params, lane.start, program.stop)
    return within | escaped(lane.params, program.stop.escape)


def _look(program, lanes):
    """Per lane: whether it seems decided."""
    if program.stop is None:
        return jnp.zeros(lanes.steps.shape, bool)
    return jax.vmap(functools.partial(_seems_decided, program))(lanes)


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


def fill_of(result: Result, name: str) -> float:
    """What stands where nothing is known: NaN, -1 for integers, 0 for `outcome` and `steps`."""
    if result.dtype.kind == "f":
        return math.nan
    return 0 if name in ("outcome", "steps") or result.dtype.kind in "ub" else -1


def _blank(spec, count):
    """Result arrays with every lane pending and nothing known."""
    return {
        name: np.full((count, *result.shape), fill_of(result, name), result.dtype)
        for name, result in spec.items()
    }
