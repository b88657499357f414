"""The inner loop: many lanes, several steps, one pass over the first-level cache.

XLA:CPU compiles an elementwise step into one loop for each output array, and each of these loops
computes again what the outputs share: a step of four parameters does its work four times, and
unrolling multiplies that. There is one operation that XLA:CPU compiles into a single loop with
several outputs: a reduction of several operands. So a block of steps is written as one. Every
parameter is repeated along a first axis of length two and reduced along it; row 0 loads the lane
into the accumulator, row 1 replaces the accumulator by its value some steps later. LLVM unrolls
the two rows, and what is left is what one would write in C: load, arithmetic, store.

That reductions run in order is how XLA:CPU behaves, not what XLA promises, so it is checked once
in every process (`runs_in_order`), and no other platform is ever given this form.
"""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax.machine import COMPILER_OPTIONS

MOST_STEPS = 4
"""Steps in one block at most: beyond, the chain of dependent operations hides nothing more."""

_MOST_OPERATIONS = 120  # in a block; LLVM no longer unrolls the two rows of a larger one

_CHEAP = frozenset(
    "abs add add_any and broadcast_in_dim convert_element_type copy copy_p div eq ge gt "
    "integer_pow le lt max min mul ne neg not or select_n square sub".split()
)

_CALLS = frozenset(
    "pjit jit closed_call core_call custom_jvp_call custom_vjp_call custom_vjp_call_jaxpr "
    "checkpoint remat".split()
)


def fused(step: Callable, steps: int) -> Callable:
    """A block of steps of all lanes as one loop with several outputs; on XLA:CPU only.

    Args:
      step: (tuple of scalars, tuple of constants) -> tuple of scalars, elementwise.
      steps: how many in the block.

    Returns:
      The same function of tuples of arrays of shape (lanes,), `steps` times.
    """

    def block(values, constants):
        operands = [jnp.broadcast_to(a, (2, *a.shape)) for a in (*values, *constants)]
        dtype = operands[0].dtype
        count = len(values)

        def combine(accumulated, row):
            # the last accumulator tells the rows apart: 0 before the first, 1 after it
            first = accumulated[-1] == 0
            now = tuple(map(functools.partial(jax.lax.select, first), row[:count], accumulated))
            later = now
            for _ in range(steps):
                later = step(later, tuple(row[count:]))
            chosen = map(functools.partial(jax.lax.select, first), now, later)
            return (*chosen, *(jnp.ones((), dtype) for _ in constants))

        reduced = jax.lax.reduce(operands, [jnp.zeros((), dtype)] * len(operands), combine, (0,))
        # an output that nobody uses sends a StableHLO pass into exponential time
        return tuple(jax.lax.optimization_barrier(tuple(reduced))[:count])

    return block


def block_steps(step: Callable, values: tuple, constants: tuple) -> int:
    """How many steps to fuse into a block; 0 where fusing does not pay or is not possible.

    It pays for cheap arithmetic on two or more scalars of one dtype for each lane.
    """
    dtypes = {leaf.dtype for leaf in (*values, *constants)}
    if len(values) < 2 or len(dtypes) > 1 or any(leaf.ndim != 1 for leaf in (*values, *constants)):
        return 0
    (dtype,) = dtypes
    scalar = jax.ShapeDtypeStruct((), dtype)
    traced = jax.make_jaxpr(step)((scalar,) * len(values), (scalar,) * len(constants))
    operations = list(_operations(traced.jaxpr))
    if not set(operations) <= _CHEAP or not runs_in_order(dtype):
        return 0
    fit = _MOST_OPERATIONS // len(operations)
    return next((steps for steps in (MOST_STEPS, 2, 1) if steps <= fit), 0)


def _operations(jaxpr):
    """Names of the primitives, those inside plain calls included.

    A loop or a branch counts as itself: what it does inside is no list of operations.
    """
    for equation in jaxpr.eqns:
        inner = [v for v in equation.params.values() if hasattr(v, "jaxpr") or hasattr(v, "eqns")]
        if not inner or equation.primitive.name not in _CALLS:
            yield equation.primitive.name
            continue
        for closed in inner:
            yield from _operations(getattr(closed, "jaxpr", closed))


@functools.cache
def runs_in_order(dtype: np.dtype) -> bool:
    """Whether this XLA:CPU runs a reduction row by row, on a map that would show it."""

    def step(state, constants):
        (x, y), (eta,) = state, constants
        return x - eta * y, y + eta * (x * y - 1)

    x = np.linspace(0.1, 0.9, 67, dtype=dtype)
    y, eta = np.flip(x) * 2, x / 3
    wanted = (x, y)
    for _ in range(2 * MOST_STEPS):
        wanted = step(wanted, (eta,))

    def two_blocks(state, constants):
        block = fused(step, MOST_STEPS)
        return block(block(state, constants), constants)

    def run():
        with jax.enable_x64(dtype == np.float64), jax.default_device(jax.devices("cpu")[0]):
            compiled = jax.jit(two_blocks, compiler_options=COMPILER_OPTIONS)
            return compiled((jnp.asarray(x), jnp.asarray(y)), (jnp.asarray(eta),))

    with ThreadPoolExecutor(1) as outside:  # of whatever the caller is tracing
        found = outside.submit(run).result()
    close = 100 * float(jnp.finfo(dtype).eps)  # the compiler contracts to fused multiply-adds
    return all(np.allclose(a, b, rtol=close, atol=close) for a, b in zip(found, wanted))
