"""The two-step map as an ODE: its orbits, and the parabola that attracts them."""

from eos_jax.theory.base import Array, elementwise, require_positive


def two_step_slope(a: Array, b: Array, eta: Array) -> Array:
    """Slope of the two-step ODE: db/da = (16 b^3 - 8 a b k) / (4 b^2 k^3).

    Valid where `two_step_ab` is, for b != 0.

    Args:
      a: offset along the curve of minima; see `to_ab`.
      b: offset across the curve of minima; see `to_ab`.
      eta: step size.

    Returns:
      The slope; orbits run towards smaller a.

    Raises:
      ValueError: unless eta > 0.

    Example:
      >>> round(two_step_slope(0.5, 0.1, 0.01), 4)
      -600.0

    Source: paper, Sec. 3.
    """
    require_positive("eta", eta)
    k = eta**0.5
    return (4 * b**2 - 2 * a * k) / (b * k**3)


def two_step_orbit(a: Array, constant: Array, eta: Array) -> Array:
    """Orbits of the two-step ODE: b^2 = a k / 2 + k^4 / 16 + C exp(8 a / k^3).

    Valid where `two_step_ab` is. As a falls the exponential dies and every orbit joins the parabola
    C = 0.

    Args:
      a: offset along the curve of minima; see `to_ab`.
      constant: C, which the start fixes.
      eta: step size.

    Returns:
      b^2; negative where the orbit does not reach.

    Raises:
      ValueError: unless eta > 0.

    Example:
      >>> float(two_step_orbit(0.0, 1.0, 1.0))
      1.0625

    Source: paper, Sec. 3.
    """
    k = eta**0.5
    return parabola(a, eta) + constant * elementwise("exp", 8 * a / k**3)


def parabola(a: Array, eta: Array) -> Array:
    """Parabola that attracts every two-step orbit: b^2 = a k / 2 + k^4 / 16.

    Valid where `two_step_ab` is.

    Args:
      a: offset along the curve of minima; see `to_ab`.
      eta: step size.

    Returns:
      b^2; negative beyond `parabola_end`.

    Raises:
      ValueError: unless eta > 0.

    Example:
      >>> round(parabola(0.5, 0.01), 7)
      0.0250063

    Source: paper, Sec. 3.
    """
    require_positive("eta", eta)
    return a * eta**0.5 / 2 + eta**2 / 16


def parabola_end(eta: Array) -> Array:
    """Place where the parabola meets the curve of minima and orbits end: a = -k^3 / 8.

    Valid to leading order; the sharpness there is `predicted_sharpness`.

    Args:
      eta: step size.

    Returns:
      a, the offset along the curve of minima.

    Raises:
      ValueError: unless eta > 0.

    Example:
      >>> round(parabola_end(0.04), 6)
      -0.001

    Source: paper, Sec. 3.
    """
    require_positive("eta", eta)
    return -(eta**1.5) / 8


def ellipse_degree_2(a: Array, constant: Array, eta: Array) -> Array:
    """Two-step orbits of the degree 2 model: b^2 = 4 (C - a^2) / k^2.

    Valid where `two_step_ab_degree_2` is; solves db/da = -4 a / (b k^2).

    Args:
      a: offset along the curve of minima; see `two_step_ab_degree_2`.
      constant: C, which the start fixes.
      eta: step size.

    Returns:
      b^2; negative beyond the ends a = +-sqrt(C). C differs, so final sharpness does too.

    Raises:
      ValueError: unless eta > 0.

    Example:
      >>> ellipse_degree_2(0.5, 0.5, 1.0)
      1.0

    Source: paper, Sec. 4.1.
    """
    require_positive("eta", eta)
    return 4 * (constant - a**2) / eta
