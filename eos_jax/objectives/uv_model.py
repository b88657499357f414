"""The two-layer linear model on one example: f = u.v x / sqrt(n), loss 1/2 (f - target)^2.

The orbit of f and of the tangent kernel lambda = x^2 (|u|^2 + |v|^2) / n closes on itself: with
r = f - target,
    f'      = f - eta lambda r + (eta x)^2 r^2 f / n
    lambda' = lambda + eta x^2 r (eta lambda r - 4 f) / n.
For target 0 and 2 < eta lambda_0 < 4 this is the catapult; a target that is not 0 gives
progressive sharpening and period doubling at the edge of stability.
"""

import jax
import jax.numpy as jnp

from eos_jax.checks import check_count, check_finite
from eos_jax.objectives.base import Objective, Parameters, register
from eos_jax.objectives.scalar_product import half_square

_CLOSED_WIDTH = 64  # beyond it, thousands of equal eigenvalues cost more than they say


@register(
    examples=(
        {"width": 1},
        {"width": 2, "target": 2.0},
        {"width": 3, "input": 2.0, "target": -1.0},
    )
)
def uv_model(width: int, input: float = 1.0, target: float = 0.0) -> Objective:
    r"""1/2 (u.v x / sqrt(n) - target)^2 over vectors u and v.

    Args:
      width: n, the length of u and of v.
      input: x, the one example's input.
      target: the one example's output.

    Returns:
      The objective; parameters u and v of shape (n,).

    Raises:
      ValueError: if the width is not a positive integer, or input or target not finite numbers,
        or the input is 0.

    Example:
      >>> import eos_jax as eos, jax.numpy as jnp
      >>> obj = eos.objectives.uv_model(4)
      >>> print(eos.loss(obj, {"u": jnp.array([1.0, 1, 0, 0]), "v": jnp.array([2.0, 0, 1, 0])}))
      0.5

    Source: Lewkowycz et al. 2020, section 2 (target 0); Kalra et al. 2023, "Universal sharpness
    dynamics in neural network training".
    """
    check_count("width", width)
    check_finite("input", input)
    check_finite("target", target)
    if input == 0:
        raise ValueError("Argument `input` must not be 0, but got 0.")
    scale = input / width**0.5

    def full_loss(full: dict[str, tuple]) -> jax.Array:
        return half_square(scale * jnp.sum(full["u"][0] * full["v"][0]) - target)

    def eigenvalues(params: Parameters) -> tuple[jax.Array, ...]:
        # in (u + v, u - v)/sqrt(2) the model is c (|p|^2 - |q|^2)/2, and the Hessian a diagonal
        # of +-c r plus the square of the gradient c (p, -q)
        u, v = jnp.asarray(params["u"]), jnp.asarray(params["v"])
        bend = scale * (scale * jnp.sum(u * v) - target)
        plus, minus = jnp.sum((u + v) ** 2) / 2, jnp.sum((u - v) ** 2) / 2
        mean = scale**2 * (plus + minus) / 2
        half = bend + scale**2 * (plus - minus) / 2
        spread = jnp.sqrt(half**2 + scale**4 * plus * minus)
        return (mean + spread, mean - spread, *(bend, -bend) * (width - 1))

    return Objective(
        name="uv_model",
        full_loss=full_loss,
        parameters=("u", "v"),
        copies=(1, 1),
        shapes=((width,), (width,)),
        floor=0.0,
        eigenvalues=eigenvalues if width <= _CLOSED_WIDTH else None,
    )
