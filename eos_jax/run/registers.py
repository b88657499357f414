"""One tile of a sweep in the registers of the CPU.

How a lane begins, steps, looks, is seen and judged is traced once and taken apart into lists of
scalar operations (`eos_jax.loops.scalars`), which run as machine code on arrays of NumPy. A tile
is three calls: all lanes begin; all run to where they stop (`eos_jax.loops.tiles`); all are judged
there. The few that stopped at a minimum they will not stay at go on from there.
"""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax.loops import llvm, registers, tiles
from eos_jax.loops.primitives import as_scalars, from_jaxpr
from eos_jax.loops.scalars import NotScalars, Scalars
from eos_jax.machine import turn
from eos_jax.outcomes import Outcome, near
from eos_jax.registry import made_once
from eos_jax.run import lane as of_lane
from eos_jax.run.lane import Lanes, Program
from eos_jax.simulate import shapes_of_lane, step_as_scalars

_BUDGET = 2**16  # blocks in one call: some tenths of a second, so that signals and progress act


class Prepared(NamedTuple):
    """A program as lists.

    Attributes:
      lists: what runs until lanes stop.
      begin: parameters, hyperparameters to all leaves and whether the start stops the lane.
      judge: leaves, steps, heed, horizon, minimum in reach to results; a function of JAX of such
        arrays where that is no list.
      results: names, shapes and dtypes of the results, in order.
    """

    lists: tiles.Lists
    begin: Scalars
    judge: Scalars | Callable
    results: tuple[tuple[str, tuple[int, ...], str], ...]


def prepared(program: Program, dtype: str) -> Prepared:
    """A program as lists of scalar operations.

    Args:
      program: what to run; the shape of its buffers does not matter.
      dtype: of the lanes.

    Raises:
      NotScalars: if it is none; the text says why.
    """
    if not llvm.ready():
        raise NotScalars(llvm.missing())
    found = _prepared(program._replace(width=1, groups=1), dtype)
    if isinstance(found, str):
        raise NotScalars(found)
    return found


@made_once
def _prepared(program: Program, dtype: str) -> Prepared | str:
    try:
        with jax.enable_x64(dtype == "float64"):
            return _lists(program, dtype)
    except NotScalars as reason:
        return str(reason)


def _lists(program, dtype):
    objective, rule = program.objective, program.rule
    if any(observer.by_index for _, observer in program.observers):
        raise NotScalars("an observer that keeps every sample")
    params, hyper = shapes_of_lane(objective, rule, dtype)
    lane = jax.eval_shape(functools.partial(of_lane.begin_one, program), params, hyper)
    truth, number = jax.ShapeDtypeStruct((), bool), jax.ShapeDtypeStruct((), jnp.int32)

    def begin(params, hyper):
        lane = of_lane.begin_one(program, params, hyper)
        return _in_order(lane), of_lane.seems_decided(program, lane)

    def look(params, start):
        here = near(objective, params, start, program.stop)
        return here, of_lane.gone(program, params)

    def observe(params, state, seen, hyper, steps, shown):
        lane = Lanes(params, state, hyper, steps, (), seen)
        return of_lane.observe_one(program, lane, shown).seen

    leaves = _in_order(lane)
    _, step = step_as_scalars(objective, rule, dtype)
    sizes = [sum(leaf.size for leaf in jax.tree.leaves(part)) for part in leaves]
    began = as_scalars(begin, params, hyper)
    lists = tiles.Lists(
        step=step,
        look=as_scalars(look, lane.params, lane.start) if program.stop else None,
        observe=as_scalars(
            observe, lane.params, lane.state, lane.seen, lane.hyper, number, truth
        ) if program.observers else None,
        dtypes=tuple(registers.dtypes_of(began)[1][:-1]),
        params=sizes[0],
        moving=sizes[0] + sizes[1],
        seen=sizes[2],
        hyper=sizes[3],
        every=program.every,
    )  # fmt: skip

    def verdict_of(leaves, steps, heed, horizon, within):
        params, state, seen, hyper, start = leaves
        lane = Lanes(params, state, hyper, steps, start, seen)
        return of_lane.judged(program, lane, heed, horizon, within)

    closed, found = jax.make_jaxpr(verdict_of, return_shape=True)(
        leaves, number, truth, number, truth
    )
    try:
        verdict = from_jaxpr(closed)
    except NotScalars:  # many dimensions: a verdict is rare, and XLA's is as good
        verdict = _by_xla(verdict_of, leaves, dtype, turn(closed))
    results = tuple((n, leaf.shape, leaf.dtype.name) for n, leaf in sorted(found.items()))
    return Prepared(lists, began, verdict, results)


