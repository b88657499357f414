"""Closed forms for gradient descent at the edge of stability.

The model is the product of four scalars, L(x, y, z, w) = (1 - x y z w)^2 / 2, started with z = x
and w = y. Its minima form a curve, x y = 1, along which the sharpness 2 (x^2 + y^2) takes every
value from 4 upwards. Gradient descent with step size eta ends just below the sharpness 2/eta
because two numbers tell all: b, the signed distance from the curve, flips sign at each step; a, the
place along the curve, falls by an amount proportional to b^2. Seen every second step they follow an
ODE whose orbits all run into one parabola, and the parabola meets the curve of minima at one point.

Source: Zhu, Wang, Wang, Zhou, Ge, "Understanding Edge-of-Stability Training Dynamics with a
Minimalist Example", ICLR 2023 (arXiv 2210.03294), called "paper" below, its known misprints
corrected; "derived" marks results that are not in it.

Throughout, eta is the step size and k = sqrt(eta). Sharpness has the unit 1/eta; time is in steps.
Arguments have any shapes that broadcast, and results the broadcast shape, unless a shape is stated.
Results follow the dtype of the arguments: NumPy and Python numbers stay at their own precision, JAX
arrays give JAX arrays; jit, vmap and grad work. Bad concrete arguments raise; traced values cannot
be looked at and pass unchecked.
"""

import numbers
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

Array = Any  # a Python number, a NumPy array or a JAX array

_NEWTON_STEPS = 40  # fixed, so that reverse mode works; about 10 suffice


class Point(NamedTuple):
    """A point (x, y) of the coupled model."""

    x: Array
    y: Array


class Interval(NamedTuple):
    """An open interval (lower, upper)."""

    lower: Array
    upper: Array


class Theorem31Hypotheses(NamedTuple):
    """Starts covered by Theorem 3.1: eta < eta_max, a_min < a0 < a_max, 0 < |b0| < b_max."""

    eta_max: Array
    a_min: Array
    a_max: Array
    b_max: Array


class FrozenDoublings(NamedTuple):
    """Values of a at which cycles double when a is frozen; see `frozen_doublings`."""

    period_2: Array
    period_4: Array
    paper_period_4: Array


def _require(name, value, holds, condition):
    concrete = isinstance(value, numbers.Number | np.generic | np.ndarray | jax.Array)
    if not concrete or isinstance(value, Tracer):
        return
    values = np.asarray(value)
    bad = values[~np.asarray(holds(values))]
    if bad.size:
        raise ValueError(f"Argument `{name}` must {condition}, but got {bad[0]}.")


def _require_positive(name, value):
    _require(name, value, lambda v: v > 0, "be positive")


def _require_eos_exists(eta):
    _require("eta", eta, lambda v: (v > 0) & (v < 0.5), "lie in (0, 1/2)")


def _require_momentum(name, beta):
    _require(name, beta, lambda v: (v >= 0) & (v < 1), "lie in [0, 1)")


def _namespace(*values):
    """JAX if any argument is a JAX array, else NumPy, which keeps float64 whatever JAX's switch."""
    return jnp if any(isinstance(value, jax.Array) for value in values) else np


def _elementwise(name, value):
    """A NumPy or JAX function; a Python number stays one, so that it cannot widen an array."""
    result = getattr(_namespace(value), name)(value)
    return float(result) if type(value) in (int, float) else result


def _eos_c(eta):
    # Factored, because eta^-2 - 4 cancels as eta approaches 1/2.
    return ((1 / eta - 2) * (1 / eta + 2)) ** 0.25


# Minima and sharpness --------------------------------------------------------------------------


def stability_threshold(eta):
    """Sharpness above which gradient descent leaves a minimum: 2 / eta.

    Args: eta. Returns: sharpness (1/eta). Raises: ValueError unless eta > 0.
    Valid for every twice differentiable loss, near a minimum. Source: paper, Sec. 1.
    >>> stability_threshold(0.2)
    10.0
    """
    _require_positive("eta", eta)
    return 2 / eta


