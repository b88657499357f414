"""Flows along minima on which rules of fixed length reduce the sharpness.

Across a valley of curvature l such a rule ends on a 2-cycle of half-width b, and x' = x - c g then
drifts along the valley by -c (b^2/2) grad l a step. Normalised descent has b = eta/2 and
c = eta/(l b): -(eta^2/4) grad log l. Descent on sqrt(L) has b = eta sqrt(l/8) and
c = eta/(b sqrt(2 l)): -(eta^2/8) grad l.
"""

import functools

import jax.numpy as jnp

from eos_jax.flows.base import first_copies, flow, spectrum
from eos_jax.rules import Rule

_FLAT = 1e-4  # of the sharpness: directions that curve less are along the minima

_REMARK = "no threshold: it runs along minima, whatever their sharpness"


@functools.cache
def normalised_descent_flow(stride: int = 1) -> Rule:
    r"""The flow of normalised gradient descent along minima, dx/dt = -(eta^2/4) P grad log S.

    P projects on the directions in which the loss is flat, S is the sharpness; t in steps. It has
    to begin at a minimum.

    Args:
      stride: steps of the discrete rule that one step of this rule stands for.

    Returns:
      The rule; it has no state and no threshold.

    Raises:
      ValueError: if the stride is not positive.
      ImportError: if diffrax is not installed.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> rule = eos.flows.normalised_descent_flow(stride=100)
      >>> end = eos.simulate(obj, {"x": 2.0, "y": 0.5}, 0.1, 10, rule=rule)
      >>> print(end["x"] < 2, (end["x"] * end["y"]).round(3))  # flatter, and still a minimum
      True 1.0

    Source: Arora, Li and Panigrahi 2022, "Understanding gradient descent on the edge of stability
    in deep learning", theorem 4.4; derived here from the 2-cycle.
    """

    def pace(eta, top):
        return eta**2 / (4 * top)

    return flow("normalised_descent_flow", _field(pace), stride=stride, remark=_REMARK)


@functools.cache
def root_descent_flow(stride: int = 1) -> Rule:
    r"""The flow of gradient descent on sqrt(L) along minima, dx/dt = -(eta^2/8) P grad S.

    P projects on the directions in which the loss is flat, S is the sharpness; t in steps. It has
    to begin at a minimum.

    Args:
      stride: steps of the discrete rule that one step of this rule stands for.

    Returns:
      The rule; it has no state and no threshold.

    Raises:
      ValueError: if the stride is not positive.
      ImportError: if diffrax is not installed.

    Example:
      >>> import math
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> rule = eos.flows.root_descent_flow(stride=100)
      >>> end = eos.simulate(obj, {"x": 2.0, "y": 0.5}, 0.1, 1, rule=rule)
      >>> print(abs((end["x"]**2 - end["y"]**2) / (3.75 * math.exp(-0.5)) - 1) < 1e-4)
      True

    Source: Arora, Li and Panigrahi 2022, theorem 4.6; derived here from the 2-cycle.
    """

    def pace(eta, top):
        return eta**2 / 8

    return flow("root_descent_flow", _field(pace), stride=stride, remark=_REMARK)


def _field(pace):
    def field(objective, point, hyper):
        params, _ = point
        values, vectors, rise, _ = spectrum(objective, params)
        curved = vectors * (jnp.abs(values) > _FLAT * values[-1])
        along = rise - curved @ (curved.T @ rise)
        return first_copies(objective, -pace(hyper["eta"], values[-1]) * along), ()

    return field
