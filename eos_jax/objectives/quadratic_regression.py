"""Quadratic regression: 1/2 z^2 with z quadratic in the parameters, one example.

After completing the square z = offset + 1/2 sum_i q_i theta_i^2, and the Jacobian is J_i = q_i
theta_i. One step of size eta takes, exactly,
    z' = z - T z + 1/2 z^2 (J~ Q~ J~),   T' = T - 2 z (J~ Q~ J~) + z^2 (J~ Q~^2 J~)
in the normalised z <- eta w z, Q~ = Q/w, J~ = sqrt(eta) J, T = |J~|^2, w the first curvature. For
Q~ = diag(1, -eps) the energy E = z - 1/2 J~ Q~^-1 J~ is conserved: it is the normalised offset,
the value of z at its stationary point. With E fixed, (z, T) is a map of the plane.

Its end, to leading order in eps (derived here): b = J~_2^2 obeys b' = b (1 + eps z)^2, so it is
slow, and with T_0 = 2 + d the value of T that belongs to b at z = 0, two steps give
    z'' = z (1 + 2 d - 4 z^2),   d'' = d - 4 eps (1 + E) z^2.
Every orbit falls onto the parabola z^2 = d/2 + eps (1 + E)/4 and runs down it to z = 0, hence
    T -> 2 - eps (1 + E)/2 + O(eps^2),   for E > -1.
Agarwala et al. print (1 - E): their energy has the opposite sign.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from eos_jax.checks import check_finite
from eos_jax.objectives.base import Objective, Parameters, register
from eos_jax.objectives.scalar_product import half_square, numbered


@register(
    examples=(
        {"curvatures": (1.0, -0.1), "offset": 0.5},
        {"curvatures": (2.0,), "offset": -1.0},
        {"curvatures": (1.0, 0.5, -0.2, -0.3, 0.1), "offset": 0.25},
    )
)
def quadratic_regression(
    curvatures: Sequence[float] = (1.0, -0.1), offset: float = 0.0
) -> Objective:
    r"""1/2 z^2 with z = offset + 1/2 sum_i q_i theta_i^2.

    Parameters are named x, y, z, w; from five on x1, x2, ... A model with a linear term is this
    one in shifted coordinates, one with a full matrix Q this one in rotated ones.

    Args:
      curvatures: q_i, the eigenvalues of Q; none 0.
      offset: the value of z at its stationary point.

    Returns:
      The objective. Its floor is 0 unless z is bounded away from 0.

    Raises:
      ValueError: if a curvature is 0 or not finite, or the offset is not finite.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.quadratic_regression((1.0, -0.1), offset=0.5)
      >>> print(eos.loss(obj, {"x": 1.0, "y": 0.0}))
      0.5

    Source: Agarwala et al. 2022, "Second-order regression models exhibit progressive sharpening
    to the edge of stability", section 2.
    """
    if not isinstance(curvatures, tuple | list) or not curvatures:
        raise ValueError(
            f"Argument `curvatures` must be a sequence of numbers, but got {curvatures!r}."
        )
    for curvature in curvatures:
        check_finite("curvatures", curvature)
    if 0 in curvatures:
        raise ValueError(f"Argument `curvatures` must not contain 0, but got {curvatures}.")
    check_finite("offset", offset)
    names = tuple("xyzw"[: len(curvatures)]) if len(curvatures) <= 4 else numbered(len(curvatures))

    def model(values: Sequence[Any]) -> jax.Array:
        return offset + sum(q / 2 * value * value for q, value in zip(curvatures, values))

    def eigenvalues(params: Parameters) -> tuple[jax.Array, ...]:
        x, y = (jnp.asarray(params[name]) for name in names)
        value, (first, second) = model((x, y)), curvatures
        # the diagonal is the square of the gradient (q_i theta_i) of z, plus z q_i
        top, bottom = (first * x) ** 2 + value * first, (second * y) ** 2 + value * second
        mean, half = (top + bottom) / 2, (top - bottom) / 2
        spread = jnp.sqrt(half**2 + (first * x * second * y) ** 2)
        return mean + spread, mean - spread

    one_sign = min(curvatures) > 0 or max(curvatures) < 0
    reaches_zero = not one_sign or offset * curvatures[0] <= 0
    return Objective(
        name="quadratic_regression",
        full_loss=lambda full: half_square(model([full[name][0] for name in names])),
        parameters=names,
        copies=(1,) * len(names),
        shapes=((),) * len(names),
        floor=0.0 if reaches_zero else offset**2 / 2,
        eigenvalues=eigenvalues if len(names) == 2 else None,
    )


def normalised_step(value: Any, kernel: Any, energy: Any, epsilon: Any) -> tuple[Any, Any]:
    r"""One step of the normalised dynamics of z and T for Q = diag(1, -eps).

    z' = z - T z + 1/2 z^2 T1, T' = T - 2 z T1 + z^2 T2, with T1 = (1-eps) T + 2 eps (z-E) and
    T2 = (1-eps) T1 + eps T.

    Args:
      value: z, the residual times eta and the first curvature.
      kernel: T, the tangent kernel times eta.
      energy: E = z - 1/2 J Q^-1 J, conserved: the normalised offset.
      epsilon: eps, minus the ratio of the curvatures.

    Returns:
      (z', T'), of whatever kind of number was given: arrays, or symbols.

    Example:
      >>> from eos_jax.objectives.quadratic_regression import normalised_step
      >>> print(*normalised_step(0.5, 2.0, 0.5, 0.0))
      -0.25 0.5

    Source: Agarwala et al. 2022, section 2.
    """
    first = (1 - epsilon) * kernel + 2 * epsilon * (value - energy)
    second = (1 - epsilon) * first + epsilon * kernel
    return (
        value - kernel * value + value**2 * first / 2,
        kernel - 2 * value * first + value**2 * second,
    )


def normalised_coordinates(
    params: Parameters, curvatures: Sequence[float], offset: float, eta: float | jax.Array
) -> tuple[jax.Array, jax.Array]:
    r"""The normalised z and T of a point of `quadratic_regression` with two parameters.

    z = eta q_1 (offset + 1/2 sum q_i theta_i^2), T = eta sum (q_i theta_i)^2; the energy is
    E = eta q_1 offset and eps = -q_2/q_1.

    Args:
      params: a point, or one per lane.
      curvatures: (q_1, q_2).
      offset: the value of z at its stationary point.
      eta: step size.

    Returns:
      (z, T).

    Example:
      >>> from eos_jax.objectives.quadratic_regression import normalised_coordinates
      >>> print(*normalised_coordinates({"x": 1.0, "y": 0.0}, (1.0, -0.1), 0.5, 0.5))
      0.5 0.5
    """
    pairs = list(zip(curvatures, (params["x"], params["y"])))  # dicts come back sorted
    value = offset + sum(q * theta**2 for q, theta in pairs) / 2
    return eta * curvatures[0] * value, eta * sum((q * theta) ** 2 for q, theta in pairs)


def final_kernel(energy: float, epsilon: float) -> float:
    r"""T at the end of an orbit that stayed long at the edge: 2 - (1 + E) eps/2, to O(eps^2).

    Args:
      energy: E, above -1.
      epsilon: eps.

    Returns:
      T, in units of 1/eta.

    Example:
      >>> from eos_jax.objectives.quadratic_regression import final_kernel
      >>> final_kernel(0.0, 0.5)
      1.75

    Source: derived in this module's first lines; Agarwala et al. 2022 with E of opposite sign.
    """
    return 2 - (1 + energy) * epsilon / 2