def eos_minimum(eta):
    """Minimum whose sharpness is exactly 2/eta, branch x > y > 0.

    x_E^2 = (1/eta + sqrt(eta^-2 - 4)) / 2,  y_E = 1 / x_E

    Args: eta. Returns: Point(x, y).
    Raises: ValueError unless 0 < eta < 1/2; beyond, every minimum is sharper than 2/eta.
    Valid for the coupled model. Source: paper, Sec. 3.
    >>> [round(float(v), 4) for v in eos_minimum(0.2)]
    [2.1889, 0.4569]
    """
    _require_eos_exists(eta)
    x = ((1 / eta + _eos_c(eta) ** 2) / 2) ** 0.5
    return Point(x, 1 / x)


def hessian_eigenvalues(x, y):
    """Eigenvalues of the full 4 x 4 Hessian at (x, y, x, y), with g = x y and s = x^2 + y^2.

    l1, l2 = (s (3 g^2 - 1) +- sqrt(s^2 (1 - 3 g^2)^2 + 4 g^2 (3 - 10 g^2 + 7 g^4))) / 2,
    l3 = x^2 (1 - g^2),  l4 = y^2 (1 - g^2)

    Args: x, y.
    Returns: (..., 4), l1 to l4 in this order, not sorted; the sharpness is the largest (1/eta).
    Valid everywhere on the coupled plane. Source: paper, Sec. 3, with its l3, l4 corrected.
    >>> [round(float(v), 4) for v in hessian_eigenvalues(2.0, 0.5)]
    [8.5, 0.0, 0.0, 0.0]
    """
    xp = _namespace(x, y)
    g2 = (x * y) ** 2
    s = x**2 + y**2
    trace = s * (3 * g2 - 1)
    # A symmetric block has a discriminant >= 0; rounding alone can take it below.
    root = xp.sqrt(xp.maximum(trace**2 + 4 * g2 * (1 - g2) * (3 - 7 * g2), 0))
    return xp.stack(
        [(trace + root) / 2, (trace - root) / 2, x**2 * (1 - g2), y**2 * (1 - g2)], axis=-1
    )


def sharpness_at_minimum(x):
    """Sharpness of (1 - x_1 ... x_n)^2 / 2 where the product is 1: sum_i 1 / x_i^2.

    Args: x, (..., n), every scalar written out, so the coupled model is (x, y, x, y).
    Returns: sharpness (1/eta), (...).
    Valid at minima only; other points are not checked. Source: derived.
    >>> float(sharpness_at_minimum(np.array([2.0, 0.5, 2.0, 0.5])))
    8.5
    """
    xp = _namespace(x)
    return xp.sum(1 / xp.asarray(x) ** 2, axis=-1)


def gradient_flow_sharpness(x):
    """Sharpness of the minimum that gradient flow on (1 - x_1 ... x_n)^2 / 2 reaches from x.

    The flow keeps every x_i^2 - x_j^2, so it ends at x_i^2 + h with prod_i (x_i^2 + h) = 1.

    Args: x, (..., n), every scalar written out.
    Returns: sum_i 1 / (x_i^2 + h) (1/eta), (...); NaN where the flow ends at a saddle, which is
    where the product is <= 0 and the two smallest |x_i| are equal.
    Valid everywhere. Source: derived; the quantity is that of Kreisler et al. 2023.
    >>> x = np.array([3.0, 0.1, 3.0, 0.1])
    >>> round(float(gradient_flow_sharpness(x)), 4)
    18.4196
    """
    xp = _namespace(x)
    size = xp.sort(abs(xp.asarray(x) * 1.0), axis=-1)
    smallest = size[..., :1]
    excess = (size - smallest) * (size + smallest)

    # The unknown is t = log(h + smallest^2). In it the log of the product is convex, increasing and
    # >= 0 at t = 0, so Newton descends from there to the root and cannot overshoot.
    def newton(_, t):
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


def imbalance_factor(x, eta, i, j):
    """Factor by which one step multiplies x_i^2 - x_j^2, with P = x_1 ... x_n and r = P - 1.

    x_i'^2 - x_j'^2 = (x_i^2 - x_j^2) (1 - eta^2 r^2 P^2 / (x_i^2 x_j^2))

    Args: x, (..., n), every scalar written out; eta, (...); i, j, two positions.
    Returns: the factor, (...). Raises: ValueError unless eta > 0 and i, j name two scalars.
    Exact everywhere, also where scalars vanish. Source: derived.
    >>> float(imbalance_factor(np.array([2.0, 1.0, 1.0]), 0.5, 0, 1))
    0.75
    """
    _require_positive("eta", eta)
    xp = _namespace(x, eta)
    x = xp.asarray(x)
    n = x.shape[-1]
    _require("i", i, lambda v: (v >= -n) & (v < n), f"index one of {n} scalars")
    _require("j", j, lambda v: (v >= -n) & (v < n) & ((v - i) % n != 0), "index another scalar")
    others = xp.prod(xp.delete(x, np.array([i % n, j % n]), axis=-1), axis=-1)
    return 1 - (eta * (xp.prod(x, axis=-1) - 1) * others) ** 2


