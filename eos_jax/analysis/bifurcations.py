"""Where a cycle changes: flips, folds, superstable and Neimark-Sacker points, to rounding.

At a flip the cycle doubles, at a fold two cycles meet and vanish, at a Neimark-Sacker point an
invariant circle is born. The normal form's coefficient says which way.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax.analysis.cycles import ordered, unflat
from eos_jax.analysis.equations import (
    MULTIPLIERS,
    check_free,
    circle_guess,
    one_lane,
    real_guess,
    tools_of,
)
from eos_jax.analysis.maps import System, as_system
from eos_jax.analysis.normal_forms import coefficient_of
from eos_jax.checks import check_choice, check_count


class Bifurcation(NamedTuple):
    """A point where a cycle changes.

    Attributes:
      kind: "flip", "fold", "superstable" or "neimark_sacker".
      parameter: the hyperparameter's value there; NaN if none was found.
      period: of the cycle.
      point: a point of the cycle, by parameter.
      multipliers: all of them there, the largest first.
      coefficient: of the normal form, for an eigenvector of length 1. Flip: positive where the
        doubled cycle is stable beside it. Fold: c of the two cycles at +-sqrt((h - h*)/c) along the
        eigenvector, positive where they are there for larger h. Neimark-Sacker: negative where the
        circle that is born is stable. NaN for a superstable point.
      residual: what is left of the equations.
      angle: theta of a Neimark-Sacker point, in (0, pi); else NaN.
      state: of the rule at the point, to go on from.
    """

    kind: str
    parameter: float
    period: int
    point: dict[str, Any]
    multipliers: np.ndarray
    coefficient: float
    residual: float
    angle: float = math.nan
    state: Any = ()

    def __repr__(self) -> str:
        """Kind, place, period and a point of the cycle."""
        point = ", ".join(f"{n} {np.round(v, 6).tolist()}" for n, v in self.point.items())
        return f"Bifurcation({self.kind} at {self.parameter:.9g}, period {self.period}: {point})"

    @property
    def found(self) -> bool:
        """Whether there is one."""
        return math.isfinite(self.parameter)


def bifurcation(
    kind: str,
    system: Any,
    start: Mapping[str, Any],
    hyper: Any,
    free: str = "eta",
    period: int = 1,
    *,
    rule: Any = None,
    state: Any = None,
) -> Bifurcation:
    """The point near a start where a cycle flips, folds, is superstable or sheds a circle.

    Args:
      kind: "flip", "fold", "superstable" or "neimark_sacker".
      system: a `System`, or an objective.
      start: a point near the cycle, a number for each parameter.
      hyper: the step size, or a dict of hyperparameters, `free` near the point looked for.
      free: name of the hyperparameter that moves.
      period: p, of the cycle.
      rule: of an objective; gradient descent by default.
      state: of the rule near the cycle; by default as the rule begins it.

    Returns:
      The point; its parameter is NaN where Newton's method does not settle.

    Raises:
      ValueError: if the kind is unknown or a name does not fit.

    Example:
      >>> import eos_jax as eos
      >>> found = eos.analysis.bifurcation(
      ...     "flip", eos.objectives.scalar_product((4,)), {"x": 1.1}, 0.45
      ... )
      >>> print(round(found.parameter, 12), found.coefficient > 0)
      0.5 True

    Source: Kuznetsov 2004, "Elements of Applied Bifurcation Theory", chapters 4, 5 and 10.
    """
    check_choice("kind", kind, MULTIPLIERS)
    check_count("period", period)
    system = as_system(system, rule)
    check_free(system, free)
    with jax.enable_x64(True):
        point, hyper = one_lane(system, start, hyper, state)
        return polished(kind, system, free, point, hyper, period)


def polished(
    kind: str, system: System, free: str, point: Any, hyper: Any, period: int, guess: Any = None
) -> Bifurcation:
    """The point by Newton's method from the cycle near a point, or from (z, matrix) itself."""
    tools = tools_of(system, free)
    z, matrix = guess if guess is not None else tools.cycle(point, hyper, period)[:2]
    if not np.isfinite(np.asarray(matrix)).all():
        return _none(kind, system, period)
    target, h = MULTIPLIERS[kind], hyper[free]
    angle = math.nan
    if target is not None:
        first = real_guess(z, matrix, h, target)
        u, length, residual = tools.real(first, target, point, hyper, period)
    else:
        first = circle_guess(z, matrix, h)
        if first is None:
            return _none(kind, system, period)
        u, length, residual = tools.circle(first, first, point, hyper, period)
        angle = math.atan2(abs(u[-2]), u[-3])
    value, residual = float(u[-1]), float(residual)
    scale = 1 + float(jnp.max(jnp.abs(u)))
    settled = length < 1e-8 * scale and residual < 1e-9 * scale
    if not settled or (target is None and not 1e-6 < angle < math.pi - 1e-6):
        return _none(kind, system, period)
    hyper = {**hyper, free: u[-1]}
    z = u[: z.size]
    matrix = np.asarray(tools.matrix(z, point, hyper, period))
    coefficient = coefficient_of(kind, tools, z, point, hyper, period, matrix, angle)
    params, state = jax.tree.map(lambda leaf: np.asarray(leaf)[()], unflat(point, z))
    return Bifurcation(
        kind, value, period, {n: params[n] for n in system.objective.parameters},
        ordered(np.linalg.eigvals(matrix)), coefficient, residual, angle, state,
    )  # fmt: skip


def _none(kind, system, period):
    nothing = {n: math.nan for n in system.objective.parameters}
    return Bifurcation(
        kind, math.nan, period, nothing, np.full(1, np.nan, complex), math.nan, math.inf
    )


__all__ = ["Bifurcation", "bifurcation"]
