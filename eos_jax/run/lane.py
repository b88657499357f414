"""One lane of a sweep, as pure functions of JAX: how it begins, what is seen of it, what it yields.

Every engine runs these, each in its own way; what they say is what a result means.
"""

import functools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax import curvature, fingerprint, measures, returns
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
from eos_jax.rules.base import check_step
from eos_jax.sample import Sample
from eos_jax.simulate import shapes_of_lane


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
        params, hyper = shapes_of_lane(objective, rule, dtype)
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
                f"Argument `observe` must give each result a name of its own, but got `{twice[0]}` "
                f"twice; give observer `{name}` another name."
            )
        labels |= {n: label for n, (_, label) in own.items()}
    return {**labels, "outcome": Label("fate of the orbit")}


def _first_step(program, params, hyper):
    """One step of one lane with all that is measured and recorded."""
    lane = begin_one(program, params, hyper)
    after = program.rule.step(program.objective, lane.params, lane.state, lane.hyper)
    params, state = check_step(program.rule, (lane.params, lane.state), after)
    moved = observe_one(program, lane._replace(params=params, state=state, steps=lane.steps + 1))
    decided = seems_decided(program, moved)
    rest = (decided, moved.params, decided, return_of(program, moved))
    results = results_at(program, moved, decided, moved.steps, *rest)
    sample = sample_of(program, moved)
    observed = {name: o.finalize(moved.seen[name], sample) for name, o in program.observers}
    return results, observed, moved, decided


def begin_one(
    program: Program, params: Mapping[str, jax.Array], hyper: Mapping[str, jax.Array]
) -> Lanes:
    """One lane at its start, which is its first sample."""
    objective, rule, stop = program.objective, program.rule, program.stop
    params = {name: jnp.asarray(params[name]) for name in objective.parameters}
    state = rule.init(objective, params, hyper)
    start = origin(objective, params) if stop else ()
    lane = Lanes(params, state, dict(hyper), jnp.zeros((), jnp.int32), start, {})
    sample = sample_of(program, lane)
    seen = {name: o.init(sample, program.samples) for name, o in program.observers}
    return observe_one(program, lane._replace(seen=seen))


def results_at(
    program: Program,
    lane: Lanes,
    heed: Any,
    horizon: Any,
    within: Any,
    minimum: Mapping[str, Any],
    resting: Any,
    returned: returns.Return | tuple[()] = (),
) -> dict[str, jax.Array]:
    """What is known of one lane at its last point, and whether that decides it."""
    stop, here = program.stop, sample_of(program, lane)
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
            (gone(program, lane.params), Outcome.DIVERGED),
            ((lane.steps >= horizon) & resting, Outcome.STATIONARY),
            (lane.steps >= horizon, Outcome.UNDECIDED),
        ]
    if isinstance(returned, returns.Return):
        at_end = (lane.steps >= horizon) & ~gone(program, lane.params)
        decision[-1:-1] = [
            (at_end & (returned.period > 0), Outcome.PERIODIC),
            (at_end & returned.parting, Outcome.APERIODIC),
        ]
        still = decision[0][0] | (at_end & resting)
        period = jnp.where(at_end, returned.period, -1)
        results["period"] = jnp.where(still, 1, period).astype(jnp.int32)
    code = jnp.int32(Outcome.PENDING)
    for condition, outcome in reversed(decision):
        code = jnp.where(condition, jnp.int32(outcome), code)
    results["outcome"] = code.astype(jnp.uint8)
    for name, observer in program.observers:
        result = observer.finalize(lane.seen[name], here)
        results |= {n: leaf for n, (leaf, _) in results_of(name, observer, result).items()}
    if program.keep is not None:
        results = {n: v for n, v in results.items() if n in program.keep or n == "outcome"}
    return results