# Coordinates -----------------------------------------------------------------------------------


def to_cd(x, y):
    """Coordinates along and across the curve of minima: c = sqrt(x^2 - y^2), d = x y.

    Args: x, y. Returns: (c, d); c is NaN where |x| < |y|.
    Valid for |x| >= |y|; minima have d = 1. Source: paper, Sec. 3.
    >>> [float(v) for v in to_cd(5.0, 3.0)]
    [4.0, 15.0]
    """
    return _elementwise("sqrt", (x - y) * (x + y)), x * y


def from_cd(c, d):
    """Point with coordinates (c, d) on the branch x >= |y|, x > 0; there y > 0 where d > 0.

    x^2 = (c^2 + sqrt(c^4 + 4 d^2)) / 2,  y = d / x

    Args: c, d. Returns: Point(x, y).
    Inverse of `to_cd` for c >= 0 and (c, d) != (0, 0). Source: paper, Sec. 3.
    >>> [float(v) for v in from_cd(4.0, 15.0)]
    [5.0, 3.0]
    """
    x = ((c**2 + (c**4 + 4 * d**2) ** 0.5) / 2) ** 0.5
    return Point(x, d / x)


def to_ab(x, y, eta):
    """Offsets from the minimum of sharpness 2/eta: a = c - (eta^-2 - 4)^(1/4), b = d - 1.

    Args: x, y; eta. Returns: (a, b); a is NaN where |x| < |y|.
    Raises: ValueError unless 0 < eta < 1/2.
    Valid for |x| >= |y|. Rounding of a is that of c, about 1/k: at eta = 0.01 float32 holds the
    end -k^3/8 to 1 %, but not the far smaller steps towards it. Source: paper, Sec. 3.
    >>> [round(float(v), 4) for v in to_ab(2.5, 0.4001, 0.2)]
    [0.3271, 0.0003]
    """
    _require_eos_exists(eta)
    c, d = to_cd(x, y)
    return c - _eos_c(eta), d - 1


def from_ab(a, b, eta):
    """Point with offsets (a, b), on the branch x >= |y|, x > 0; there y > 0 where b > -1.

    Args: a, b; eta. Returns: Point(x, y). Raises: ValueError unless 0 < eta < 1/2.
    Inverse of `to_ab` for a >= -(eta^-2 - 4)^(1/4). Source: paper, Sec. 3.
    >>> from_ab(0.0, 0.0, 0.2) == eos_minimum(0.2)
    True
    """
    _require_eos_exists(eta)
    return from_cd(a + _eos_c(eta), b + 1)


# Maps ------------------------------------------------------------------------------------------


def step_cd(c, d, eta):
    """One step of gradient descent of the coupled model, exactly, in (c, d).

    c' = c sqrt(1 - q^2),  d' = d - q sqrt(c^4 + 4 d^2) + q^2 d,  q = eta d (d^2 - 1)

    Args: c, d; eta.
    Returns: (c', d'); c' is NaN where |q| > 1, since the step then ends at |y| > |x|.
    Raises: ValueError unless eta > 0.
    Exact for |q| <= 1. Source: paper, Sec. 3.
    >>> [round(float(v), 4) for v in step_cd(2.0, 1.1, 0.2)]
    [1.9979, 0.8914]
    """
    _require_positive("eta", eta)
    q = eta * d * (d - 1) * (d + 1)
    c_next = c * _elementwise("sqrt", 1 - q**2)
    return c_next, d - q * (c**4 + 4 * d**2) ** 0.5 + q**2 * d


