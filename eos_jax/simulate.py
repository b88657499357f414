"""Orbits: one with observers, or many with nothing recorded.

`simulate` runs one orbit as a pure function to `jit`, `vmap` and `grad`; `iterate` runs a batch
with nothing recorded or checked, and is the kernel that every sweep runs on. NumPy arrays of
float64 are computed in float64, whatever JAX's global switch says; inside a `jit` of your own both
follow JAX.
"""

import contextlib
import functools
import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from eos_jax import rules
from eos_jax.checks import check_count
from eos_jax.loops import advance, advance_lanes, llvm, ptx, registers
from eos_jax.loops.primitives import as_scalars, from_jaxpr
from eos_jax.loops.scalars import NotScalars, Scalars
from eos_jax.machine import COMPILER_OPTIONS, cores, engine_wanted, workers
from eos_jax.objectives.base import Objective, Parameters, as_parameters
from eos_jax.objectives.own import as_objective
from eos_jax.observers import Observer, as_observers, final_point
from eos_jax.rules import Rule
from eos_jax.sample import Sample


def simulate(
    objective: Objective | Callable,
    params: Parameters,
    eta: Any,
    steps: int,
    rule: Rule | Callable | str | None = None,
    observe: Observer | Mapping[str, Observer] | None = None,
    every: int = 1,
) -> Any:
    """One orbit: x_{t+1} = step(x_t, eta), t = 0 ... steps - 1.

    A pure function: `jit` it with `steps` fixed, `vmap` it over starts and step sizes,
    differentiate through it.

    Args:
      objective: what is descended; a function of scalar parameters does as well.
      params: the start, one point.
      eta: step size, a scalar; or a dict of the rule's hyperparameters.
      steps: number of steps.
      rule: how a step is taken; gradient descent by default. A function from eta to an optax
        transformation, such as `optax.adam`, does as well, or a rule's name.
      observe: what to record, one observer or several by name; the final point by default.
      every: steps between samples. The start is a sample; the end is always shown to `finalize`.

    Returns:
      The observer's result, or a dict of results, arrays of JAX. Those in double precision, as
      from NumPy numbers, are best computed with as `np.asarray(result)`: JAX's own arithmetic
      rounds them to single unless its x64 switch is on.

    Raises:
      ValueError: if steps is negative, every not positive, eta not a positive scalar, or the
        parameters are not the objective's.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> end = eos.simulate(obj, {"x": 2.0, "y": 1.0}, eta=0.25, steps=1)
      >>> print(end["x"], end["y"])
      0.5 -2.0

    Source: Zhu et al. 2023, section 3.
    """
    check_count("steps", steps, least=0)
    check_count("every", every, least=1)
    objective, rule = as_objective(objective), rules.as_rule(rule)
    observers = as_observers(observe or final_point())
    with precision_of(params, eta):
        params = as_parameters(objective, params)
        for name, shape in zip(objective.parameters, objective.shapes):
            if params[name].shape != shape:
                raise ValueError(
                    f"Argument `params` must be one point, `{name}` of shape {shape}, but got "
                    f"shape {params[name].shape}; use jax.vmap, eos.iterate or eos.sweep for many."
                )
        hyper = as_hyper(rule, eta, params)
        for name, value in hyper.items():
            if value.ndim:
                raise ValueError(
                    f"Argument `{name}` must be a scalar, but got shape {value.shape}."
                )
        traced = any(isinstance(leaf, Tracer) for leaf in (*params.values(), *hyper.values()))
        run = _simulate if traced else _compiled_simulate
        results = run(objective, rule, params, hyper, steps, tuple(observers.items()), every)
    return results if isinstance(observe, Mapping) else results[""]


