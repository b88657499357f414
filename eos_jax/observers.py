"""What is recorded along an orbit: three pure functions, kept apart from how the orbit is run.

`simulate` shows an observer the start, every k-th point and the end. To write one, give `init`
(the accumulator, from the first sample and the number of samples), `update` (the accumulator
after one more sample) and `finalize` (the result, from the accumulator and the end). What is
measured at a point is a *measure*: a function of a `Sample`.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from eos_jax.curvature import MOST_JACOBI
from eos_jax.curvature import sharpness as _sharpness
from eos_jax.objectives.base import Objective, lift


class Sample(NamedTuple):
    """One point of an orbit as an observer sees it.

    Attributes:
      objective: what is descended.
      params: the point.
      eta: the step size.
      step: how many steps it took to get here.
      index: how many samples came before.
    """

    objective: Objective
    params: Mapping[str, jax.Array]
    eta: jax.Array
    step: jax.Array
    index: jax.Array


class Observer(NamedTuple):
    """Something recorded along an orbit.

    Attributes:
      init: (first sample, number of samples) -> accumulator; the first sample is shown again.
      update: (accumulator, sample) -> accumulator.
      finalize: (accumulator, end) -> result.
    """

    init: Callable[[Sample, int], Any]
    update: Callable[[Any, Sample], Any]
    finalize: Callable[[Any, Sample], Any]


Measure = Callable[[Sample], jax.Array]


def loss(sample: Sample) -> jax.Array:
    """Measure: the loss."""
    return sample.objective.full_loss(lift(sample.objective, sample.params))


def sharpness(sample: Sample) -> jax.Array:
    """Measure: the sharpness, in closed form where there is one, else exact, else by products.

    Hessians of more coordinates than Jacobi rotations suit are not built: power iteration needs
    their products with vectors only, and gives NaN where it does not converge.
    """
    objective = sample.objective
    if objective.eigenvalues is not None:
        return jnp.max(jnp.stack(objective.eigenvalues(sample.params)), axis=0)
    sizes = zip(objective.copies, objective.shapes)
    coordinates = sum(copies * math.prod(shape) for copies, shape in sizes)
    method = "exact" if coordinates <= MOST_JACOBI else "power"
    return _sharpness(objective, sample.params, method)


def sharpness_excess(sample: Sample) -> jax.Array:
    """Measure: the sharpness above gradient descent's threshold 2/eta."""
    return sharpness(sample) - 2 / sample.eta


def final_point() -> Observer:
    """The end of the orbit.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> end = eos.simulate(obj, {"x": 2.5, "y": 0.4001}, 0.2, 1000)
      >>> print(round(float(end["x"] * end["y"]), 3))
      1.0
    """

    def finalize(_, end):
        return {name: end.params[name] for name in end.objective.parameters}

    return Observer(lambda first, count: (), lambda acc, sample: acc, finalize)


def trace(**measures: Measure) -> Observer:
    """Every sample of the parameters, loss and sharpness, or of the measures given.

    Args:
      **measures: what to record, by name.

    Returns:
      An observer whose result is a dict of arrays of shape (samples, ...), with `step`.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> result = eos.simulate(
      ...     obj, {"x": 2.5, "y": 0.4001}, 0.2, 1000, observe=eos.observers.trace(), every=250
      ... )
      >>> print(result["step"], result["sharpness"].shape)
      [   0  250  500  750 1000] (5,)
    """

    def measure(sample):
        if measures:
            values = {name: function(sample) for name, function in measures.items()}
        else:
            values = {**sample.params, "loss": loss(sample), "sharpness": sharpness(sample)}
        return {"step": sample.step, **values}

    def init(first, count):
        like = jax.eval_shape(lambda params: measure(first._replace(params=params)), first.params)
        return jax.tree.map(lambda leaf: jnp.zeros((count, *leaf.shape), leaf.dtype), like)

    def update(rows, sample):
        return jax.tree.map(lambda row, new: row.at[sample.index].set(new), rows, measure(sample))

    return Observer(init, update, lambda rows, end: rows)


def running_maximum(measure: Measure = sharpness) -> Observer:
    """The largest value of a measure over the samples.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> top = eos.simulate(
      ...     obj, {"x": 2.5, "y": 0.4001}, 0.2, 1000, observe=eos.observers.running_maximum()
      ... )
      >>> print(float(top) > 2 / 0.2)
      True
    """
    return Observer(
        lambda first, count: jnp.full_like(measure(first), -jnp.inf),
        lambda top, sample: jnp.maximum(top, measure(sample)),
        lambda top, end: top,
    )


def first_crossing(measure: Measure = sharpness_excess) -> Observer:
    """The first sampled step at which a measure exceeds zero, -1 if none; by default 2/eta.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> step = eos.simulate(
      ...     obj, {"x": 2.5, "y": 0.4001}, 0.2, 1000, observe=eos.observers.first_crossing()
      ... )
      >>> print(step)
      0
    """
    return Observer(
        lambda first, count: jnp.full(jnp.shape(measure(first)), -1, first.step.dtype),
        lambda step, sample: jnp.where((step < 0) & (measure(sample) > 0), sample.step, step),
        lambda step, end: step,
    )


def count(measure: Measure = sharpness_excess) -> Observer:
    """How many samples have a measure above zero; by default a sharpness above 2/eta.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> number = eos.simulate(
      ...     obj, {"x": 2.5, "y": 0.4001}, 0.2, 1000, observe=eos.observers.count()
      ... )
      >>> print(0 < number < 1001)
      True
    """
    return Observer(
        lambda first, count: jnp.zeros(jnp.shape(measure(first)), first.step.dtype),
        lambda number, sample: number + (measure(sample) > 0),
        lambda number, end: number,
    )