def step_ab(a, b, eta):
    """One step in (a, b) to leading order: a' = a - 2 b^2 k^3, b' = -b - 4 a b k - 3 b^2 - b^3.

    Args: a, b; eta. Returns: (a', b'). Raises: ValueError unless eta > 0.
    Valid for small b, k and a k; errors of b' are of order a b^2 k, a^2 b k^2 and b^2 k^4.
    Source: paper, Sec. 3, with its sign of (k^-4 - 4)^(1/4) and its b^3 k^3 corrected.
    >>> [round(v, 4) for v in step_ab(0.5, 0.1, 0.01)]
    [0.5, -0.151]
    """
    _require_positive("eta", eta)
    k = eta**0.5
    return a - 2 * b**2 * k**3, -b - 4 * a * b * k - 3 * b**2 - b**3


def two_step_ab(a, b, eta):
    """Two steps in (a, b) to leading order: a'' = a - 4 b^2 k^3, b'' = b + 8 a b k - 16 b^3.

    Args: a, b; eta. Returns: (a'', b''). Raises: ValueError unless eta > 0.
    Valid for small b and k, and a k of order b^2. Source: paper, Sec. 3.
    >>> [round(v, 4) for v in two_step_ab(0.5, 0.1, 0.01)]
    [0.5, 0.124]
    """
    return a - 4 * b**2 * eta**1.5, frozen_two_step(a, b, eta)


def two_step_ab_degree_2(a, b, eta):
    """Two steps of the degree 2 model: a'' = a - sqrt(2) b^2 k^3, b'' = b + 4 sqrt(2) a b k.

    Args: a, b; eta. Here, a = c - (4 eta^-2 - 4)^(1/4). Returns: (a'', b'').
    Raises: ValueError unless eta > 0.
    Valid to leading order for the loss (1 - x y)^2 / 2, whose factor 1/2 the submission omits.
    Source: paper, Sec. 4.1.
    >>> [round(v, 4) for v in two_step_ab_degree_2(0.5, 0.1, 0.01)]
    [0.5, 0.1283]
    """
    _require_positive("eta", eta)
    root_2 = 2**0.5
    return a - root_2 * b**2 * eta**1.5, b + 4 * root_2 * a * b * eta**0.5


def frozen_two_step(a, b, eta):
    """Two steps of b with a frozen, to leading order: b'' = b (1 + 8 a k - 16 b^2).

    Args: a, b; eta. Returns: b''. Raises: ValueError unless eta > 0.
    Valid for small b and a k of order b^2; at larger a its cycles double later than those of the
    model, see `frozen_doublings`. Source: paper, Fig. 7c (published 6c).
    >>> round(frozen_two_step(0.5, 0.1, 0.01), 4)
    0.124
    """
    _require_positive("eta", eta)
    return b * (1 + 8 * a * eta**0.5 - 16 * b**2)


def frozen_cubic_step(a, b, eta):
    """One step of b with a frozen, at any size of b.

    d' = (1 + A) d - A d^3,  A = eta c^2,  c = a + (eta^-2 - 4)^(1/4),  d = 1 + b

    Args: a, b; eta. Returns: b' = d' - 1. Raises: ValueError unless 0 < eta < 1/2.
    Valid for small eta at fixed A and d: `step_cd` with c frozen, less terms of order eta^2.
    Source: derived.
    >>> round(frozen_cubic_step(0.0, 0.1, 0.01), 4)
    -0.131
    """
    _require_eos_exists(eta)
    gain = eta * (a + _eos_c(eta)) ** 2
    d = 1 + b
    return b + gain * d * (1 - d) * (1 + d)


def frozen_doublings(eta):
    """Values of a at which cycles of b double when a is frozen.

    `frozen_cubic_step`: A = 1, the minimum gives way to a 2-cycle; A = sqrt(5) - 1, that to a
    4-cycle. `frozen_two_step` sees the 2-cycle as a fixed point, which doubles at a = 1 / (8 k).

    Args: eta. Returns: FrozenDoublings(period_2, period_4, paper_period_4).
    Raises: ValueError unless 0 < eta < 1/2.
    Valid for small eta: at 0.01, period_4 is 1.1189 and the full map's, c frozen, 1.1182.
    Source: derived; paper, Fig. 7c, for the last.
    >>> [round(v, 3) for v in frozen_doublings(0.01)]
    [0.001, 1.119, 1.25]
    """
    _require_eos_exists(eta)
    k = eta**0.5
    return FrozenDoublings(1 / k - _eos_c(eta), (5**0.5 - 1) ** 0.5 / k - _eos_c(eta), 1 / (8 * k))


