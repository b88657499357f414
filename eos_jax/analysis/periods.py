"""How an orbit repeats: its period, where a cycle doubles, where a sampled curve splits in two."""

import inspect
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from eos_jax.analysis.bifurcations import bifurcation
from eos_jax.analysis.cascades import cascade
from eos_jax.analysis.maps import own_map


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


def doubling(step: Callable, p: int, x: float, parameter: float) -> tuple[float, float]:
    """The parameter at which a cycle of period p of a map of the line doubles: a flip.

    f^p(x) = x,  (f^p)'(x) = -1

    Args:
      step: (x, parameter) -> x', a JAX function of scalars.
      p: period of the cycle that doubles.
      x: a point near the cycle.
      parameter: a value near the doubling.

    Returns:
      (x, parameter) at the doubling, float64; NaN where Newton does not settle.

    Example:
      >>> x, r = doubling(lambda x, r: r * x * (1 - x), 1, 0.6, 2.9)  # the logistic map, at 3
      >>> print(round(r, 9))
      3.0
    """
    system, name, free = _of_the_line(step)
    found = bifurcation("flip", system, {name: x}, {free: parameter}, free, p)
    return float(found.point[name]), found.parameter


def doublings(step: Callable, x: float, parameter: float, count: int) -> list[float]:
    """The parameters of a whole cascade of a map of the line; see `eos_jax.analysis.cascade`.

    Args:
      step: (x, parameter) -> x', a JAX function of scalars.
      x: a point near the first cycle.
      parameter: a value near the first doubling.
      count: how many.

    Returns:
      The parameters, in order.

    Example:
      >>> found = doublings(lambda x, r: r * x * (1 - x), 0.6, 2.9, 3)
      >>> print([round(r, 6) for r in found])
      [3.0, 3.44949, 3.54409]

    Source: Feigenbaum 1978, "Quantitative universality for a class of nonlinear transformations".
    """
    system, name, free = _of_the_line(step)
    found = cascade(system, {name: x}, {free: parameter}, count, free)
    return [point.parameter for point in found]


def _of_the_line(step):
    name, free = inspect.signature(step).parameters
    return own_map(step, [name]), name, free


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
