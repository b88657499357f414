"""What can be measured at a sample: pure functions of it, by name.

Observers, curvatures and thresholds are made of measures. A new one is a function here with
`@register`; any function of a `Sample` serves wherever a measure is asked for.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from eos_jax.objectives.base import gradient as _gradient
from eos_jax.objectives.base import lift
from eos_jax.sample import Measure, Sample


class Registered(NamedTuple):
    """A measure with its labels."""

    measure: Measure
    long_name: str
    units: str


registry: dict[str, Registered] = {}
"""Measures by name; filled by `register`."""


def register(long_name: str, units: str = "1") -> Callable[[Measure], Measure]:
    """Register a measure under its own name, with what it is called and its units."""

    def decorate(measure: Measure) -> Measure:
        registry[measure.__name__] = Registered(measure, long_name, units)
        return measure

    return decorate


@register("loss")
def loss(sample: Sample) -> jax.Array:
    """The loss."""
    return sample.objective.full_loss(lift(sample.objective, sample.params))


@register("sharpness", "1/eta")
def sharpness(sample: Sample) -> jax.Array:
    """The sharpness: the largest eigenvalue of the full Hessian."""
    from eos_jax.curvature import sharpness as full

    return full(sample.objective, sample.params)


@register("curvature that the rule compares with its threshold", "1/eta")
def curvature(sample: Sample) -> jax.Array:
    """The curvature by which the rule judges stability: the sharpness for gradient descent."""
    return sample.rule.curvature(sample)


@register("stability threshold", "1/eta")
def threshold(sample: Sample) -> jax.Array:
    """The curvature above which a minimum is unstable under the rule; NaN where it has none."""
    if sample.rule.threshold is None:
        return jnp.full_like(loss(sample), jnp.nan)
    return sample.rule.threshold(sample)


@register("curvature above the threshold", "1/eta")
def excess_curvature(sample: Sample) -> jax.Array:
    """Curvature minus threshold: positive where a minimum would be unstable."""
    return curvature(sample) - threshold(sample)


@register("norm of the full-space gradient")
def gradient_norm(sample: Sample) -> jax.Array:
    """The Euclidean norm of the full-space gradient."""
    slopes = _gradient(sample.objective, sample.params)
    squares = (
        copies * jnp.sum(slopes[name] ** 2)
        for name, copies in zip(sample.objective.parameters, sample.objective.copies)
    )
    return jnp.sqrt(sum(squares))
