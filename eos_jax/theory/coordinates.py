"""Coordinates along and across the curve of minima, and back."""

from eos_jax.theory.base import Array, Point, elementwise, eos_c, require_eos_exists


def to_cd(x: Array, y: Array) -> tuple[Array, Array]:
    """Coordinates along and across the curve of minima: c = sqrt(x^2 - y^2), d = x y.

    Valid for |x| >= |y|; minima have d = 1.

    Args:
      x: first scalar.
      y: second scalar.

    Returns:
      (c, d); c is NaN where |x| < |y|.

    Example:
      >>> [float(v) for v in to_cd(5.0, 3.0)]
      [4.0, 15.0]

    Source: paper, Sec. 3.
    """
    return elementwise("sqrt", (x - y) * (x + y)), x * y


def from_cd(c: Array, d: Array) -> Point:
    """Point with coordinates (c, d) on the branch x >= |y|, x > 0; there y > 0 where d > 0.

    x^2 = (c^2 + sqrt(c^4 + 4 d^2)) / 2,  y = d / x

    Inverse of `to_cd` for c >= 0 and (c, d) != (0, 0).

    Args:
      c: coordinate along the curve of minima, sqrt(x^2 - y^2).
      d: coordinate across the curve of minima, x y.

    Returns:
      Point(x, y).

    Example:
      >>> [float(v) for v in from_cd(4.0, 15.0)]
      [5.0, 3.0]

    Source: paper, Sec. 3.
    """
    x = ((c**2 + (c**4 + 4 * d**2) ** 0.5) / 2) ** 0.5
    return Point(x, d / x)


def to_ab(x: Array, y: Array, eta: Array) -> tuple[Array, Array]:
    """Offsets from the minimum of sharpness 2/eta: a = c - (eta^-2 - 4)^(1/4), b = d - 1.

    Valid for |x| >= |y|. Rounding of a is that of c, about 1/k: at eta = 0.01 float32 holds the end
    -k^3/8 to 1 %, but not the far smaller steps towards it.

    Args:
      x: first scalar.
      y: second scalar.
      eta: step size.

    Returns:
      (a, b); a is NaN where |x| < |y|.

    Raises:
      ValueError: unless 0 < eta < 1/2.

    Example:
      >>> [round(float(v), 4) for v in to_ab(2.5, 0.4001, 0.2)]
      [0.3271, 0.0003]

    Source: paper, Sec. 3.
    """
    require_eos_exists(eta)
    c, d = to_cd(x, y)
    return c - eos_c(eta), d - 1


def from_ab(a: Array, b: Array, eta: Array) -> Point:
    """Point with offsets (a, b), on the branch x >= |y|, x > 0; there y > 0 where b > -1.

    Inverse of `to_ab` for a >= -(eta^-2 - 4)^(1/4).

    Args:
      a: offset along the curve of minima; see `to_ab`.
      b: offset across the curve of minima; see `to_ab`.
      eta: step size.

    Returns:
      Point(x, y).

    Raises:
      ValueError: unless 0 < eta < 1/2.

    Example:
      >>> from eos_jax.theory import eos_minimum
      >>> from_ab(0.0, 0.0, 0.2) == eos_minimum(0.2)
      True

    Source: paper, Sec. 3.
    """
    require_eos_exists(eta)
    return from_cd(a + eos_c(eta), b + 1)
