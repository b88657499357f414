"""One and two steps of gradient descent as maps: exact, to leading order, and with a frozen."""

from typing import NamedTuple

from eos_jax.theory.base import (
    Array,
    elementwise,
    eos_c,
    require,
    require_eos_exists,
    require_positive,
)


class FrozenDoublings(NamedTuple):
    """Values of a at which cycles double when a is frozen; see `frozen_doublings`."""

    period_2: Array
    period_4: Array
    paper_period_4: Array


def step_cd(c: Array, d: Array, eta: Array) -> tuple[Array, Array]:
    """One step of gradient descent of the coupled model, exactly, in (c, d).

    c' = c sqrt(1 - q^2),  d' = d - q sqrt(c^4 + 4 d^2) + q^2 d,  q = eta d (d^2 - 1)

    Exact for |q| <= 1.

    Args:
      c: coordinate along the curve of minima, sqrt(x^2 - y^2).
      d: coordinate across the curve of minima, x y.
      eta: step size.

    Returns:
      (c', d'); c' is NaN where |q| > 1, since the step then ends at |y| > |x|.

    Raises:
      ValueError: unless eta > 0.

    Example:
      >>> [round(float(v), 4) for v in step_cd(2.0, 1.1, 0.2)]
      [1.9979, 0.8914]

    Source: paper, Sec. 3.
    """
    require_positive("eta", eta)
    q = eta * d * (d - 1) * (d + 1)
    c_next = c * elementwise("sqrt", 1 - q**2)
    return c_next, d - q * (c**4 + 4 * d**2) ** 0.5 + q**2 * d


def step_ab(a: Array, b: Array, eta: Array) -> tuple[Array, Array]:
    """One step in (a, b) to leading order: a' = a - 2 b^2 k^3, b' = -b - 4 a b k - 3 b^2 - b^3.

    Valid for small b, k and a k; errors of b' are of order a b^2 k, a^2 b k^2 and b^2 k^4.

    Args:
      a: offset along the curve of minima; see `to_ab`.
      b: offset across the curve of minima; see `to_ab`.
      eta: step size.

    Returns:
      (a', b').

    Raises:
      ValueError: unless eta > 0.

    Example:
      >>> [round(v, 4) for v in step_ab(0.5, 0.1, 0.01)]
      [0.5, -0.151]

    Source: paper, Sec. 3, with its sign of (k^-4 - 4)^(1/4) and its b^3 k^3 corrected.
    """
    require_positive("eta", eta)
    k = eta**0.5
    return a - 2 * b**2 * k**3, -b - 4 * a * b * k - 3 * b**2 - b**3


def two_step_ab(a: Array, b: Array, eta: Array) -> tuple[Array, Array]:
    """Two steps in (a, b) to leading order: a'' = a - 4 b^2 k^3, b'' = b + 8 a b k - 16 b^3.

    Valid for small b and k, and a k of order b^2.

    Args:
      a: offset along the curve of minima; see `to_ab`.
      b: offset across the curve of minima; see `to_ab`.
      eta: step size.

    Returns:
      (a'', b'').

    Raises:
      ValueError: unless eta > 0.

    Example:
      >>> [round(v, 4) for v in two_step_ab(0.5, 0.1, 0.01)]
      [0.5, 0.124]

    Source: paper, Sec. 3.
    """
    return a - 4 * b**2 * eta**1.5, frozen_two_step(a, b, eta)


def two_step_ab_degree_2(a: Array, b: Array, eta: Array) -> tuple[Array, Array]:
    """Two steps of the degree 2 model: a'' = a - sqrt(2) b^2 k^3, b'' = b + 4 sqrt(2) a b k.

    Valid to leading order for the loss (1 - x y)^2 / 2, whose factor 1/2 the submission omits.

    Args:
      a: offset along the curve of minima, here c - (4 eta^-2 - 4)^(1/4).
      b: offset across the curve of minima; see `to_ab`.
      eta: step size.

    Returns:
      (a'', b'').

    Raises:
      ValueError: unless eta > 0.

    Example:
      >>> [round(v, 4) for v in two_step_ab_degree_2(0.5, 0.1, 0.01)]
      [0.5, 0.1283]

    Source: paper, Sec. 4.1.
    """
    require_positive("eta", eta)
    root_2 = 2**0.5
    return a - root_2 * b**2 * eta**1.5, b + 4 * root_2 * a * b * eta**0.5


