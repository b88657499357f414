"""Whether an orbit repeats: its first return to where it was, confirmed by going round again.

The orbit is watched for a while, so that its size is known, and from then on compared with the
point where that ended. A cycle of period p comes back within a tolerance tied to that size and to
the numbers' rounding after p steps, and after 2p, and not nearly so before. An orbit that only
approaches a cycle, as near a bifurcation, does not, and is no more called aperiodic: for that,
neighbours must have parted.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from eos_jax import tangents
from eos_jax.loops import advance
from eos_jax.measures import as_measure
from eos_jax.sample import Sample

WATCHED = 256
"""Steps at least before returns are looked for, and again while they are."""

PARTED = 1e3
"""Factor by which neighbours must have parted, both times, to call an orbit aperiodic: a state that
is still settling may let them part once.
"""

ROUNDINGS = 64
"""Of the coordinates: what a return may miss by, beside a part of the orbit's size."""


class Return(NamedTuple):
    """What became of one orbit.

    Attributes:
      period: steps to the first return; 0 if there was none.
      parting: whether there was none and neighbours parted.
    """

    period: jax.Array
    parting: jax.Array


def first_return(sample: Sample, longest: int, measure: Any = None) -> Return:
    """The smallest p <= longest with |m(x_p) - m(x_0)| and |m(x_2p) - m(x_0)| within tolerance.

    The tolerance is sqrt(eps) times the orbit's extent, and 64 roundings of its coordinates. Before
    p the orbit must be further away than the geometric mean of tolerance and extent: an orbit that
    slowly winds onto a cycle about to double comes back to twice the period more closely.

    Args:
      sample: where the orbit is.
      longest: the longest period looked for.
      measure: m, or its name; the parameters by default.

    Returns:
      The period, and whether neighbours parted instead.

    Example:
      >>> import eos_jax as eos, numpy as np
      >>> ds = eos.sweep(
      ...     eos.objectives.scalar_product((4,)), {"x": 0.9, "eta": [0.4, 0.6, 0.64, 0.8]}, 5000,
      ...     stop=eos.Stop(longest_period=16),
      ... )
      >>> print(ds.outcome.values.ravel(), ds.period.values.ravel())
      [1 3 3 4] [1 2 4 0]
    """
    step, point = tangents.step_of(sample)

    def seen(point):
        if measure is None:
            return jax.tree.leaves(point[0])
        value = as_measure(measure)(sample._replace(params=point[0], state=point[1]))
        return [jnp.asarray(value)]

    dtype = jnp.result_type(*jax.tree.leaves(point[0]))
    eps = float(jnp.finfo(dtype).eps)
    now = seen(point)
    zero = jnp.zeros((), dtype)

    def carried(carry):
        """One step on, neighbours as well; their distance never leaves the numbers' range."""
        point, changes, growth = carry
        point, changes = tangents.push(step, point, changes)
        length = tangents.size(changes)
        changes = [leaf / jnp.where(length > 0, length, 1) for leaf in changes]
        return point, changes, growth + jnp.log(length)

    def watch(carry):
        moving, low, high = carry
        moving = carried(moving)
        now = seen(moving[0])
        return moving, list(map(jnp.minimum, low, now)), list(map(jnp.maximum, high, now))

    moving = (point, tangents.generic(point), zero)
    watched = (moving, now, now)
    moving, low, high = advance(watch, watched, max(longest, WATCHED))
    reference = seen(moving[0])
    extent = _largest([b - a for a, b in zip(low, high)])
    largest = _largest([*low, *high])
    tolerance = eps**0.5 * extent + ROUNDINGS * eps * largest

    def look(t, carry):
        moving, period, confirmed, nearest = carry
        moving = carried(moving)
        away = _largest([a - b for a, b in zip(seen(moving[0]), reference)])
        t = t + 1
        back = (period == 0) & (t <= longest) & (away <= tolerance)
        again = (t == 2 * period) & (away <= 2 * tolerance)
        period = jnp.where(back, t, period)
        nearest = jnp.where(period == 0, jnp.minimum(nearest, away), nearest)
        return moving, period, confirmed | again, nearest

    start = (moving, jnp.zeros((), jnp.int32), jnp.zeros((), bool), jnp.full_like(zero, jnp.inf))
    steps = max(2 * longest, WATCHED)
    (_, _, growth), period, confirmed, nearest = jax.lax.fori_loop(0, steps, look, start)
    first, second = moving[2], growth - moving[2]
    parting = (jnp.minimum(first, second) > jnp.log(PARTED)) & (extent > eps**0.5 * largest)
    apart = nearest >= jnp.sqrt(tolerance * extent)
    period = jnp.where(confirmed & apart, period, 0).astype(jnp.int32)
    return Return(period, (period == 0) & parting)


def _largest(leaves):
    """The largest modulus among some arrays."""
    return jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in leaves]).max()