def balanced_step(u, eta, n):
    """One step of a balanced orbit, all n scalars equal to u: u' = u - eta (u^n - 1) u^(n - 1).

    Args: u; eta; n, number of scalars. Returns: u'. Raises: ValueError unless eta > 0 and n >= 2.
    Exact; balanced starts stay balanced. Source: derived.
    >>> round(balanced_step(1.1, 0.25, 4), 4)
    0.9456
    """
    _require_positive("eta", eta)
    _require("n", n, lambda v: v >= 2, "be at least 2")
    return u - eta * (u**n - 1) * u ** (n - 1)


def balanced_first_doubling(n):
    """Step size at which the balanced minimum u = 1 gives way to a 2-cycle: 2 / n.

    Args: n, number of scalars. Returns: step size. Raises: ValueError unless n >= 2.
    Exact. Source: derived.
    >>> balanced_first_doubling(4)
    0.5
    """
    _require("n", n, lambda v: v >= 2, "be at least 2")
    return 2 / n


# The two-step ODE ------------------------------------------------------------------------------


def two_step_slope(a, b, eta):
    """Slope of the two-step ODE: db/da = (16 b^3 - 8 a b k) / (4 b^2 k^3).

    Args: a, b; eta. Returns: the slope; orbits run towards smaller a.
    Raises: ValueError unless eta > 0.
    Valid where `two_step_ab` is, for b != 0. Source: paper, Sec. 3.
    >>> round(two_step_slope(0.5, 0.1, 0.01), 4)
    -600.0
    """
    _require_positive("eta", eta)
    k = eta**0.5
    return (4 * b**2 - 2 * a * k) / (b * k**3)


def two_step_orbit(a, constant, eta):
    """Orbits of the two-step ODE: b^2 = a k / 2 + k^4 / 16 + C exp(8 a / k^3).

    Args: a; constant, C, which the start fixes; eta.
    Returns: b^2; negative where the orbit does not reach. Raises: ValueError unless eta > 0.
    Valid where `two_step_ab` is. As a falls the exponential dies and every orbit joins the
    parabola C = 0. Source: paper, Sec. 3.
    >>> float(two_step_orbit(0.0, 1.0, 1.0))
    1.0625
    """
    k = eta**0.5
    return parabola(a, eta) + constant * _elementwise("exp", 8 * a / k**3)


def parabola(a, eta):
    """Parabola that attracts every two-step orbit: b^2 = a k / 2 + k^4 / 16.

    Args: a; eta. Returns: b^2; negative beyond `parabola_end`. Raises: ValueError unless eta > 0.
    Valid where `two_step_ab` is. Source: paper, Sec. 3.
    >>> round(parabola(0.5, 0.01), 7)
    0.0250063
    """
    _require_positive("eta", eta)
    return a * eta**0.5 / 2 + eta**2 / 16


def parabola_end(eta):
    """Place where the parabola meets the curve of minima and orbits end: a = -k^3 / 8.

    Args: eta. Returns: a. Raises: ValueError unless eta > 0.
    Valid to leading order; the sharpness there is `predicted_sharpness`. Source: paper, Sec. 3.
    >>> round(parabola_end(0.04), 6)
    -0.001
    """
    _require_positive("eta", eta)
    return -(eta**1.5) / 8


def ellipse_degree_2(a, constant, eta):
    """Two-step orbits of the degree 2 model: b^2 = 4 (C - a^2) / k^2.

    Args: a; constant, C, which the start fixes; eta.
    Returns: b^2; negative beyond the ends a = +-sqrt(C). C differs, so final sharpness does too.
    Raises: ValueError unless eta > 0.
    Valid where `two_step_ab_degree_2` is; solves db/da = -4 a / (b k^2). Source: paper, Sec. 4.1.
    >>> ellipse_degree_2(0.5, 0.5, 1.0)
    1.0
    """
    _require_positive("eta", eta)
    return 4 * (constant - a**2) / eta


# Theorems --------------------------------------------------------------------------------------


