"""What the paper proves: hypotheses and the intervals in which orbits end."""

from typing import NamedTuple

from eos_jax.theory.base import Array, Interval, require_positive


class Theorem31Hypotheses(NamedTuple):
    """Starts covered by Theorem 3.1: eta < eta_max, a_min < a0 < a_max, 0 < |b0| < b_max."""

    eta_max: Array
    a_min: Array
    a_max: Array
    b_max: Array


def theorem_3_1_hypotheses(K: Array, eta: Array) -> Theorem31Hypotheses:
    """Starts covered by Theorem 3.1, for its constant K, "large enough".

    k < 1 / (2000 sqrt(2) K),  12 k^(5/2) < a0 < 1 / (4 K^2 k),  0 < |b0| < 1 / K

    The range of a0 is a hypothesis only for eta < eta_max.

    Args:
      K: the theorem's constant.
      eta: step size.

    Returns:
      Theorem31Hypotheses(eta_max, a_min, a_max, b_max); eta_max = 1 / (8,000,000 K^2) is also the
      bound of Corollary 3.1.

    Raises:
      ValueError: unless K > 0 and eta > 0.

    Example:
      >>> theorem_3_1_hypotheses(10, 1e-10).b_max
      0.1

    Source: paper, Theorem 3.1.
    """
    require_positive("K", K)
    require_positive("eta", eta)
    return Theorem31Hypotheses(
        1 / (8_000_000 * K**2), 12 * eta**1.25, 1 / (4 * K**2 * eta**0.5), 1 / K
    )


def theorem_3_1_interval(eta: Array) -> Interval:
    """Where a ends under Theorem 3.1, while b tends to 0: (-5/3 k^3, -1/10 k^3).

    Proved for `theorem_3_1_hypotheses`; seen for much larger eta.

    Args:
      eta: step size.

    Returns:
      Interval of a.

    Raises:
      ValueError: unless eta > 0.

    Example:
      >>> [round(v, 4) for v in theorem_3_1_interval(0.01)]
      [-0.0017, -0.0001]

    Source: paper, Theorem 3.1.
    """
    require_positive("eta", eta)
    return Interval(-5 * eta**1.5 / 3, -(eta**1.5) / 10)


def corollary_3_1_interval(eta: Array) -> Interval:
    """Where the sharpness ends under Corollary 3.1: (2/eta - 20/3 eta, 2/eta).

    Proved for eta < eta_max of `theorem_3_1_hypotheses`.

    Args:
      eta: step size.

    Returns:
      Interval of sharpness (1/eta).

    Raises:
      ValueError: unless eta > 0.

    Example:
      >>> [round(v, 3) for v in corollary_3_1_interval(0.2)]
      [8.667, 10.0]

    Source: paper, Corollary 3.1.
    """
    require_positive("eta", eta)
    return Interval(2 / eta - 20 * eta / 3, 2 / eta)


def theorem_3_2_interval(eta: Array) -> Interval:
    """Where ||x||^2 + ||y||^2 ends under Theorem 3.2: (1/eta - 10/3 eta, 1/eta).

    Proved for small eta, for ||I - x y^T x y^T||_F^2 / 4 with x, y in R^d and one small
    multiplicative kick of y.

    Args:
      eta: step size.

    Returns:
      Interval of the squared norm (1/eta).

    Raises:
      ValueError: unless eta > 0.

    Example:
      >>> [round(v, 3) for v in theorem_3_2_interval(0.2)]
      [4.333, 5.0]

    Source: paper, Theorem 3.2.
    """
    require_positive("eta", eta)
    return Interval(1 / eta - 10 * eta / 3, 1 / eta)
