"""Cascades: a cycle doubles, the doubled one doubles, each found where the normal form puts it."""

import functools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax.analysis.bifurcations import Bifurcation, polished
from eos_jax.analysis.cycles import flat, unflat
from eos_jax.analysis.equations import check_free, one_lane, tools_of
from eos_jax.analysis.maps import System, as_system
from eos_jax.analysis.normal_forms import eigenvectors
from eos_jax.checks import check_count

FEIGENBAUM = 4.669201609102990
"""Limit of the ratio of successive doubling intervals of maps with a quadratic maximum."""


def cascade(
    system: Any,
    start: Mapping[str, Any],
    hyper: Any,
    count: int,
    free: str = "eta",
    period: int = 1,
    *,
    rule: Any = None,
) -> list[Bifurcation]:
    """A cascade: a cycle doubles, the doubled one doubles, and so on, each by `bifurcation`.

    Beside each flip the doubled cycle is found where the normal form puts it, and followed until
    its multiplier is near -1; no orbit has to be attracted by anything.

    Args:
      system: as in `bifurcation`.
      start: a point near the first cycle.
      hyper: with `free` near the first flip.
      count: flips at most.
      free: name of the hyperparameter that moves.
      period: of the first cycle.
      rule: of an objective; gradient descent by default.

    Returns:
      The flips in order; fewer where one cannot be found, for example since a flip sheds an
      unstable cycle.

    Raises:
      ValueError: as in `bifurcation`.

    Example:
      >>> import eos_jax as eos
      >>> found = eos.analysis.cascade(eos.analysis.logistic(), {"x": 0.6}, {"r": 2.9}, 3, "r")
      >>> [round(point.parameter, 6) for point in found]
      [3.0, 3.44949, 3.54409]

    Source: Feigenbaum 1978; the step from flip to cycle is that of Kuznetsov 2004, section 10.3.
    """
    check_count("count", count)
    check_count("period", period)
    system = as_system(system, rule)
    check_free(system, free)
    tools = tools_of(system, free)
    found: list[Bifurcation] = []
    with jax.enable_x64(True):
        point, hyper = one_lane(system, start, hyper)
        here = polished("flip", system, free, point, hyper, period)
        while here.found:
            found.append(here)
            if len(found) == count:
                break
            following = _next_flip(system, tools, free, point, hyper, here)
            if following is None:
                break
            here = following
    return found


def _next_flip(system, tools, free, point, hyper, flip):
    """The flip of the cycle that a flip doubles into, or None."""
    cycle = functools.partial(_cycle, tools, free, point, hyper)
    born = _doubled(cycle, flip) if flip.coefficient > 0 else None
    reached = born and _followed(cycle, 2 * flip.period, flip.parameter, *born)
    if not reached:
        return None
    h, doubled = reached
    at, base = {**hyper, free: jnp.asarray(h)}, unflat(point, jnp.asarray(doubled))
    following = polished("flip", system, free, base, at, 2 * flip.period)
    reach = h - flip.parameter
    gone_astray = not following.found or abs(following.parameter - flip.parameter) > 3 * abs(reach)
    return None if gone_astray else following


def doubled(
    system: System, flip: Bifurcation, hyper: Mapping[str, Any], free: str
) -> tuple[float, Any] | None:
    """The cycle that a flip sheds, stable or not: where it is known, and its (params, state)."""
    with jax.enable_x64(True):
        point, hyper = one_lane(system, flip.point, {**hyper, free: flip.parameter}, flip.state)
        born = _doubled(functools.partial(_cycle, tools_of(system, free), free, point, hyper), flip)
        return None if born is None else (born.h, unflat(point, jnp.asarray(born.z)))


def _cycle(tools, free, point, hyper, z, h, period):
    """The cycle near z, its matrix and residual; an infinite one where there is none."""
    base = unflat(point, jnp.asarray(z))
    found = tools.cycle(base, {**hyper, free: jnp.asarray(h)}, period)
    z, matrix, residual = np.asarray(found[0]), np.asarray(found[1]), float(found[3])
    fine = np.isfinite(matrix).all() and np.isfinite(z).all()
    return (z, matrix, residual) if fine else (z, np.zeros_like(matrix), math.inf)


