"""Orbits: the only time loop.

`advance` repeats a step. `simulate` wraps it for one orbit with observers, as a pure function to
`jit`, `vmap` and `grad`; `iterate` wraps it for a batch with nothing recorded or checked, and is
the kernel that every sweep runs on.
"""

import functools
import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from eos_jax import kernel, updates
from eos_jax.checks import check_count
from eos_jax.objectives.base import Objective, Parameters, as_parameters
from eos_jax.observers import Observer, Sample, final_point

UNROLL = 16
"""Plain steps in one turn of a compiled loop; on a GPU a turn costs a launch."""


def advance(step: Callable, state, count, *, unroll: int = 1):
    """The state after `count` steps, `unroll` of them in each turn of the compiled loop."""
    turns, rest = divmod(count, unroll) if isinstance(count, int) else (count, 0)

    def turn(_, state):
        for _ in range(unroll):
            state = step(state)
        return state

    state = jax.lax.fori_loop(0, turns, turn, state)
    return jax.lax.fori_loop(0, rest, lambda _, state: step(state), state) if rest else state


def simulate(
    objective: Objective,
    params: Parameters,
    eta,
    steps: int,
    update: updates.Update | Callable | None = None,
    observe: Observer | Mapping[str, Observer] | None = None,
    every: int = 1,
) -> Any:
    """One orbit: x_{t+1} = update(x_t, eta), t = 0 ... steps - 1.

    A pure function: `jit` it with `steps` fixed, `vmap` it over starts and step sizes,
    differentiate through it.

    Args:
      objective: what is descended.
      params: the start, one point.
      eta: step size, a scalar.
      steps: number of steps.
      update: the rule; gradient descent by default. A function from eta to an optax
        transformation, such as `optax.adam`, does as well.
      observe: what to record, one observer or several by name; the final point by default.
      every: steps between samples. The start is a sample; the end is always shown to `finalize`.

    Returns:
      The observer's result, or a dict of results.

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
    params = as_parameters(objective, params)
    for name, shape in zip(objective.parameters, objective.shapes):
        if params[name].shape != shape:
            raise ValueError(
                f"Argument `params` must be one point, `{name}` of shape {shape}, but got shape "
                f"{params[name].shape}; use jax.vmap, eos.iterate or eos.sweep for many."
            )
    eta = as_eta(eta, params)
    if eta.ndim:
        raise ValueError(f"Argument `eta` must be a scalar, but got shape {eta.shape}.")
    rule = as_update(update)
    observers = observe if isinstance(observe, Mapping) else {"only": observe or final_point()}

    def step(state):
        return rule.step(objective, *state, eta)

    def sample(state, step, index):
        return Sample(objective, state[0], eta, jnp.asarray(step), jnp.asarray(index))

    def see(seen, sample):
        return {name: observers[name].update(seen[name], sample) for name in observers}

    def stretch(carry, index):
        state, seen = carry
        state = advance(step, state, every)
        return (state, see(seen, sample(state, (index + 1) * every, index + 1))), None

    samples = steps // every
    state = (params, rule.init(objective, params, eta))
    start = sample(state, 0, 0)
    seen = {name: observer.init(start, samples + 1) for name, observer in observers.items()}
    carry = (state, see(seen, start))
    (state, seen), _ = jax.lax.scan(stretch, carry, jnp.arange(samples))
    state = advance(step, state, steps - samples * every)
    end = sample(state, steps, samples)
    results = {name: observer.finalize(seen[name], end) for name, observer in observers.items()}
    return results if isinstance(observe, Mapping) else results["only"]


def iterate(objective: Objective, params: Parameters, eta, steps: int) -> dict[str, jax.Array]:
    """Gradient descent on many lanes at once, nothing recorded or checked: the core kernel.

    Args:
      objective: what is descended.
      params: the starts, leaves of shape (lanes,) + the parameter's shape.
      eta: step size, a scalar or shape (lanes,).
      steps: number of steps.

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
    params = as_parameters(objective, params)
    eta = as_eta(eta, params)
    shapes = dict(zip(objective.parameters, objective.shapes))
    leading = [leaf.shape[: leaf.ndim - len(shapes[name])] for name, leaf in params.items()]
    lanes = jnp.broadcast_shapes(eta.shape, *leading)
    if len(lanes) != 1:
        raise ValueError(
            f"Argument `params` must have leaves with one axis of lanes, but got lanes {lanes}."
        )
    params = {name: jnp.broadcast_to(leaf, lanes + shapes[name]) for name, leaf in params.items()}
    eta = jnp.broadcast_to(eta, lanes)
    if any(isinstance(leaf, Tracer) for leaf in (eta, *params.values())):
        ends = _iterate(objective, params, eta, steps)
    else:
        ends = _on_all_cores(objective, params, eta, steps)
    return {name: ends[name] for name in objective.parameters}


