"""How fast neighbours part along an orbit: Lyapunov exponents, with an error from blocks.

A change of (parameters, state) is carried from each sample to the next by the linearised step, its
length noted and set back to 1; the mean of the logarithms is the exponent. Several changes are kept
orthogonal to each other after every step, and give the spectrum. The error is that of the mean of
some long blocks of the orbit, which hardly depend on each other.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from eos_jax import tangents
from eos_jax.checks import check_count
from eos_jax.loops import advance
from eos_jax.observers.base import Label, Observer, register

Subspace = Callable[[Any], list[list[jax.Array]]]
"""point (params, state) -> changes that span the tangent of an invariant subspace there."""

SETTLE = 10
"""By default one part in so many of the samples is left out at the start."""


class Mean(NamedTuple):
    """A mean of growth rates and what its error follows from.

    Attributes:
      total: sum over the samples that count.
      square: sum of their squares.
      count: how many they are.
      block: sum over the samples of the block that is not full yet.
      blocks: how many blocks are full.
      centre: mean over full blocks.
      spread: sum of squared differences from it.
    """

    total: jax.Array
    square: jax.Array
    count: jax.Array
    block: jax.Array
    blocks: jax.Array
    centre: jax.Array
    spread: jax.Array


@register
def lyapunov(
    settle: int | None = None, blocks: int = 20, across: Subspace | None = None
) -> Observer:
    """The largest Lyapunov exponent, per step: positive where neighbours part, in chaos.

    lim 1/t log |Df^t(x_0) v|, f one step of the rule on (params, state)

    It is that of the orbit up to where the sweep decides it; give `stop=None` for that of the whole
    orbit. Cycles have the logarithm of their multiplier over their period; -inf is superstable.

    Args:
      settle: steps that are not counted at the start; by default a tenth of them.
      blocks: how many blocks the error is estimated from.
      across: the tangent of an invariant subspace, such as `eos_jax.tangents.equal_coordinates`;
        growth is then measured across it, and negative where it attracts.

    Returns:
      The observer, of a dict: `exponent`, and `error`, half the width of its 95 % interval, NaN
      where fewer than two blocks are full.

    Raises:
      ValueError: if `settle` is negative or `blocks` below 2.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((4,))
      >>> found = eos.simulate(
      ...     obj, {"x": 0.9}, 0.55, 5000, observe=eos.observers.lyapunov(), every=10
      ... )
      >>> print(round(float(found["exponent"]), 3))  # a cycle of period 2
      -0.814

    Source: Benettin et al. 1980; Pikovsky and Politi 2016, "Lyapunov Exponents".
    """
    _check(settle, blocks)

    def start(first):
        point = tangents.step_of(first)[1]
        directions = across(point) if across else []
        return tangents.across(tangents.generic(point), directions)

    def turn(step, point, changes):
        point, changes = tangents.push(step, point, changes)
        return point, tangents.across(changes, across(point) if across else [])

    def grow(sample, changes):
        """The changes at the next sample, of length 1, and the logarithm of their growth."""
        step, point = tangents.step_of(sample)
        growth = jnp.zeros_like(changes[0], shape=())
        # the length is set back before it leaves the range of the numbers
        part = _part_of(sample.every, 32 if growth.dtype == jnp.float64 else 8)

        def stretch(carry):
            point, changes, growth = carry
            point, changes = advance(lambda c: turn(step, *c), (point, changes), part)
            length = tangents.size(changes)
            changes = [leaf / jnp.where(length > 0, length, 1) for leaf in changes]
            return point, changes, growth + jnp.log(length)

        carry = (point, changes, growth)
        _, changes, growth = advance(stretch, carry, sample.every // part)
        return changes, growth

    return _observer(start, grow, settle, blocks, (), "largest Lyapunov exponent")


@register
def lyapunov_spectrum(
    count: int | None = None, settle: int | None = None, blocks: int = 20
) -> Observer:
    """The Lyapunov exponents, per step, the largest first, of (params, state).

    Df(x_t) Q_t = Q_{t+1} R_{t+1}, exponents lim 1/t sum log diag R; their sum is the mean of
    log |det Df|.

    Args:
      count: how many; by default as many as (params, state) has dimensions.
      settle: as in `lyapunov`.
      blocks: as in `lyapunov`.

    Returns:
      The observer, of a dict: `exponent` and `error` of shape (count,), as in `lyapunov`.

    Raises:
      ValueError: if `count` is not positive, `settle` negative or `blocks` below 2.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> found = eos.simulate(
      ...     obj, {"x": 0.9, "y": 0.9}, 0.45, 2000, observe=eos.observers.lyapunov_spectrum()
      ... )
      >>> print(found["exponent"].round(3))  # along the minima nothing changes
      [ 0.    -0.223]

    Source: Benettin et al. 1980; Shimada and Nagashima 1979.
    """
    _check(settle, blocks)
    if count is not None:
        check_count("count", count)

    def start(first):
        point = tangents.step_of(first)[1]
        most = tangents.dimension(point)
        if count is not None and count > most:
            raise ValueError(f"Argument `count` must be at most {most}, but got {count}.")
        return tangents.basis(point, count or most)

    def grow(sample, changes):
        step, point = tangents.step_of(sample)

        def turn(carry):
            point, changes, growth = carry
            push = jax.vmap(lambda one: tangents.push(step, point, one), out_axes=(None, 0))
            point, changes = push(changes)
            changes, lengths = tangents.orthonormal(changes)
            return point, changes, growth + jnp.log(lengths)

        growth = jnp.zeros_like(changes[0], shape=(len(changes[0]),))
        _, changes, growth = advance(turn, (point, changes, growth), sample.every)
        return changes, growth

    return _observer(start, grow, settle, blocks, ("order",), "Lyapunov exponents")


def _observer(start, grow, settle, blocks, dims, long_name):
    def init(first, samples):
        changes = start(first)
        growth = jax.eval_shape(lambda c: grow(first, c)[1], changes)
        zero, none = jnp.zeros(growth.shape, growth.dtype), jnp.zeros((), jnp.int32)
        skipped = samples // SETTLE if settle is None else -(-settle // first.every)
        length = max(1, (samples - skipped) // blocks)
        shape = (jnp.full((), skipped, jnp.int32), jnp.full((), length, jnp.int32))
        return changes, Mean(zero, zero, none, zero, none, zero, zero), shape

    def update(accumulator, sample):
        changes, mean, (skipped, length) = accumulator
        changes, growth = grow(sample, changes)
        added = _added(mean, growth, length)
        counts = sample.index >= skipped
        mean = jax.tree.map(lambda old, new: jnp.where(counts, new, old), mean, added)
        return changes, mean, (skipped, length)

    def finalize(accumulator, end):
        _, mean, (_, length) = accumulator
        rate = mean.total / mean.count
        # a cycle's mean hangs on where in the cycle it ends
        ends = 2 * jnp.sqrt(jnp.maximum(mean.square / mean.count - rate**2, 0)) / mean.count
        error = _interval(mean) / length + ends
        return {"exponent": rate / end.every, "error": error / end.every}

    labels = {
        "exponent": Label(long_name, "1/steps", dims),
        "error": Label("half the width of the exponent's 95 % interval", "1/steps", dims),
    }
    return Observer(init, update, finalize, labels)


def _added(mean: Mean, growth: jax.Array, length: jax.Array) -> Mean:
    """The mean with one more sample; full blocks by Welford's rule."""
    count, block = mean.count + 1, mean.block + growth
    full = count % length == 0
    blocks = mean.blocks + full
    centre = mean.centre + (block - mean.centre) / jnp.maximum(blocks, 1)
    spread = mean.spread + (block - mean.centre) * (block - centre)
    return Mean(
        mean.total + growth,
        mean.square + growth**2,
        count,
        jnp.where(full, 0, block),
        blocks,
        jnp.where(full, centre, mean.centre),
        jnp.where(full, spread, mean.spread),
    )


def _interval(mean: Mean) -> jax.Array:
    """Half the width of the 95 % interval of a block's mean sum, by Student's distribution."""
    freedom = (mean.blocks - 1).astype(mean.spread.dtype)
    z = 1.959963984540054  # and the expansion of Student's quantile in 1/freedom
    quantile = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    error = quantile * jnp.sqrt(mean.spread / (freedom * mean.blocks))
    return jnp.where(mean.blocks > 1, error, jnp.nan)


def _part_of(whole: int, most: int) -> int:
    """The largest divisor of a number that is at most another."""
    return next(part for part in range(min(whole, most), 0, -1) if whole % part == 0)


def _check(settle, blocks):
    if settle is not None:
        check_count("settle", settle, least=0)
    check_count("blocks", blocks, least=2)
