"""Minima of products of scalars, their sharpness, and what keeps a point from its own."""

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax.theory.base import (
    Array,
    Point,
    eos_c,
    namespace,
    require,
    require_eos_exists,
    require_positive,
)

_NEWTON_STEPS = 40  # fixed, so that reverse mode works; about 10 suffice


def stability_threshold(eta: Array) -> Array:
    """Sharpness above which gradient descent leaves a minimum: 2 / eta.

    Valid for every twice differentiable loss, near a minimum.

    Args:
      eta: step size.

    Returns:
      Sharpness (1/eta).

    Raises:
      ValueError: unless eta > 0.

    Example:
      >>> stability_threshold(0.2)
      10.0

    Source: paper, Sec. 1.
    """
    require_positive("eta", eta)
    return 2 / eta


def eos_minimum(eta: Array) -> Point:
    """Minimum whose sharpness is exactly 2/eta, branch x > y > 0.

    x_E^2 = (1/eta + sqrt(eta^-2 - 4)) / 2,  y_E = 1 / x_E

    Valid for the coupled model.

    Args:
      eta: step size.

    Returns:
      Point(x, y).

    Raises:
      ValueError: unless 0 < eta < 1/2; beyond, every minimum is sharper than 2/eta.

    Example:
      >>> [round(float(v), 4) for v in eos_minimum(0.2)]
      [2.1889, 0.4569]

    Source: paper, Sec. 3.
    """
    require_eos_exists(eta)
    x = ((1 / eta + eos_c(eta) ** 2) / 2) ** 0.5
    return Point(x, 1 / x)


def hessian_eigenvalues(x: Array, y: Array) -> Array:
    """Eigenvalues of the full 4 x 4 Hessian at (x, y, x, y), with g = x y and s = x^2 + y^2.

    l1, l2 = (s (3 g^2 - 1) +- sqrt(s^2 (1 - 3 g^2)^2 + 4 g^2 (3 - 10 g^2 + 7 g^4))) / 2,
    l3 = x^2 (1 - g^2),  l4 = y^2 (1 - g^2)

    Valid everywhere on the coupled plane.

    Args:
      x: first scalar.
      y: second scalar.

    Returns:
      Shape (..., 4): l1 to l4 in this order, not sorted; the sharpness is the largest (1/eta).

    Example:
      >>> [round(float(v), 4) for v in hessian_eigenvalues(2.0, 0.5)]
      [8.5, 0.0, 0.0, 0.0]

    Source: paper, Sec. 3, with its l3, l4 corrected.
    """
    xp = namespace(x, y)
    g2 = (x * y) ** 2
    s = x**2 + y**2
    trace = s * (3 * g2 - 1)
    # A symmetric block has a discriminant >= 0; rounding alone can take it below.
    root = xp.sqrt(xp.maximum(trace**2 + 4 * g2 * (1 - g2) * (3 - 7 * g2), 0))
    return xp.stack(
        [(trace + root) / 2, (trace - root) / 2, x**2 * (1 - g2), y**2 * (1 - g2)], axis=-1
    )


def sharpness_at_minimum(x: Array) -> Array:
    """Sharpness of (1 - x_1 ... x_n)^2 / 2 where the product is 1: sum_i 1 / x_i^2.

    Valid at minima only; other points are not checked.

    Args:
      x: every scalar written out, shape (..., n): the coupled model is (x, y, x, y).

    Returns:
      Sharpness (1/eta), shape (...).

    Example:
      >>> float(sharpness_at_minimum(np.array([2.0, 0.5, 2.0, 0.5])))
      8.5

    Source: derived.
    """
    xp = namespace(x)
    return xp.sum(1 / xp.asarray(x) ** 2, axis=-1)


def gradient_flow_sharpness(x: Array) -> Array:
    """Sharpness of the minimum that gradient flow on (1 - x_1 ... x_n)^2 / 2 reaches from x.

    The flow keeps every x_i^2 - x_j^2, so it ends at x_i^2 + h with prod_i (x_i^2 + h) = 1.

    Valid everywhere.

    Args:
      x: every scalar written out, shape (..., n).

    Returns:
      Sharpness sum_i 1 / (x_i^2 + h) (1/eta), shape (...); NaN where the flow ends at a saddle,
      which is where the product is <= 0 and the two smallest |x_i| are equal.

    Example:
      >>> x = np.array([3.0, 0.1, 3.0, 0.1])
      >>> round(float(gradient_flow_sharpness(x)), 4)
      18.4196

    Source: derived; the quantity is that of Kreisler et al. 2023.
    """
    xp = namespace(x)
    size = xp.sort(abs(xp.asarray(x) * 1.0), axis=-1)
    smallest = size[..., :1]
    excess = (size - smallest) * (size + smallest)

    # The unknown is t = log(h + smallest^2). In it the log of the product is convex, increasing and
    # >= 0 at t = 0, so Newton descends from there to the root and cannot overshoot.
    def newton(_: int, t: Array) -> Array:
        squares = excess + xp.exp(t)
        value = xp.sum(xp.log(squares), axis=-1, keepdims=True)
        return t - value / xp.sum(xp.exp(t) / squares, axis=-1, keepdims=True)

    t = xp.zeros_like(smallest)
    if xp is jnp:
        t = jax.lax.fori_loop(0, _NEWTON_STEPS, newton, t)
    else:
        for i in range(_NEWTON_STEPS):
            t = newton(i, t)
    sharpness = xp.sum(1 / (excess + xp.exp(t)), axis=-1)
    if size.shape[-1] == 1:
        return sharpness
    saddle = (xp.prod(xp.sign(x), axis=-1) <= 0) & (excess[..., 1] == 0)
    return xp.where(saddle, xp.nan, sharpness)


def imbalance_factor(x: Array, eta: Array, i: int, j: int) -> Array:
    """Factor by which one step multiplies x_i^2 - x_j^2, with P = x_1 ... x_n and r = P - 1.

    x_i'^2 - x_j'^2 = (x_i^2 - x_j^2) (1 - eta^2 r^2 P^2 / (x_i^2 x_j^2))

    Exact everywhere, also where scalars vanish.

    Args:
      x: every scalar written out, shape (..., n).
      eta: step size, shape (...).
      i: position of one scalar.
      j: position of another.

    Returns:
      The factor, shape (...).

    Raises:
      ValueError: unless eta > 0 and i, j name two scalars.

    Example:
      >>> float(imbalance_factor(np.array([2.0, 1.0, 1.0]), 0.5, 0, 1))
      0.75

    Source: derived.
    """
    require_positive("eta", eta)
    xp = namespace(x, eta)
    x = xp.asarray(x)
    n = x.shape[-1]
    require("i", i, lambda v: (v >= -n) & (v < n), f"index one of {n} scalars")
    require("j", j, lambda v: (v >= -n) & (v < n) & ((v - i) % n != 0), "index another scalar")
    others = xp.prod(xp.delete(x, np.array([i % n, j % n]), axis=-1), axis=-1)
    return 1 - (eta * (xp.prod(x, axis=-1) - 1) * others) ** 2
