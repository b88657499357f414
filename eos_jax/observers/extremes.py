"""The largest and the least value of a measure along an orbit."""

import jax.numpy as jnp

from eos_jax.measures import Measure, as_measure, label_of
from eos_jax.observers.base import Label, Observer, register


@register
def maximum(measure: Measure | str = "sharpness") -> Observer:
    """The largest value of a measure over the samples.

    max_t m(x_t); samples that are not numbers are passed over.

    Args:
      measure: a measure, its name, or the name of a parameter.

    Returns:
      The observer; NaN where no sample was a number.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> top = eos.simulate(
      ...     obj, {"x": 2.5, "y": 0.4001}, 0.2, 1000, observe=eos.observers.maximum()
      ... )
      >>> print(float(top) > 2 / 0.2)
      True
    """
    return _extreme(measure, "largest", 1)


@register
def minimum(measure: Measure | str = "loss") -> Observer:
    """The least value of a measure over the samples.

    min_t m(x_t); samples that are not numbers are passed over.

    Args:
      measure: as in `maximum`.

    Returns:
      The observer; NaN where no sample was a number.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> least = eos.simulate(
      ...     obj, {"x": 2.5, "y": 0.4001}, 0.2, 1000, observe=eos.observers.minimum("loss")
      ... )
      >>> print(float(least) < 1e-6)
      True
    """
    return _extreme(measure, "least", -1)


def _extreme(measure, word, sign):
    value_of = as_measure(measure)
    long_name, units = label_of(measure)

    def update(top, sample):
        value = value_of(sample)
        return jnp.where(sign * value > sign * top, value, top)

    return Observer(
        lambda first, samples: jnp.full_like(value_of(first), -sign * jnp.inf),
        update,
        lambda top, end: jnp.where(jnp.isfinite(top), top, jnp.nan),
        Label(f"{word} {long_name}", units),
    )