def theorem_3_1_hypotheses(K, eta):
    """Starts covered by Theorem 3.1, for its constant K, "large enough".

    k < 1 / (2000 sqrt(2) K),  12 k^(5/2) < a0 < 1 / (4 K^2 k),  0 < |b0| < 1 / K

    Args: K; eta.
    Returns: Theorem31Hypotheses(eta_max, a_min, a_max, b_max); eta_max = 1 / (8,000,000 K^2) is
    also the bound of Corollary 3.1.
    Raises: ValueError unless K > 0 and eta > 0.
    The range of a0 is a hypothesis only for eta < eta_max. Source: paper, Theorem 3.1.
    >>> theorem_3_1_hypotheses(10, 1e-10).b_max
    0.1
    """
    _require_positive("K", K)
    _require_positive("eta", eta)
    return Theorem31Hypotheses(
        1 / (8_000_000 * K**2), 12 * eta**1.25, 1 / (4 * K**2 * eta**0.5), 1 / K
    )


def theorem_3_1_interval(eta):
    """Where a ends under Theorem 3.1, while b tends to 0: (-5/3 k^3, -1/10 k^3).

    Args: eta. Returns: Interval of a. Raises: ValueError unless eta > 0.
    Proved for `theorem_3_1_hypotheses`; seen for much larger eta. Source: paper, Theorem 3.1.
    >>> [round(v, 4) for v in theorem_3_1_interval(0.01)]
    [-0.0017, -0.0001]
    """
    _require_positive("eta", eta)
    return Interval(-5 * eta**1.5 / 3, -(eta**1.5) / 10)


def corollary_3_1_interval(eta):
    """Where the sharpness ends under Corollary 3.1: (2/eta - 20/3 eta, 2/eta).

    Args: eta. Returns: Interval of sharpness (1/eta). Raises: ValueError unless eta > 0.
    Proved for eta < eta_max of `theorem_3_1_hypotheses`. Source: paper, Corollary 3.1.
    >>> [round(v, 3) for v in corollary_3_1_interval(0.2)]
    [8.667, 10.0]
    """
    _require_positive("eta", eta)
    return Interval(2 / eta - 20 * eta / 3, 2 / eta)


def theorem_3_2_interval(eta):
    """Where ||x||^2 + ||y||^2 ends under Theorem 3.2: (1/eta - 10/3 eta, 1/eta).

    Args: eta. Returns: Interval of the squared norm (1/eta). Raises: ValueError unless eta > 0.
    Proved for small eta, for ||I - x y^T x y^T||_F^2 / 4 with x, y in R^d and one small
    multiplicative kick of y. Source: paper, Theorem 3.2.
    >>> [round(v, 3) for v in theorem_3_2_interval(0.2)]
    [4.333, 5.0]
    """
    _require_positive("eta", eta)
    return Interval(1 / eta - 10 * eta / 3, 1 / eta)


# Predictions -----------------------------------------------------------------------------------


def predicted_sharpness(eta):
    """Final sharpness of the coupled model: 2/eta - eta/2.

    Args: eta. Returns: sharpness (1/eta). Raises: ValueError unless 0 < eta < 1/2.
    Valid for starts with a0 well above k^3, up to an error of order eta^3. Source: derived.
    >>> round(predicted_sharpness(0.1), 3)
    19.95
    """
    _require_eos_exists(eta)
    return 2 / eta - eta / 2


def predicted_sharpness_scalars(eta, n, m):
    """Final sharpness of n equal large and m equal small scalars, loss (1 - X^n Y^m)^2 / 2.

    S = 2/eta - 3 n / (2 (m - 1) (5 m - 4)) (m eta / 2)^(m / n)

    Args: eta; n, m, numbers of scalars. Returns: sharpness (1/eta).
    Raises: ValueError unless eta > 0, n >= 1 and m >= 2: with m = 1 nothing concentrates.
    Valid to leading order, up to a factor 1 + O(eta^(1 + m/n)) of the gap. Source: derived.
    >>> round(predicted_sharpness_scalars(0.1, 1, 2), 4)
    19.9975
    """
    _require_positive("eta", eta)
    _require("n", n, lambda v: v >= 1, "be at least 1")
    _require("m", m, lambda v: v >= 2, "be at least 2")
    return 2 / eta - 3 * n / (2 * (m - 1) * (5 * m - 4)) * (m * eta / 2) ** (m / n)