def _nearest(matrix, target):
    """The multiplier that is nearest to a target, its real part."""
    values = np.linalg.eigvals(matrix)
    return float(values[np.argmin(np.abs(values - target))].real)


class _Doubled(NamedTuple):
    """A cycle that was born in a flip.

    Attributes:
      h: the hyperparameter where it is known.
      z: a point of it.
      matrix: of its iterate.
      apart: its distance from the cycle that flipped.
      at_birth: det(1 + matrix) where it was born.
    """

    h: float
    z: np.ndarray
    matrix: np.ndarray
    apart: float
    at_birth: float


def _doubled(cycle, flip) -> _Doubled | None:
    """The doubled cycle a little beyond a flip, where the normal form puts it."""
    period, h0 = flip.period, flip.parameter
    small = 1e-5 * max(abs(h0), 1e-3) / period
    first = np.asarray(flat((dict(flip.point), flip.state)))
    z0, matrix0, _ = cycle(first, h0, period)
    up, down = (_nearest(cycle(z0, h0 + sign * small, period)[1], -1) for sign in (1, -1))
    slope = (up - down) / (2 * small)
    if not (math.isfinite(slope) and slope != 0 and flip.coefficient != 0):
        return None
    side = math.copysign(1, flip.coefficient)  # on the other one the cycle that flips attracts
    q = np.real(eigenvectors(matrix0, -1)[0])
    at_birth = float(np.linalg.det(np.eye(len(q)) + matrix0 @ matrix0))
    for part in (0.02, 0.005, 0.1, 0.001):
        excess = side * part  # how far beyond -1 the old cycle's multiplier is
        h = h0 - excess / slope
        z = cycle(z0, h, period)[0]
        amplitude = math.sqrt(excess / flip.coefficient)
        doubled, matrix, residual = cycle(z + amplitude * q, h, 2 * period)
        apart = float(np.abs(doubled - z).max())
        if residual < 1e-9 and 0.3 * amplitude < apart < 3 * amplitude:
            return _Doubled(h, doubled, matrix, apart, at_birth)
    return None


def _followed(cycle, period, h0, h, z, matrix, apart, at_birth):
    """Where a cycle born at h0 is about to double itself, and a point of it there."""

    def progress(matrix):
        """From 1 where the cycle is born to -1 where it flips; in one dimension, mu."""
        return float(2 * np.linalg.det(np.eye(len(matrix)) + matrix) / at_birth - 1)

    mu = progress(matrix)
    first = reach = h - h0
    last = (h0, 1.0)
    for _ in range(60):
        if mu < -0.8:
            break
        rate = (mu - last[1]) / (h - last[0])
        wanted = h + (-1 - mu) / rate if rate * reach < 0 else h + reach
        step = np.clip((wanted - h) / reach, 0.05, 1.0) * reach
        for _ in range(12):
            moved, matrix, residual = cycle(z, h + step, period)
            new = progress(matrix)
            near = 2 * apart * math.sqrt(reach / first)  # it grows like a square root
            jumped = np.abs(moved - z).max() > near or new > mu + 1e-3 or new < -1.6
            if residual < 1e-9 and not jumped:
                break
            step /= 2
        else:
            return None
        last, h, mu, z, reach = (h, mu), h + step, new, moved, h + step - h0
    return h, z


def ratios(points: list[Bifurcation]) -> np.ndarray:
    """Ratios of successive intervals of a cascade, which tend to Feigenbaum's constant.

    Args:
      points: at least three.

    Returns:
      Shape (points - 2,).

    Example:
      >>> import eos_jax as eos
      >>> found = eos.analysis.cascade(eos.analysis.logistic(), {"x": 0.6}, {"r": 2.9}, 5, "r")
      >>> print(eos.analysis.ratios(found).round(2))
      [4.75 4.66 4.67]

    Source: Feigenbaum 1978.
    """
    gaps = np.diff([point.parameter for point in points])
    return gaps[:-1] / gaps[1:]


__all__ = ["FEIGENBAUM", "cascade", "ratios"]
