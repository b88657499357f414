"""What can be measured at a sample: pure functions of it, by name.

Observers, curvatures and thresholds are made of measures. A new one is a function here with
`@register`; any function of a `Sample` serves wherever a measure is asked for.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from eos_jax import curvature as _curvature
from eos_jax.objectives.base import lift, loss_of_first_copies
from eos_jax.sample import Measure, Sample


class Registered(NamedTuple):
    """A measure with its labels.

    Attributes:
      measure: the function.
      long_name: what it is, in words.
      units: its units; "1/eta" for curvatures, "1" for none.
    """

    measure: Measure
    long_name: str
    units: str


registry: dict[str, Registered] = {}
"""Measures by name; filled by `register`."""


def register(long_name: str, units: str = "1") -> Callable[[Measure], Measure]:
    """Register a measure under its own name, with what it is in words and its units."""

    def decorate(measure: Measure) -> Measure:
        registry[getattr(measure, "__name__", "measure")] = Registered(measure, long_name, units)
        return measure

    return decorate


@functools.lru_cache(maxsize=1024)
def as_measure(measure: Measure | str) -> Measure:
    """The measure meant: a function itself, or one by its name or the name of a parameter.

    Args:
      measure: a function of a sample, a registered name, or the name of a parameter.

    Returns:
      The measure.

    Raises:
      ValueError: when it is used, if the objective has no parameter of that name.

    Example:
      >>> from eos_jax import measures
      >>> measures.as_measure("loss") is measures.loss
      True
    """
    if not isinstance(measure, str):
        return measure
    if measure in registry:
        return registry[measure].measure

    def parameter(sample: Sample) -> jax.Array:
        if measure not in sample.params:
            raise ValueError(
                f"A measure must be one of {', '.join(registry)} or a parameter of "
                f"{sample.objective.name} ({', '.join(sample.params)}), but got {measure!r}."
            )
        return sample.params[measure]

    return parameter


def label_of(measure: Measure | str) -> tuple[str, str]:
    """What a measure is called in words, and its units."""
    name = measure if isinstance(measure, str) else getattr(measure, "__name__", "measure")
    known = registry.get(name)
    if known and measure in (name, known.measure):
        return known.long_name, known.units
    return name, "1"


@register("loss")
def loss(sample: Sample) -> jax.Array:
    """The loss."""
    return sample.objective.full_loss(lift(sample.objective, sample.params))


@register("sharpness", "1/eta")
def sharpness(sample: Sample) -> jax.Array:
    """The sharpness: the largest eigenvalue of the full Hessian."""
    return _curvature.sharpness_at(sample.objective, sample.params, sample.method)


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
    objective = sample.objective
    slopes = jax.grad(loss_of_first_copies(objective, sample.params))(dict(sample.params))
    squares = (
        copies * jnp.sum(slopes[name] ** 2)
        for name, copies in zip(objective.parameters, objective.copies)
    )
    return jnp.sqrt(sum(squares))


@register("norm of the full-space point")
def parameter_norm(sample: Sample) -> jax.Array:
    """The Euclidean norm of the full-space point."""
    squares = (
        copies * jnp.sum(sample.params[name] ** 2)
        for name, copies in zip(sample.objective.parameters, sample.objective.copies)
    )
    return jnp.sqrt(sum(squares))


@register("step", "steps")
def step(sample: Sample) -> jax.Array:
    """The number of steps taken."""
    return sample.step


@register("|cosine| of the next step and the top eigenvector of the Hessian")
def alignment(sample: Sample) -> jax.Array:
    """How far the rule's next step points along the top eigenvector: 1 along it, 0 across."""
    objective = sample.objective
    moved, _ = sample.rule.step(objective, sample.params, sample.state, sample.hyper)
    move = {name: moved[name] - sample.params[name] for name in objective.parameters}
    return _curvature.alignment_at(objective, sample.params, move, sample.method or "auto")


@functools.lru_cache(maxsize=64)
def top_eigenvalues(k: int) -> Measure:
    """A measure: the k largest eigenvalues of the full Hessian, shape (k,), largest first.

    Args:
      k: how many, at most the number of full-space coordinates.

    Returns:
      The measure.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> found = eos.simulate(
      ...     obj, {"x": 2.0, "y": 0.5}, 0.1, 0,
      ...     observe=eos.observers.trace(top=eos.measures.top_eigenvalues(2)),
      ... )
      >>> print(found["top"].round(3))  # at a minimum all but one vanish
      [[8.5 0. ]]
    """

    def top_eigenvalues(sample: Sample) -> jax.Array:
        return _curvature.top_eigenpairs_at(
            sample.objective, sample.params, sample.method or "auto", k=k
        )[0]

    return top_eigenvalues