def _by_xla(verdict_of, leaves, dtype, alone):
    """A verdict on arrays of entries, compiled for portions of few sizes."""
    structure = jax.tree.structure(leaves)
    shapes = [leaf.shape for leaf in jax.tree.leaves(leaves)]
    every = jax.jit(jax.vmap(verdict_of))

    def verdict(entries, count):
        size = max(128, min(4096, 1 << (count - 1).bit_length()))
        parts = []
        for first in range(0, count, size):
            cut = [np.resize(entry[first : first + size], size) for entry in entries]
            columns = iter(cut)
            whole = [
                np.stack([next(columns) for _ in range(math.prod(shape))], 1).reshape(size, *shape)
                for shape in shapes
            ]
            with alone, jax.enable_x64(dtype == "float64"):
                found = every(jax.tree.unflatten(structure, whole), *columns)
                parts.append([np.asarray(leaf) for _, leaf in sorted(found.items())])
        joined = [np.concatenate(leaf)[:count] for leaf in zip(*parts)]
        return [entry for leaf in joined for entry in registers.entries([leaf], count)]

    return verdict


def _in_order(lane):
    """The leaves of a lane as `tiles.Lists` orders them."""
    return lane.params, lane.state, lane.seen, lane.hyper, lane.start


def run_tile(
    program: Program,
    starts: Mapping[str, np.ndarray],
    horizon: int,
    on_round: Callable[[float], Any] = lambda lanes: None,
) -> dict[str, np.ndarray]:
    """The results of one tile; see `eos_jax.run.plain.run_tile`."""
    objective, rule = program.objective, program.rule
    dtype = starts[objective.parameters[0]].dtype.name
    ready = prepared(program, dtype)
    functions = tiles.functions(ready.lists)
    valid = of_lane.valid(starts)
    count = len(valid)
    results: dict[str, np.ndarray] = {}
    on_round(count - int(valid.sum()))
    given = [starts[n] for n in sorted(objective.parameters)]
    given += [starts[n] for n in sorted(rule.hyperparameters)]
    *leaves, stopped = registers.apply(ready.begin, registers.entries(given, count), count)
    steps = np.zeros(registers.padded(count), np.int32)
    going = np.flatnonzero(valid & ~stopped[:count])
    candidates = np.flatnonzero(valid & stopped[:count])
    todo = alive = len(going) + len(candidates)
    reported = 0.0  # of those alive
    while todo:
        order, left = going.copy(), len(going)
        while left:
            left = functions.run(
                registers.pointers(leaves), steps.ctypes.data, order.ctypes.data, left, horizon,
                _BUDGET,
            )  # fmt: skip
            under_way = float(steps[order[:left]].sum(dtype=float)) / max(horizon, 1)
            done = alive - len(candidates) - left + under_way
            on_round(max(done - reported, 0.0))
            reported = max(done, reported)
        # in order: no copies below
        candidates = np.sort(np.concatenate([going, candidates]), kind="stable")
        known, within = _judge(ready, leaves, steps, candidates, horizon)
        decided = known["outcome"] != Outcome.PENDING
        if len(candidates) == count:  # what is pending is written below, in a later round
            results = known
        else:
            results = results or _blank(program, dtype, valid)
            for name in results:
                results[name][candidates[decided]] = known[name][decided]
        rest = candidates[~decided]
        going, candidates = rest[~within[~decided]], rest[within[~decided]]
        todo = len(rest)
        if len(candidates):
            functions.replay(
                registers.pointers(leaves), steps.ctypes.data, candidates.ctypes.data,
                len(candidates), horizon,
            )  # fmt: skip
    on_round(alive - reported)
    return results or _blank(program, dtype, valid)


def _blank(program, dtype, valid):
    """Results with every lane pending, but those with invalid starts."""
    meaning = of_lane.meaning(program._replace(width=1, groups=1), dtype)
    results = of_lane.blank(meaning.results, len(valid))
    results["outcome"][~valid] = Outcome.INVALID
    return results


def _judge(ready, leaves, steps, chosen, horizon):
    """What is known of the chosen lanes where they stopped, and which have a minimum in reach."""
    lists, count = ready.lists, len(chosen)
    if count == len(steps):
        here, taken = leaves, steps
    else:
        place = np.zeros(registers.padded(count), int)
        place[:count] = chosen
        here, taken = [leaf[place] for leaf in leaves], steps[place]
    size = len(taken)
    if lists.look is None:
        within = np.zeros(size, bool)
    else:
        start = here[lists.moving + lists.seen + lists.hyper :]
        within, _ = registers.apply(lists.look, [*here[: lists.params], *start], count)
    heed, last = np.ones(size, bool), np.full(size, horizon, np.int32)
    given = [*here, taken, heed, last, within]
    of_all = ready.judge
    found = iter(
        registers.apply(of_all, given, count)
        if isinstance(of_all, Scalars)
        else of_all(given, count)
    )
    known = {}
    for name, shape, _ in ready.results:
        columns = [next(found) for _ in range(math.prod(shape))]
        known[name] = registers.joined(columns, np.empty((count, *shape), np.uint8))
    return known, within[:count]


__all__ = ["Prepared", "prepared", "run_tile"]
