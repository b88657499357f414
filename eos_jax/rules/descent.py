"""Gradient descent, with one step size or one per parameter.

It is written as the pullback of -eta through the loss, which is the cheapest form of its step.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from eos_jax import measures
from eos_jax.curvature import sharpness_at
from eos_jax.objectives.base import loss_of_first_copies
from eos_jax.rules.base import Rule, numbers, register, slopes
from eos_jax.sample import Sample


def descent_threshold(sample: Sample) -> jax.Array:
    """2/eta: above this sharpness gradient descent leaves a minimum."""
    return 2 / sample.hyper["eta"]


@register(examples=({}, {"parameters": ("x", "y")}))
def gradient_descent(parameters: Sequence[str] | None = None) -> Rule:
    r"""Gradient descent, x' = x - eta dL/dx, on every copy of the full space.

    Args:
      parameters: names of the objective's parameters, to give each a step size of its own: the
        hyperparameters are then `eta_<name>`, x_i' = x_i - eta_i dL/dx_i, and stability is judged
        by the largest eigenvalue of D^(1/2) H D^(1/2) with D = diag(eta_i), against 2.

    Returns:
      The rule; it has no state. A minimum is stable where the sharpness is below 2/eta.

    Raises:
      ValueError: if `parameters` is not a list of different names.

    Example:
      >>> import eos_jax as eos
      >>> from eos_jax import rules
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> rule = rules.gradient_descent()
      >>> params, _ = rule.step(obj, {"x": 2.0, "y": 1.0}, (), {"eta": 0.25})
      >>> print(params["x"], params["y"])
      0.5 -2.0
      >>> rules.gradient_descent(parameters=("x", "y"))
      Rule(gradient_descent: eta_x, eta_y, parameters=('x', 'y'))

    Source: Zhu et al. 2023, section 3.
    """
    if parameters is None:
        return Rule("gradient_descent", _no_state, _descend, threshold=descent_threshold)
    names = tuple(parameters)
    if isinstance(parameters, str) or not names or len(set(names)) != len(names):
        raise ValueError(
            f"Argument `parameters` must name each parameter once, but got {parameters!r}."
        )

    def init(objective, params, hyper):
        if set(objective.parameters) != set(names):
            raise ValueError(
                f"Rule `gradient_descent` has step sizes of {', '.join(names)}, but "
                f"{objective.name} has the parameters {', '.join(objective.parameters)}."
            )
        return ()

    def step(objective, params, state, hyper):
        hyper = numbers(params, hyper)
        slope = slopes(objective, params)
        return {n: params[n] - hyper[f"eta_{n}"] * slope[n] for n in objective.parameters}, state

    def curvature(sample):
        scale = {name: sample.hyper[f"eta_{name}"] for name in names}
        return sharpness_at(sample.objective, sample.params, sample.method, scale)

    return Rule(
        "gradient_descent",
        init,
        step,
        hyperparameters=tuple(f"eta_{name}" for name in names),
        curvature=curvature,
        threshold=lambda sample: jnp.full_like(measures.loss(sample), 2),
        remark="the curvature is that of D^(1/2) H D^(1/2), D the step sizes; the threshold is 2",
    )


def _no_state(objective, params, hyper):
    return ()


def _descend(objective, params, state, hyper):
    value, pullback = jax.vjp(loss_of_first_copies(objective, params), params)
    (move,) = pullback(jnp.asarray(-hyper["eta"], value.dtype))
    return {name: params[name] + move[name] for name in objective.parameters}, state
