"""Sharpness-aware minimisation: the gradient is taken a little uphill.

Along an eigenvector of a quadratic the gradient at x + rho g is lambda (1 + rho lambda) x: sharp
directions look sharper than they are, and the edge lies lower.
"""

import jax
import jax.numpy as jnp

from eos_jax import measures
from eos_jax.rules.base import Rule, check_number, numbers, register, slopes
from eos_jax.sample import Sample


@register(examples=({}, {"rho": 0.2, "normalised": False}))
def sam(rho: float | None = 0.05, normalised: bool = True) -> Rule:
    r"""SAM, x' = x - eta g(x + rho g/|g|), or without the norm, x' = x - eta g(x + rho g).

    |g| is the norm over the full space, copies counted; where it vanishes the step does.

    Args:
      rho: radius, at least 0, in units of the parameters (without the norm, of those over the
        gradient), where a sweep does not give it; None: a sweep must give it.
      normalised: whether the gradient is divided by its norm.

    Returns:
      The rule; it has no state. Without the norm a minimum is stable where l (1 + rho l) < 2/eta,
      l = (sqrt(1 + 8 rho/eta) - 1)/(2 rho). With it the threshold depends on the gradient, rho/|g|
      in place of rho: it vanishes at a minimum, and none is stable.

    Raises:
      ValueError: if rho is negative.

    Example:
      >>> import eos_jax as eos
      >>> from eos_jax import rules
      >>> obj = eos.objectives.from_function(lambda a: a * a)
      >>> rule = rules.sam(rho=0.5, normalised=False)
      >>> params, _ = rule.step(obj, {"a": 1.0}, (), {"eta": 0.1, "rho": 0.5})
      >>> print(round(float(params["a"]), 6))  # the gradient at 1 + 0.5 * 2 is 4
      0.6

    Source: Foret et al. 2021; without the norm Andriushchenko and Flammarion 2022; the threshold,
    Long and Bartlett 2023.
    """
    if rho is not None:
        check_number("rho", rho, 0)

    def step(objective, params, state, hyper):
        hyper, slope = numbers(params, hyper), slopes(objective, params)
        reach = hyper["rho"]
        if normalised:
            square = sum(
                copies * jnp.sum(slope[name] ** 2)
                for name, copies in zip(objective.parameters, objective.copies)
            )
            reach = reach / jnp.sqrt(jnp.where(square > 0, square, 1))
        uphill = slopes(objective, {n: params[n] + reach * slope[n] for n in params})
        return {n: params[n] - hyper["eta"] * uphill[n] for n in objective.parameters}, state

    def threshold(sample: Sample) -> jax.Array:
        reach = sample.hyper["rho"]
        if normalised:
            reach = reach / measures.gradient_norm(sample)
        # multiplied by its conjugate, which neither cancels nor divides by rho = 0
        eta = sample.hyper["eta"]
        return 4 / (eta * (1 + jnp.sqrt(1 + 8 * reach / eta)))

    at_a_gradient = "that of the present gradient's norm; it vanishes at a minimum: none is stable"
    return Rule(
        "sam",
        lambda objective, params, hyper: (),
        step,
        ("eta", "rho"),
        threshold=threshold,
        remark=at_a_gradient if normalised else "",
    )
