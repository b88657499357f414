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
from eos_jax.checks import check_choice
from eos_jax.curvature import norm_balls as _norm_balls
from eos_jax.objectives.base import inner, lift, loss_of_first_copies
from eos_jax.objectives.samples import draw_batch, of_batch
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
                f"Argument `measure` must be one of {', '.join(registry)} or a parameter of "
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
    return jnp.sqrt(inner(objective, slopes, slopes))


@register("norm of the full-space point")
def parameter_norm(sample: Sample) -> jax.Array:
    """The Euclidean norm of the full-space point."""
    return jnp.sqrt(inner(sample.objective, sample.params, sample.params))


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


@register("curvature over threshold")
def relative_curvature(sample: Sample) -> jax.Array:
    """Curvature over threshold: 1 at the edge of stability."""
    return curvature(sample) / threshold(sample)


@register("curvature along the gradient", "1/eta")
def directional_sharpness(sample: Sample) -> jax.Array:
    """g^T H g / |g|^2, g the full-space gradient; NaN where it vanishes."""
    full = lift(sample.objective, sample.params)
    slope, image = _gradient_and_image(sample.objective.full_loss, full)
    return _inner(slope, image) / _inner(slope, slope)


@register("2 over the largest step along the gradient that does not raise the loss", "1/eta")
def critical_sharpness(sample: Sample) -> jax.Array:
    r"""2/s, s the largest step with L(x - s g) <= L(x), by forward passes alone.

    On quadratics it is the directional sharpness. The step is bracketed by doubling or halving
    from the rule's first step size, then halved to three digits; a first rise and fall within a
    factor 2 of the step are not seen.
    """
    objective, params = sample.objective, sample.params
    eta = next(v for name, v in sample.hyper.items() if name.startswith("eta"))
    slope = jax.grad(loss_of_first_copies(objective, params))(dict(params))
    here = loss(sample)

    def rises(pace):
        moved = {name: params[name] - pace * slope[name] for name in objective.parameters}
        there = objective.full_loss(lift(objective, moved))
        return ~(there <= here)

    start = jnp.asarray(eta, here.dtype)
    too_long = rises(start)
    # along doublings of a step that is allowed, or halvings of one that is not
    pace, count = jax.lax.while_loop(
        lambda carry: (rises(carry[0]) == too_long) & (carry[1] < 64),
        lambda carry: (carry[0] * jnp.where(too_long, 0.5, 2.0), carry[1] + 1),
        (start, 0),
    )
    low = jnp.where(too_long, pace, pace / 2)

    def halve(_, carry):
        low, high = carry
        middle = (low + high) / 2
        above = rises(middle)
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    low, high = jax.lax.fori_loop(0, 10, halve, (low, 2 * low))
    return jnp.where(count < 64, 4 / (low + high), jnp.nan)


def _gradient_and_image(loss, full):
    """The gradient of a loss, and the Hessian times it."""
    slope, product = jax.linearize(jax.grad(loss), full)
    return slope, product(slope)


def _inner(first, second):
    """Inner product of two trees."""
    products = jax.tree.map(lambda u, v: jnp.sum(u * v), first, second)
    return sum(jax.tree.leaves(products))


@functools.lru_cache(maxsize=64)
def batch_sharpness(
    batch: int | None = None, draws: int = 64, ratio_of_means: bool = False
) -> Measure:
    """A measure: the mean over batches B of g_B^T H_B g_B / |g_B|^2, g_B and H_B of the loss on B.

    Or the ratio of the two means, on which batches of a small gradient do not weigh: where it is
    2/eta, steps of gradient descent on batches no longer lower, on average, the batch's loss.

    Args:
      batch: samples in a batch; by default the rule's hyperparameter `batch`.
      draws: how many batches the mean is over; each sample of an orbit draws its own.
      ratio_of_means: E[g_B^T H_B g_B] / E[|g_B|^2] in place of the mean of ratios.

    Returns:
      The measure, for objectives whose data are samples.

    Raises:
      ValueError: when it is used, if no batch is given and the rule has none, or if the
        objective's data are no samples.

    Example:
      >>> import eos_jax as eos, numpy as np
      >>> def line(a, X, y):
      ...     return ((a * X - y) ** 2).mean()
      >>> data = {"X": np.ones(4), "y": np.array([0.0, 0.0, 2.0, 2.0])}
      >>> obj = eos.objectives.from_function(line, ("a",), data=data)
      >>> measure = eos.measures.batch_sharpness(batch=2)
      >>> found = eos.simulate(obj, {"a": 3.0}, 0.1, 0, observe=eos.observers.trace(s=measure))
      >>> print(found["s"])  # one direction only: the curvature of every batch
      [2.]

    Source: Andreyev and Beneventano 2024, "Edge of stochastic stability".
    """

    def batch_sharpness(sample: Sample) -> jax.Array:
        objective, size = sample.objective, sample.hyper.get("batch") if batch is None else batch
        if size is None:
            raise ValueError(
                f"Argument `batch` must be given, as rule `{sample.rule.name}` has no batches."
            )
        full = lift(objective, sample.params)
        root = jax.random.fold_in(jax.random.key(0), sample.step)

        def of_one(key):
            part = of_batch(objective, draw_batch(objective, key, size))
            slope, image = _gradient_and_image(part, full)
            return _inner(slope, image), _inner(slope, slope)

        bends, squares = jax.vmap(of_one)(jax.random.split(root, draws))
        if ratio_of_means:
            return jnp.mean(bends) / jnp.mean(squares)
        return jnp.mean(bends / squares)

    return batch_sharpness


@functools.lru_cache(maxsize=64)
def generalised_sharpness(norm: str = "max") -> Measure:
    """A measure: max d^T H d over the unit ball of a norm, as found by ascent.

    Args:
      norm: "euclidean", "max" or "spectral"; see `eos_jax.curvature.norm_balls`.

    Returns:
      The measure.

    Raises:
      ValueError: if the norm is unknown.

    Example:
      >>> import eos_jax as eos
      >>> measure = eos.measures.generalised_sharpness("max")
      >>> found = eos.simulate(
      ...     eos.objectives.scalar_product((1, 1)), {"x": 1.0, "y": 1.0}, 0.1, 0,
      ...     observe=eos.observers.trace(s=measure),
      ... )
      >>> print(found["s"])  # H = [[1, 1], [1, 1]]
      [4.]

    Source: Islamov et al. 2026, "Non-Euclidean gradient descent operates at the edge of stability".
    """
    check_choice("norm", norm, _norm_balls.NORMS)

    def generalised_sharpness(sample: Sample) -> jax.Array:
        return _norm_balls.generalised_sharpness_at(sample.objective, sample.params, norm)

    return generalised_sharpness


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