def _simulate(objective, rule, params, hyper, steps, observers, every):
    observers = dict(observers)

    def step(state):
        return rule.step(objective, *state, hyper)

    def sample(state, step, index):
        step, index = jnp.asarray(step, jnp.int32), jnp.asarray(index, jnp.int32)
        params, rest = state
        return Sample(objective, rule, params, rest, hyper, step, index, every=every)

    def see(seen, sample):
        return {name: observers[name].update(seen[name], sample) for name in observers}

    def stretch(carry, index):
        state, seen = carry
        state = advance(step, state, every)
        return (state, see(seen, sample(state, (index + 1) * every, index + 1))), None

    samples = steps // every
    state = (params, rule.init(objective, params, hyper))
    start = sample(state, 0, 0)
    seen = {name: observer.init(start, samples + 1) for name, observer in observers.items()}
    carry = (state, see(seen, start))
    (state, seen), _ = jax.lax.scan(stretch, carry, jnp.arange(samples))
    state = advance(step, state, steps - samples * every)
    end = sample(state, steps, samples)
    return {name: observer.finalize(seen[name], end) for name, observer in observers.items()}


_compiled_simulate = jax.jit(_simulate, static_argnums=(0, 1, 4, 5, 6))
"""Compiled once for each kind of orbit; a bare loop would be compiled anew for each call."""


def iterate(
    objective: Objective | Callable,
    params: Parameters,
    eta: Any,
    steps: int,
    rule: Rule | Callable | str | None = None,
) -> dict[str, jax.Array]:
    """Many lanes at once, nothing recorded or checked: the core kernel.

    It can be differentiated, and called inside `jit`.

    Args:
      objective: what is descended; a function of scalar parameters does as well.
      params: the starts, leaves of shape (lanes,) + the parameter's shape.
      eta: step size, a scalar or shape (lanes,); or a dict of the rule's hyperparameters.
      steps: number of steps.
      rule: as in `simulate`.

    Returns:
      The ends, leaves like `params`.

    Raises:
      ValueError: if steps is negative, eta not positive, or the parameters are not the
        objective's.

    Example:
      >>> import eos_jax as eos, jax.numpy as jnp
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> ends = eos.iterate(obj, {"x": jnp.linspace(2, 3, 5), "y": jnp.full(5, 0.3)}, 0.2, 1000)
      >>> print((ends["x"] * ends["y"]).round(3) ** 2)
      [1. 1. 1. 1. 1.]

    Source: Zhu et al. 2023, section 3.
    """
    check_count("steps", steps, least=0)
    objective, rule = as_objective(objective), rules.as_rule(rule)
    with precision_of(params, eta):
        params = as_parameters(objective, params)
        hyper = as_hyper(rule, eta, params)
        shapes = dict(zip(objective.parameters, objective.shapes))
        leading = [leaf.shape[: leaf.ndim - len(shapes[name])] for name, leaf in params.items()]
        lanes = jnp.broadcast_shapes(*(value.shape for value in hyper.values()), *leading)
        if len(lanes) != 1:
            raise ValueError(
                f"Argument `params` must have leaves with one axis of lanes, but got lanes {lanes}."
            )
        starts = {n: jnp.broadcast_to(leaf, lanes + shapes[n]) for n, leaf in params.items()}
        hyper = {name: jnp.broadcast_to(value, lanes) for name, value in hyper.items()}
        if any(isinstance(leaf, Tracer) for leaf in (*hyper.values(), *starts.values())):
            ends = _iterate(objective, rule, starts, hyper, steps)
        elif (lists := _in_registers(objective, rule, starts)) is not None:
            ends = _by_lists(objective, rule, lists, starts, hyper, steps)
        elif _on_a_gpu(objective, rule, starts):
            ends = _by_threads(objective, rule, starts, hyper, steps)
        else:
            ends = _on_all_cores(objective, rule, starts, hyper, steps)
    return {name: ends[name] for name in objective.parameters}


def shapes_of_lane(
    objective: Objective, rule: Rule, dtype: str
) -> tuple[dict[str, jax.ShapeDtypeStruct], dict[str, jax.ShapeDtypeStruct]]:
    """Shapes and dtypes of one lane's parameters and hyperparameters, to trace with."""
    params = {
        name: jax.ShapeDtypeStruct(shape, dtype)
        for name, shape in zip(objective.parameters, objective.shapes)
    }
    hyper = {
        name: jax.ShapeDtypeStruct((), jnp.uint32 if name == "seed" else dtype)
        for name in rule.hyperparameters
    }
    return params, hyper