def judged(
    program: Program, lane: Lanes, heed: jax.Array, horizon: jax.Array, within: jax.Array
) -> dict[str, jax.Array]:
    """What is known of one lane where it stopped.

    Args:
      program: what runs.
      lane: the lane.
      heed: whether a minimum in reach may decide it.
      horizon: steps at most.
      within: whether one is in reach.
    """
    objective, stop = program.objective, program.stop
    if stop is None:
        return results_at(program, lane, heed, horizon, within, lane.params, within)
    nothing = jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype),
        jax.eval_shape(functools.partial(return_of, program), lane),
    )
    returned = jax.lax.cond(
        lane.steps >= horizon,
        functools.partial(return_of, program),
        lambda lane: nothing,
        lane,
    )
    minimum = jax.lax.cond(
        within,
        lambda params: dict(curvature.minimum_nearby(objective, params)),
        dict,
        dict(lane.params),
    )
    if objective.floor is None:
        return results_at(program, lane, heed, horizon, within, minimum, within, returned)
    resting = jax.lax.cond(
        lane.steps >= horizon,
        functools.partial(at_rest, program),
        lambda params: jnp.zeros((), bool),
        dict(lane.params),
    )
    rest = within | resting
    return results_at(program, lane, heed, horizon, within, minimum, rest, returned)


def return_of(program: Program, lane: Lanes) -> returns.Return | tuple[()]:
    """The period of one lane from here on, where cycles are asked for."""
    stop = program.stop
    if not (stop and stop.longest_period):
        return ()
    return returns.first_return(sample_of(program, lane), stop.longest_period, stop.period_of)


def at_rest(program: Program, params: Mapping[str, jax.Array]) -> jax.Array:
    """Whether one lane is stationary: at a saddle it is, though not near the floor."""
    objective = program.objective
    tolerance = (program.stop and program.stop.tolerance) or 0.0
    loss = excess_loss(objective, params)
    above = Origin(jnp.zeros_like(loss), jnp.full_like(loss, objective.floor or 0.0))
    return stationary(objective, params, above, tolerance)


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


def sample_of(program: Program, lane: Lanes) -> Sample:
    """A lane as observers see it."""
    index = lane.steps // program.every
    return Sample(
        program.objective, program.rule, lane.params, lane.state, lane.hyper, lane.steps, index,
        program.method, program.every,
    )  # fmt: skip


def observe_one(program: Program, lane: Lanes, shown: Any = True) -> Lanes:
    """One lane, its point seen by the observers if it is a sample."""
    due = shown & (lane.steps % program.every == 0) & ~gone(program, lane.params)
    sample = sample_of(program, lane)
    place = jnp.where(due, sample.index, program.samples)

    def changed(observer, before):
        if observer.by_index:
            return observer.update(before, sample._replace(index=place))
        after = observer.update(before, sample)
        return jax.tree.map(lambda old, new: jnp.where(due, new, old), before, after)

    return lane._replace(seen={name: changed(o, lane.seen[name]) for name, o in program.observers})


def gone(program: Program, params: Mapping[str, jax.Array]) -> jax.Array:
    """Whether one lane has left the escape radius."""
    return escaped(params, program.stop.escape) if program.stop else jnp.zeros((), bool)


def seems_decided(program: Program, lane: Lanes) -> jax.Array:
    """Whether one lane is within tolerance or has left the escape radius."""
    if program.stop is None:
        return jnp.zeros((), bool)
    within = near(program.objective, lane.params, lane.start, program.stop)
    return within | escaped(lane.params, program.stop.escape)


def _finite(values):
    """Infinities as NaN: nothing finite can be said."""
    return jnp.where(jnp.isfinite(values), values, jnp.nan)


def valid(starts: Mapping[str, np.ndarray]) -> np.ndarray:
    """Which lanes have finite starts and hyperparameters; the others are not run."""
    finite = (np.isfinite(v).reshape(len(v), -1).all(axis=1) for v in starts.values())
    return np.logical_and.reduce(list(finite))


def fill_of(result: Result, name: str) -> float:
    """What stands where nothing is known: NaN, -1 for integers, 0 for `outcome` and `steps`."""
    if result.dtype.kind == "f":
        return math.nan
    return 0 if name in ("outcome", "steps") or result.dtype.kind in "ub" else -1


def blank(spec: Mapping[str, Result], count: int) -> dict[str, np.ndarray]:
    """Result arrays with every lane pending and nothing known."""
    return {
        name: np.full((count, *result.shape), fill_of(result, name), result.dtype)
        for name, result in spec.items()
    }
