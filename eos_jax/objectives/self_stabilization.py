"""Self-stabilisation: the cubic model of what turns gradient descent back at the edge.

x is the displacement along the top eigenvector, y the excess of the sharpness over its start. The
loss 1/2 (S + y) x^2 has the cubic term that lets oscillation in x push y down; a constant force
alpha pushes y up (progressive sharpening). With S = 2/eta gradient descent is
    x' = -(1 + eta y) x,   y' = y + eta (alpha - beta x^2 / 2),
whose two-step flow conserves y^2/2 + beta x^2/4 - alpha log|x| and circles the point
x^2 = 2 alpha/beta, y = 0 with angular frequency eta sqrt(2 alpha).

The loss falls without end along v: there is no minimum to converge to.
"""

import jax
import jax.numpy as jnp

from eos_jax.checks import check_finite
from eos_jax.objectives.base import Objective, Parameters, register


@register(examples=({}, {"sharpness": 5.0, "alpha": 0.5, "beta": 2.0}))
def self_stabilization(sharpness: float = 10.0, alpha: float = 1.0, beta: float = 1.0) -> Objective:
    r"""1/2 (S + sqrt(beta) v) x^2 - alpha v / sqrt(beta), in x and v.

    v is the displacement along the gradient of the sharpness, whose norm is sqrt(beta), so that
    y = sqrt(beta) v is the change of the sharpness.

    Args:
      sharpness: S, the curvature along x at v = 0; 2/eta puts the edge there.
      alpha: rate of progressive sharpening, positive.
      beta: squared norm of the gradient of the sharpness, positive.

    Returns:
      The objective. It has no floor and no minimum: no orbit of it converges.

    Raises:
      ValueError: if S is not finite, or alpha or beta not positive.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.self_stabilization(sharpness=10.0, alpha=1.0, beta=4.0)
      >>> print(eos.loss(obj, {"x": 1.0, "v": 1.0}))
      5.5

    Source: Damian, Nichani and Lee 2022, "Self-stabilization: the implicit bias of gradient
    descent at the edge of stability", section 4.
    """
    for name, value in (("sharpness", sharpness), ("alpha", alpha), ("beta", beta)):
        check_finite(name, value)
        if name != "sharpness" and value <= 0:
            raise ValueError(f"Argument `{name}` must be positive, but got {value}.")
    root = beta**0.5

    def full_loss(full: dict[str, tuple]) -> jax.Array:
        (x,), (v,) = full["x"], full["v"]
        return (sharpness + root * v) * x * x / 2 - alpha / root * v

    def eigenvalues(params: Parameters) -> tuple[jax.Array, ...]:
        x, v = jnp.asarray(params["x"]), jnp.asarray(params["v"])
        half = (sharpness + root * v) / 2
        spread = jnp.sqrt(half**2 + beta * x * x)
        return half + spread, half - spread

    return Objective(
        name="self_stabilization",
        full_loss=full_loss,
        parameters=("x", "v"),
        copies=(1, 1),
        shapes=((), ()),
        floor=None,
        eigenvalues=eigenvalues,
    )