@functools.lru_cache(maxsize=256)
def step_as_scalars(objective: Objective, rule: Rule, dtype: str) -> tuple[Scalars, Scalars]:
    """A rule's start and step on an objective, as lists of scalar operations.

    Args:
      objective: what is descended.
      rule: how.
      dtype: of the parameters.

    Returns:
      The start: parameters and hyperparameters to parameters and state; and the step: parameters,
      state, hyperparameters to parameters, state.

    Raises:
      NotScalars: if they are none.
    """
    with jax.enable_x64(dtype == "float64"):
        params, hyper = shapes_of_lane(objective, rule, dtype)

        def begin(params, hyper):
            return params, rule.init(objective, params, hyper)

        closed, begun = jax.make_jaxpr(begin, return_shape=True)(params, hyper)
        step = as_scalars(functools.partial(rule.step, objective), *begun, hyper)
    state, _ = registers.dtypes_of(step)
    if state[: len(step.outputs)] != registers.dtypes_of(step)[1]:
        raise NotScalars("a step that changes the dtype of its state")
    return from_jaxpr(closed), step


def _in_registers(objective, rule, params):
    """The lists for lanes on the CPU; None where another way is wanted or needed."""
    one = next(iter(params.values()))
    if any(device.platform != "cpu" for device in one.devices()) or engine_wanted() == "plain":
        return None
    try:
        return step_as_scalars(objective, rule, one.dtype.name) if llvm.ready() else None
    except NotScalars:
        return None


def _by_lists(objective, rule, lists, params, hyper, steps):
    """All lanes in registers, a part of them on every core."""
    start, step = lists
    given = [params[name] for name in sorted(params)] + [hyper[name] for name in sorted(hyper)]
    count = len(given[0])
    entries = registers.entries([np.asarray(leaf) for leaf in given], count)
    begun = registers.apply(start, entries, count)
    constants = entries[len(entries) - len(hyper) :]
    pieces = cores() if count * steps >= _WORTH_THREADS else 1
    size = registers.padded(-(-count // pieces))

    def run(first):
        cut = lambda arrays: [array[first : first + size] for array in arrays]  # noqa: E731
        registers.advance(step, cut(begun), cut(constants), min(size, count - first), steps)

    with ThreadPoolExecutor(pieces) as pool:
        list(pool.map(run, range(0, count, size)))
    ends, place = {}, 0
    for name in sorted(params):
        columns = math.prod(params[name].shape[1:])
        ends[name] = jnp.asarray(registers.joined(begun[place : place + columns], params[name]))
        place += columns
    return ends


def _on_a_gpu(objective, rule, params):
    """Whether lanes on a GPU are to be threads of it: asked for by name, and found to work."""
    one = next(iter(params.values()))
    if engine_wanted() != "registers" or any(device.platform != "gpu" for device in one.devices()):
        return False
    try:
        ptx.kernel(step_as_scalars(objective, rule, one.dtype.name)[1], 1)
    except NotScalars:
        return False
    return ptx.works()


@functools.partial(jax.jit, static_argnums=(0, 1))
def _by_threads(objective, rule, params, hyper, steps):
    """All lanes in the registers of a GPU."""
    _, step = step_as_scalars(objective, rule, next(iter(params.values())).dtype.name)
    start = jax.vmap(lambda params, hyper: (params, rule.init(objective, params, hyper)))
    begun = start(params, hyper)
    columns = [c for leaf in jax.tree.leaves(begun) for c in leaf.reshape(len(leaf), -1).T]
    ended = ptx.advance(step, columns, [hyper[name] for name in sorted(hyper)], steps)
    ends, place = {}, 0
    for name in sorted(params):
        size = math.prod(params[name].shape[1:])
        ends[name] = jnp.stack(ended[place : place + size], 1).reshape(params[name].shape)
        place += size
    return ends


def _iterate(objective, rule, params, hyper, steps):
    """All lanes in tiles that stay in the cache; those that fill no tile last."""
    count = len(next(iter(hyper.values())))
    width = tile_width(objective, rule, next(iter(params.values())).dtype)
    whole = count // width
    names = tuple(hyper)

    def step(state, constants):
        return rule.step(objective, *state, dict(zip(names, constants)))

    def run(lanes):
        params, hyper = lanes
        state = jax.vmap(lambda p, h: rule.init(objective, p, h))(params, hyper)
        return advance_lanes(step, (params, state), tuple(hyper[n] for n in names), steps)[0]

    def piece(start, stop):
        return jax.tree.map(lambda leaf: leaf[start:stop], (params, hyper))

    if whole < 2:
        return run((params, hyper))
    tiles = jax.tree.map(
        lambda leaf: leaf.reshape(whole, width, *leaf.shape[1:]), piece(0, whole * width)
    )
    ends = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), jax.lax.map(run, tiles))
    if whole * width == count:
        return ends
    return jax.tree.map(
        lambda a, b: jnp.concatenate([a, b]), ends, run(piece(whole * width, count))
    )


