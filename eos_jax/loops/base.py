"""The only time loop: one step repeated, for one orbit or for a batch of lanes."""

from collections.abc import Callable
from typing import Any

import jax

from eos_jax.loops.fused import block_steps, fused

UNROLL = 4
"""Plain steps in one turn of a compiled loop: more of them take longer to compile."""


def advance(step: Callable, state: Any, count: Any, *, unroll: int = 1) -> Any:
    """The state after `count` steps, `unroll` of them in each turn of the compiled loop."""
    turns, rest = divmod(count, unroll) if isinstance(count, int) else (count, 0)

    def turn(_, state):
        for _ in range(unroll):
            state = step(state)
        return state

    state = jax.lax.fori_loop(0, turns, turn, state)
    return jax.lax.fori_loop(0, rest, lambda _, state: step(state), state) if rest else state


def advance_lanes(
    step: Callable, state: Any, constants: tuple, count: int, *, unroll: int = UNROLL
) -> Any:
    """`advance` for a batch.

    On the CPU a step that is cheap arithmetic on scalars runs as one fused loop (see
    `eos_jax.loops.fused`); the bits are the same. Derivatives go through the plain loop.

    Args:
      step: (state, constants) -> state, of one lane.
      state: pytree, leaves with a leading axis of lanes.
      constants: arrays of shape (lanes,) that the step reads.
      count: number of steps.
      unroll: steps in one turn of the plain loop, and at most in one block of the fused one.

    Returns:
      The state after the steps.
    """
    leaves, structure = jax.tree.flatten(state)
    leaves = tuple(leaves)

    def one(values, constants):
        return tuple(jax.tree.leaves(step(jax.tree.unflatten(structure, values), constants)))

    every = jax.vmap(one)
    together = min(unroll, block_steps(one, leaves, constants))

    def plain(leaves, constants):
        return advance(lambda leaves: every(leaves, constants), leaves, count, unroll=unroll)

    def in_blocks(leaves, constants):
        block = fused(one, together)
        turns, left = divmod(count, together)
        # two blocks in a turn: the loop then writes its state in place
        leaves = advance(lambda leaves: block(leaves, constants), leaves, turns, unroll=2)
        for _ in range(left):
            leaves = every(leaves, constants)
        return leaves

    if not together:
        return jax.tree.unflatten(structure, plain(leaves, constants))

    @jax.custom_jvp
    def run(leaves, constants):
        return jax.lax.platform_dependent(leaves, constants, cpu=in_blocks, default=plain)

    @run.defjvp
    def _(primals, tangents):
        return jax.jvp(plain, primals, tangents)

    return jax.tree.unflatten(structure, run(leaves, constants))