def predicted_sharpness_of_product_loss(eta, l2, l3, l4):
    """Final sharpness of a loss l(x y), the two scalars free.

    S = 2/eta - 3 eta l2^4 / (3 l3^2 - l2 l4)

    Args: eta; l2, l3, l4, derivatives of l of those orders at its minimum.
    Returns: sharpness (1/eta).
    Raises: ValueError unless eta > 0, l2 > 0 and 3 l3^2 > l2 l4: without the last nothing
    concentrates, as for (1 - x y)^2 / 2.
    Valid to leading order for small eta, wherever the minimum of l lies. Source: derived.
    >>> round(predicted_sharpness_of_product_loss(0.1, 2.0, 6.0, 6.0), 3)
    19.95
    """
    _require_positive("eta", eta)
    _require_positive("l2", l2)
    cubic = 3 * l3**2 - l2 * l4
    _require("3 l3^2 - l2 l4", cubic, lambda v: v > 0, "be positive")
    return 2 / eta - 3 * eta * l2**4 / cubic


def final_multiplier(eta):
    """Factor by which each step finally multiplies |b|: 1 - eta^2 / 2.

    Args: eta. Returns: the factor; the loss falls as exp(-eta^2 t), t in steps.
    Raises: ValueError unless 0 < eta < 1/2.
    Valid where `predicted_sharpness` is, up to an error of order eta^4. Source: derived.
    >>> round(final_multiplier(0.1), 3)
    0.995
    """
    _require_eos_exists(eta)
    return 1 - eta**2 / 2


# Thresholds of other optimizers ----------------------------------------------------------------


def heavy_ball_threshold(eta, beta):
    """Stability threshold of heavy ball momentum: 2 (1 + beta) / eta.

    Args: eta; beta, momentum. Returns: sharpness (1/eta).
    Raises: ValueError unless eta > 0 and 0 <= beta < 1.
    Exact on a quadratic for x' = x - eta g + beta (x - x_previous). Source: Cohen et al. 2021.
    >>> round(heavy_ball_threshold(0.2, 0.9), 6)
    19.0
    """
    _require_positive("eta", eta)
    _require_momentum("beta", beta)
    return 2 * (1 + beta) / eta


def nesterov_threshold(eta, beta):
    """Stability threshold of Nesterov momentum: (2 / eta) (1 + beta) / (1 + 2 beta).

    Args: eta; beta, momentum. Returns: sharpness (1/eta).
    Raises: ValueError unless eta > 0 and 0 <= beta < 1.
    Exact on a quadratic for x' = v - eta g(v), v = x + beta (x - x_previous).
    Source: Cohen et al. 2021.
    >>> round(nesterov_threshold(0.2, 0.5), 6)
    7.5
    """
    _require_positive("eta", eta)
    _require_momentum("beta", beta)
    return 2 * (1 + beta) / (eta * (1 + 2 * beta))


def adam_threshold(eta, beta1):
    """Threshold of the preconditioned sharpness under Adam: (2 + 2 beta1) / ((1 - beta1) eta).

    Args: eta; beta1, decay of the first moment.
    Returns: sharpness of P^-1 H (1/eta), P the preconditioner.
    Raises: ValueError unless eta > 0 and 0 <= beta1 < 1.
    Exact on a quadratic with P frozen, after bias correction has faded.
    Source: Cohen et al. 2022.
    >>> round(adam_threshold(0.1, 0.9), 6)
    380.0
    """
    _require_positive("eta", eta)
    _require_momentum("beta1", beta1)
    return (2 + 2 * beta1) / ((1 - beta1) * eta)


def sam_threshold(eta, rho, gradient_norm):
    """Sharpness at which SAM bounces across a valley, neither growing nor shrinking.

    ||g|| / (2 rho) (sqrt(1 + 8 rho / (eta ||g||)) - 1)

    Args: eta; rho, radius; gradient_norm, ||g||. Returns: sharpness (1/eta); 2/eta at rho = 0.
    Raises: ValueError unless eta > 0, rho >= 0 and gradient_norm > 0.
    Exact along an eigenvector of a quadratic, for the step g(x + rho g / ||g||).
    Source: Long and Bartlett 2023.
    >>> round(sam_threshold(0.1, 0.1, 1.0), 6)
    10.0
    """
    _require_positive("eta", eta)
    _require("rho", rho, lambda v: v >= 0, "not be negative")
    _require_positive("gradient_norm", gradient_norm)
    # Multiplied by its conjugate, which neither cancels nor divides by rho = 0.
    return 4 / (eta * (1 + (1 + 8 * rho / (eta * gradient_norm)) ** 0.5))