def _iterate(objective, params, eta, steps):
    """All lanes in tiles that stay in the cache; those that fill no tile last."""
    rule = updates.gradient_descent()
    width = tile_width(objective, eta.dtype)
    whole = len(eta) // width

    def step(state, constants):
        return rule.step(objective, *state, *constants)

    def run(lanes):
        params, eta = lanes
        return advance_lanes(step, (params, ()), (eta,), steps)[0]

    def piece(start, stop):
        return jax.tree.map(lambda leaf: leaf[start:stop], (params, eta))

    if whole < 2:
        return run((params, eta))
    tiles = jax.tree.map(
        lambda leaf: leaf.reshape(whole, width, *leaf.shape[1:]), piece(0, whole * width)
    )
    ends = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), jax.lax.map(run, tiles))
    if whole * width == len(eta):
        return ends
    return jax.tree.map(
        lambda a, b: jnp.concatenate([a, b]), ends, run(piece(whole * width, len(eta)))
    )


_WORTH_THREADS = 2**20  # lane-steps; fewer take less time than starting threads does

_compiled = functools.partial(jax.jit, compiler_options=kernel.COMPILER_OPTIONS)
_compiled_iterate = _compiled(_iterate, static_argnums=(0, 3))


@functools.partial(_compiled, static_argnums=(0, 3, 5))
def _iterate_part(objective, params, eta, steps, start, size):
    """Lanes from `start` on; cutting them inside the program saves a dispatch for each array."""
    cut = lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, start, size)  # noqa: E731
    return _iterate(objective, *jax.tree.map(cut, (params, eta)), steps)


@jax.jit
def _joined(*parts):
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)


def _on_all_cores(objective, params, eta, steps):
    """Run pieces of the lanes side by side: one thread for each core of a lone CPU device."""
    (device, *_) = eta.devices()
    pieces = len(kernel.workers([device])) if len(eta.devices()) == 1 else 1
    size = len(eta) // pieces
    if pieces == 1 or size < tile_width(objective, eta.dtype) or len(eta) * steps < _WORTH_THREADS:
        return _compiled_iterate(objective, params, eta, steps)
    x64 = eta.dtype == jnp.float64

    def run(piece):
        start, stop = piece * size, len(eta) if piece == pieces - 1 else (piece + 1) * size
        with jax.enable_x64(x64):
            part = _iterate_part(objective, params, eta, steps, start, stop - start)
            return jax.block_until_ready(part)

    with ThreadPoolExecutor(pieces - 1) as pool:  # this thread does the last piece
        others = [pool.submit(run, piece) for piece in range(pieces - 1)]
        last = run(pieces - 1)
        return _joined(*(other.result() for other in others), last)


def tile_width(objective: Objective, dtype) -> int:
    """Lanes whose parameters and step sizes fill 24 of the 32 KiB of a first-level data cache."""
    numbers = sum(math.prod(shape) for shape in objective.shapes) + 1
    fit = 24 * 1024 // (numbers * np.dtype(dtype).itemsize)
    return max(16, 1 << (fit.bit_length() - 1) if fit else 16)


def advance_lanes(step: Callable, state, constants: tuple, count: int):
    """`advance` for a batch.

    On the CPU a step that is cheap arithmetic on scalars runs as one fused loop (see
    `eos_jax.kernel`); the bits are the same.

    Args:
      step: (state, constants) -> state, of one lane.
      state: pytree, leaves with a leading axis of lanes.
      constants: arrays of shape (lanes,) that the step reads.
      count: number of steps.

    Returns:
      The state after the steps.
    """
    leaves, structure = jax.tree.flatten(state)

    def one(values, constants):
        return tuple(jax.tree.leaves(step(jax.tree.unflatten(structure, values), constants)))

    every = jax.vmap(one)
    together = kernel.block_steps(one, tuple(leaves), constants)

    def plain(leaves):
        return advance(lambda leaves: every(leaves, constants), leaves, count, unroll=UNROLL)

    def fused(leaves):
        block = kernel.fused(one, together)
        turns, left = divmod(count, together)
        # two blocks in a turn: the loop then writes its state in place
        leaves = advance(lambda leaves: block(leaves, constants), leaves, turns, unroll=2)
        for _ in range(left):
            leaves = every(leaves, constants)
        return leaves

    leaves = tuple(leaves)
    if together:
        leaves = jax.lax.platform_dependent(leaves, cpu=fused, default=plain)
    else:
        leaves = plain(leaves)
    return jax.tree.unflatten(structure, leaves)


def as_update(update) -> updates.Update:
    """The rule meant: gradient descent for None, optax's for a function of eta."""
    if update is None:
        return updates.gradient_descent()
    if isinstance(update, updates.Update):
        return update
    if callable(update):
        return updates.from_optax(update)
    raise ValueError(
        "Argument `update` must be an Update or a function from eta to an optax transformation, "
        f"but got {update!r}."
    )


def as_eta(eta, params) -> jax.Array:
    """The step size in the parameters' dtype; raises if a concrete one is not positive."""
    eta = jnp.asarray(eta, next(iter(params.values())).dtype)
    if not isinstance(eta, Tracer):
        values = np.asarray(eta)  # in NumPy: several dispatches less for every call
        if not np.all((values > 0) & (values < np.inf)):
            raise ValueError(f"Argument `eta` must be positive and finite, but got {eta}.")
    return eta
