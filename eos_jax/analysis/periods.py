"""How an orbit repeats: its period, where a cycle doubles, where a sampled curve splits in two.

A cycle of a one-parameter family of maps x' = f(x, parameter) doubles where its multiplier, the
derivative of the p-th iterate, passes -1. There the cycle is found by Newton on the pair of
equations f^p(x) = x, (f^p)'(x) = -1, which is regular although the cycle itself is about to go.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from eos_jax.loops import advance

FEIGENBAUM = 4.669201609102990
"""Limit of the ratio of successive doubling intervals of maps with a quadratic maximum."""


def period(orbit: ArrayLike, tolerance: float, longest: int = 64) -> np.ndarray:
    """Smallest p such that x_{t+p} = x_t within a tolerance, for all t that the orbit shows.

    Args:
      orbit: shape (times, ...), at least twice `longest` times.
      tolerance: largest difference that counts as none.
      longest: largest period looked for.

    Returns:
      Integers of shape (...); 0 where no period was found.

    Raises:
      ValueError: if the orbit is shorter than twice `longest`.

    Example:
      >>> import numpy as np
      >>> print(period(np.array([1.0, 2.0, 3.0] * 6), 1e-9, longest=8))
      3
    """
    orbit = np.asarray(orbit)
    if len(orbit) < 2 * longest:
        raise ValueError(
            f"Argument `orbit` must have at least {2 * longest} times, but got {len(orbit)}."
        )
    result = np.zeros(orbit.shape[1:], int)
    for p in range(longest, 0, -1):
        repeats = np.all(np.abs(orbit[p:] - orbit[:-p]) <= tolerance, axis=0)
        result = np.where(repeats, p, result)
    return result


def doubling(
    step: Callable, p: int, x: float, parameter: float, iterations: int = 60
) -> tuple[float, float]:
    """The parameter at which a cycle of period p doubles, by Newton from a nearby cycle.

    f^p(x) = x,  (f^p)'(x) = -1

    Args:
      step: (x, parameter) -> x', a JAX function of scalars.
      p: period of the cycle that doubles.
      x: a point near the cycle.
      parameter: a value near the doubling.
      iterations: Newton steps at most.

    Returns:
      (x, parameter) at the doubling, float64; NaN where Newton does not settle.

    Example:
      >>> x, r = doubling(lambda x, r: r * x * (1 - x), 1, 0.6, 2.9)  # the logistic map, at 3
      >>> print(round(r, 9))
      3.0
    """
    with jax.enable_x64(True):
        unknowns = jnp.array([x, parameter], jnp.float64)
        equations, slopes = _doubling_equations(step)
        for _ in range(iterations):
            move = jnp.linalg.solve(slopes(unknowns, p), equations(unknowns, p))
            unknowns = unknowns - move
            size = float(jnp.max(jnp.abs(move)))
            if not size > 1e-15 * float(jnp.max(jnp.abs(unknowns))):  # settled, or NaN
                break
        x, parameter = (float(v) for v in unknowns)
    return (x, parameter) if size < 1e-9 else (float("nan"), float("nan"))


def _doubling_equations(step):
    def iterate(x, parameter, p):
        return advance(lambda x: step(x, parameter), x, p)

    def equations(unknowns, p):
        x, parameter = unknowns
        tangent = jnp.ones_like(x)
        end, slope = jax.jvp(lambda x: iterate(x, parameter, p), (x,), (tangent,))
        return jnp.stack([end - x, slope + 1])

    return jax.jit(equations), jax.jit(jax.jacfwd(equations))


def doublings(step: Callable, x: float, parameter: float, offset: float, count: int) -> list[float]:
    """The parameters of a whole cascade: cycles of period 1, 2, 4, ... double one after another.

    Each is looked for where the last two and Feigenbaum's constant put it, from a point of the
    cycle found by iterating a little before it.

    Args:
      step: (x, parameter) -> x', a JAX function of scalars.
      x: a start that is attracted by the cycles.
      parameter: a value near the first doubling.
      offset: roughly the distance from the first to the second, its sign included.
      count: how many.

    Returns:
      The parameters, in order.

    Example:
      >>> found = doublings(lambda x, r: r * x * (1 - x), 0.3, 3.0, 0.45, 3)
      >>> print([round(r, 6) for r in found])
      [3.0, 3.44949, 3.54409]

    Source: Feigenbaum 1978, "Quantitative universality for a class of nonlinear transformations".
    """
    found = []
    with jax.enable_x64(True):
        settle = jax.jit(
            lambda parameter: advance(
                lambda x: step(x, parameter), jnp.asarray(x, jnp.float64), 20_000
            )
        )
        guess, gap = parameter, offset
        for level in range(count):
            before = guess - 0.1 * gap
            found.append(doubling(step, 2**level, float(settle(before)), guess)[1])
            if level:
                gap = (found[-1] - found[-2]) / FEIGENBAUM
            guess = found[-1] + gap
    return found


def splitting_point(parameter: ArrayLike, curve: ArrayLike, lower: float, upper: float) -> float:
    """Where a curve splits in two, from how its branches part: width^2 is linear in the parameter.

    Near a doubling the branches lie a distance w apart, w^2 = s (p - p*) + O((p - p*)^2). The
    parabola through w^2 within a window is carried to its zero, so that neither the time an orbit
    needs to notice the split nor the threshold of a detector biases the result.

    Args:
      parameter: shape (samples,), drifting slowly.
      curve: shape (samples,), the orbit at these samples, alternating between two branches.
      lower: the window's end towards the split; beyond it the branches may not have met yet.
      upper: the window's other end.

    Returns:
      p*; NaN if fewer than ten samples lie in the window or the parabola has no zero.

    Example:
      >>> import numpy as np
      >>> p = np.linspace(2.0, 1.0, 1001)
      >>> curve = (-1.0) ** np.arange(1001) * np.sqrt(np.maximum(p - 1.2, 0))
      >>> print(round(splitting_point(p, curve, 1.3, 1.5), 3))
      1.2
    """
    parameter, curve = np.asarray(parameter), np.asarray(curve)
    middle = (parameter[1:] + parameter[:-1]) / 2
    inside = (middle > min(lower, upper)) & (middle < max(lower, upper))
    if inside.sum() < 10:
        return float("nan")
    squares = np.diff(curve)[inside] ** 2
    roots = np.polynomial.Polynomial.fit(middle[inside], squares, 2).roots()
    real = roots[np.isreal(roots)].real
    return float(real[np.argmin(np.abs(real - lower))]) if len(real) else float("nan")
