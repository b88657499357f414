"""The central flow of gradient descent: its path averaged over the oscillation at the edge."""

import functools

import jax.numpy as jnp

from eos_jax.flows.base import first_copies, flow, sharpness_and_gradient
from eos_jax.rules import Rule
from eos_jax.rules.descent import descent_threshold


@functools.cache
def central_flow(stride: int = 1) -> Rule:
    r"""The central flow of gradient descent, dx/dt = -eta (grad L + (sigma^2/2) grad S).

    sigma^2, the variance of the oscillation along the top eigenvector, is 0 below the edge and at
    the edge what keeps the sharpness S from rising:
        sigma^2 = max(0, 2 (-eta <grad S, grad L> + S - 2/eta) / (eta |grad S|^2)),
    t in steps; where S is off the edge it comes back within about a step. One eigenvalue at the
    edge is meant, a simple one.

    Args:
      stride: steps of gradient descent that one step of this rule stands for.

    Returns:
      The rule; it has no state. Its threshold is that of gradient descent, which it does not pass.

    Raises:
      ValueError: if the stride is not positive.
      ImportError: if diffrax is not installed.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.self_stabilization(sharpness=10.0)
      >>> ds = eos.orbits(obj, {"x": 0.0, "v": -1.0, "eta": 0.2}, 20, rule=eos.flows.central_flow())
      >>> print(ds.sharpness.values[[0, 10, 20]].round(3))  # rises by eta a step, stops at 2/eta
      [ 9.    10.    10.   ]

    Source: Cohen, Damian, Talwalkar, Kolter and Lee 2025, "Understanding optimization in deep
    learning with central flows", section 3; the relaxation to the edge is ours.
    """

    def field(objective, point, hyper):
        params, _ = point
        eta = hyper["eta"]
        top, slope, descent = sharpness_and_gradient(objective, params)
        rise = -eta * jnp.vdot(slope, descent) + top - 2 / eta
        square = jnp.vdot(slope, slope)
        variance = jnp.maximum(0, 2 * rise / (eta * jnp.where(square > 0, square, 1)))
        return first_copies(objective, -eta * (descent + variance / 2 * slope)), ()

    return flow("central_flow", field, stride=stride, threshold=descent_threshold)
