"""The central flow of gradient descent: its path averaged over the oscillation at the edge."""

import functools

import jax.numpy as jnp

from eos_jax.flows.base import first_copies, flow, spectrum
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
      >>> record, rule = eos.observers.trace("sharpness"), eos.flows.central_flow()
      >>> found = eos.simulate(obj, {"x": 0.0, "v": -1.0}, 0.2, 20, rule=rule, observe=record)
      >>> print(found["sharpness"][::10].round(2))  # rises by eta a step, and stops at 2/eta
      [ 9. 10. 10.]

    Source: Cohen, Damian, Talwalkar, Kolter and Lee 2025, "Understanding optimization in deep
    learning with central flows", section 3; the relaxation to the edge is ours.
    """

    def field(objective, point, hyper):
        params, _ = point
        eta = hyper["eta"]
        here = spectrum(objective, params)
        excess = here.values[-1] - 2 / eta
        square = jnp.vdot(here.rise, here.rise)
        rise = -eta * jnp.vdot(here.rise, here.slope) + excess
        variance = jnp.maximum(0, 2 * rise / (eta * jnp.where(square > 0, square, 1)))
        return first_copies(objective, -eta * (here.slope + variance / 2 * here.rise)), ()

    return flow("central_flow", field, stride=stride, threshold=descent_threshold)