def frozen_two_step(a: Array, b: Array, eta: Array) -> Array:
    """Two steps of b with a frozen, to leading order: b'' = b (1 + 8 a k - 16 b^2).

    Valid for small b and a k of order b^2; at larger a its cycles double later than those of the
    model, see `frozen_doublings`.

    Args:
      a: offset along the curve of minima; see `to_ab`.
      b: offset across the curve of minima; see `to_ab`.
      eta: step size.

    Returns:
      b''.

    Raises:
      ValueError: unless eta > 0.

    Example:
      >>> round(frozen_two_step(0.5, 0.1, 0.01), 4)
      0.124

    Source: paper, Fig. 7c (published 6c).
    """
    require_positive("eta", eta)
    return b * (1 + 8 * a * eta**0.5 - 16 * b**2)


def frozen_cubic_step(a: Array, b: Array, eta: Array) -> Array:
    """One step of b with a frozen, at any size of b.

    d' = (1 + A) d - A d^3,  A = eta c^2,  c = a + (eta^-2 - 4)^(1/4),  d = 1 + b

    Valid for small eta at fixed A and d: `step_cd` with c frozen, less terms of order eta^2.

    Args:
      a: offset along the curve of minima; see `to_ab`.
      b: offset across the curve of minima; see `to_ab`.
      eta: step size.

    Returns:
      b' = d' - 1.

    Raises:
      ValueError: unless 0 < eta < 1/2.

    Example:
      >>> round(frozen_cubic_step(0.0, 0.1, 0.01), 4)
      -0.131

    Source: derived.
    """
    require_eos_exists(eta)
    gain = eta * (a + eos_c(eta)) ** 2
    d = 1 + b
    return b + gain * d * (1 - d) * (1 + d)


def frozen_doublings(eta: Array) -> FrozenDoublings:
    """Values of a at which cycles of b double when a is frozen.

    `frozen_cubic_step`: A = 1, the minimum gives way to a 2-cycle; A = sqrt(5) - 1, that to a
    4-cycle. `frozen_two_step` sees the 2-cycle as a fixed point, which doubles at a = 1 / (8 k).

    Valid for small eta: at 0.01, period_4 is 1.1189 and the full map's, c frozen, 1.1182.

    Args:
      eta: step size.

    Returns:
      FrozenDoublings(period_2, period_4, paper_period_4).

    Raises:
      ValueError: unless 0 < eta < 1/2.

    Example:
      >>> [round(v, 3) for v in frozen_doublings(0.01)]
      [0.001, 1.119, 1.25]

    Source: derived; paper, Fig. 7c, for the last.
    """
    require_eos_exists(eta)
    k = eta**0.5
    return FrozenDoublings(1 / k - eos_c(eta), (5**0.5 - 1) ** 0.5 / k - eos_c(eta), 1 / (8 * k))


def balanced_step(u: Array, eta: Array, n: Array) -> Array:
    """One step of a balanced orbit, all n scalars equal to u: u' = u - eta (u^n - 1) u^(n - 1).

    Exact; balanced starts stay balanced.

    Args:
      u: what every scalar is equal to.
      eta: step size.
      n: number of scalars.

    Returns:
      u'.

    Raises:
      ValueError: unless eta > 0 and n >= 2.

    Example:
      >>> round(balanced_step(1.1, 0.25, 4), 4)
      0.9456

    Source: derived.
    """
    require_positive("eta", eta)
    require("n", n, lambda v: v >= 2, "be at least 2")
    return u - eta * (u**n - 1) * u ** (n - 1)


def balanced_first_doubling(n: Array) -> Array:
    """Step size at which the balanced minimum u = 1 gives way to a 2-cycle: 2 / n.

    Exact.

    Args:
      n: number of scalars.

    Returns:
      Step size.

    Raises:
      ValueError: unless n >= 2.

    Example:
      >>> balanced_first_doubling(4)
      0.5

    Source: derived.
    """
    require("n", n, lambda v: v >= 2, "be at least 2")
    return 2 / n
