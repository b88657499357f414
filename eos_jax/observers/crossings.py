"""When, and how often, a measure is above a level; by default the rule's own threshold."""

import jax.numpy as jnp

from eos_jax.measures import Measure, as_measure, label_of
from eos_jax.observers.base import Label, Observer, register


@register
def first_crossing(measure: Measure | str = "excess_curvature", level: float = 0.0) -> Observer:
    """The first sampled step at which a measure exceeds a level, -1 if none.

    min {t : m(x_t) > level}; by default when the curvature first exceeds the rule's threshold.

    Args:
      measure: a measure, its name, or the name of a parameter.
      level: in the measure's units.

    Returns:
      The observer.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> step = eos.simulate(
      ...     obj, {"x": 2.5, "y": 0.4001}, 0.2, 1000, observe=eos.observers.first_crossing()
      ... )
      >>> print(step)
      0
    """
    value_of = as_measure(measure)
    return Observer(
        lambda first, samples: jnp.full(jnp.shape(value_of(first)), -1, jnp.int32),
        lambda step, sample: jnp.where(
            (step < 0) & (value_of(sample) > level), sample.step.astype(jnp.int32), step
        ),
        lambda step, end: step,
        Label(f"first step with {label_of(measure)[0]} > {level:g}", "steps"),
    )


@register
def count(measure: Measure | str = "excess_curvature", level: float = 0.0) -> Observer:
    """How many samples have a measure above a level; by default a curvature above the threshold.

    |{t sampled : m(x_t) > level}|

    Args:
      measure: a measure, its name, or the name of a parameter.
      level: in the measure's units.

    Returns:
      The observer.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> number = eos.simulate(
      ...     obj, {"x": 2.5, "y": 0.4001}, 0.2, 1000, observe=eos.observers.count()
      ... )
      >>> print(0 < number < 1001)
      True
    """
    value_of = as_measure(measure)
    return Observer(
        lambda first, samples: jnp.zeros(jnp.shape(value_of(first)), jnp.int32),
        lambda number, sample: number + (value_of(sample) > level),
        lambda number, end: number,
        Label(f"samples with {label_of(measure)[0]} > {level:g}"),
    )


@register
def upcrossings(measure: Measure | str = "excess_curvature", level: float = 0.0) -> Observer:
    """How often a measure rises above a level; by default the curvature above the threshold.

    |{t sampled : m(x_t) > level >= m(x_t-1)}|, an orbit that begins above not counted for it

    Args:
      measure: a measure, its name, or the name of a parameter.
      level: in the measure's units.

    Returns:
      The observer.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((4,))
      >>> number = eos.simulate(  # a 2-cycle about 1, one rise in two steps
      ...     obj, {"x": 0.9}, 0.55, 100, observe=eos.observers.upcrossings("x", 1.0)
      ... )
      >>> print(number)
      50
    """
    value_of = as_measure(measure)

    def update(accumulator, sample):
        number, below = accumulator
        above = value_of(sample) > level
        return number + (above & below), ~above

    def init(first, samples):
        shape = jnp.shape(value_of(first))
        return jnp.zeros(shape, jnp.int32), jnp.zeros(shape, bool)

    return Observer(
        init,
        update,
        lambda accumulator, end: accumulator[0],
        Label(f"rises of {label_of(measure)[0]} above {level:g}"),
    )