_WORTH_THREADS = 2**20  # lane-steps; fewer take less time than starting threads does

_compiled = functools.partial(jax.jit, compiler_options=COMPILER_OPTIONS)
_compiled_iterate = _compiled(_iterate, static_argnums=(0, 1, 4))


@functools.partial(_compiled, static_argnums=(0, 1, 4, 6))
def _iterate_part(objective, rule, params, hyper, steps, start, size):
    """Lanes from `start` on; cutting them inside the program saves a dispatch for each array."""
    cut = lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, start, size)  # noqa: E731
    return _iterate(objective, rule, *jax.tree.map(cut, (params, hyper)), steps)


@jax.jit
def _joined(*parts):
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)


def _on_all_cores(objective, rule, params, hyper, steps):
    """Run pieces of the lanes side by side: one thread for each core of a lone CPU device."""
    one = next(iter(params.values()))
    count, devices = len(one), one.devices()
    (device, *_) = devices
    pieces = len(workers([device])) if len(devices) == 1 else 1
    size = count // pieces
    width = tile_width(objective, rule, one.dtype)
    if pieces == 1 or size < width or count * steps < _WORTH_THREADS:
        return _compiled_iterate(objective, rule, params, hyper, steps)
    x64 = one.dtype == jnp.float64

    def run(piece):
        start, stop = piece * size, count if piece == pieces - 1 else (piece + 1) * size
        with jax.enable_x64(x64):
            part = _iterate_part(objective, rule, params, hyper, steps, start, stop - start)
            return jax.block_until_ready(part)

    with ThreadPoolExecutor(pieces - 1) as pool:  # this thread does the last piece
        others = [pool.submit(run, piece) for piece in range(pieces - 1)]
        last = run(pieces - 1)
        return _joined(*(other.result() for other in others), last)


def tile_width(objective: Objective, rule: Rule, dtype: Any) -> int:
    """Lanes whose parameters and hyperparameters fill 24 of the 32 KiB of a first-level cache."""
    numbers = sum(math.prod(shape) for shape in objective.shapes) + len(rule.hyperparameters)
    fit = 24 * 1024 // (numbers * np.dtype(dtype).itemsize)
    return max(16, 1 << (fit.bit_length() - 1) if fit else 16)


def precision_of(*trees: Any) -> contextlib.AbstractContextManager:
    """Double precision where an array among the arguments has it and none is being traced."""
    leaves = jax.tree.leaves(trees)
    if any(isinstance(leaf, Tracer) for leaf in leaves):
        return contextlib.nullcontext()
    arrays = (leaf for leaf in leaves if isinstance(leaf, np.ndarray | np.generic | jax.Array))
    if any(leaf.dtype == np.float64 for leaf in arrays):
        return jax.enable_x64(True)
    return contextlib.nullcontext()


def as_hyper(rule: Rule, given: Any, params: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
    """All hyperparameters of a rule in the parameters' dtype; raises if one cannot be meant.

    Args:
      rule: the rule.
      given: its step size, or a dict of hyperparameters; the others take their defaults.
      params: parameters, for their dtype.
    """
    dtype = next(iter(params.values())).dtype
    complete = rules.complete_hyper(rule, given)
    result = {}
    for name in rule.hyperparameters:
        value = jnp.asarray(complete[name], jnp.uint32 if name == "seed" else dtype)
        if not isinstance(value, Tracer):
            rules.check_hyper(name, np.asarray(value), rule=rule)  # NumPy: fewer dispatches
        result[name] = value
    return result
