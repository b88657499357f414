"""Branches of cycles, followed along their arc through folds, with the points where they change."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from eos_jax.analysis.bifurcations import Bifurcation, polished
from eos_jax.analysis.cycles import ordered, unflat
from eos_jax.analysis.equations import check_free, one_lane, tools_of
from eos_jax.analysis.maps import as_system
from eos_jax.checks import check_count


class Branch(NamedTuple):
    """A branch of cycles, followed along its arc, through folds.

    Attributes:
      parameter: the hyperparameter along it, shape (points,).
      points: a point of each cycle, by parameter, shape (points,) + its own.
      multipliers: shape (points, dimension), the largest first.
      special: the flips, folds and Neimark-Sacker points on it, in order.
      end: why it ends, in words.
      free: name of the hyperparameter.
      period: of its cycles.
    """

    parameter: np.ndarray
    points: dict[str, np.ndarray]
    multipliers: np.ndarray
    special: list[Bifurcation]
    end: str
    free: str = "eta"
    period: int = 1

    @property
    def stable(self) -> np.ndarray:
        """Whether the cycle attracts, along the branch."""
        return np.abs(self.multipliers).max(axis=-1) < 1

    def to_dataset(self) -> xr.Dataset:
        """The branch with labels: along `point`, and along `special` where it changes.

        Example:
          >>> import eos_jax as eos
          >>> branch = eos.analysis.continuation(
          ...     eos.analysis.logistic(), {"x": 0.5}, {"r": 2.0}, (1.2, 3.4), "r"
          ... )
          >>> ds = branch.to_dataset()
          >>> print(ds.special_kind.values, ds.special_r.values.round(6), bool(ds.stable[0]))
          ['flip'] [3.] True
        """
        name = {"long_name": self.free.replace("_", " "), "units": "1"}
        found: dict[str, Any] = {
            self.free: ("point", self.parameter, name),
            f"special_{self.free}": ("special", [s.parameter for s in self.special], name),
            "special_kind": ("special", np.array([s.kind for s in self.special], "U16")),
            "stable": ("point", self.stable, {"long_name": "whether the cycle attracts"}),
            "multiplier": ("point", np.abs(self.multipliers).max(axis=-1),
                           {"long_name": "modulus of the largest multiplier", "units": "1"}),
        }  # fmt: skip
        for n, values in self.points.items():
            own = tuple(f"{n}_{i}" for i in range(values.ndim - 1))
            words = {"long_name": f"{n} on the cycle", "units": "1"}
            found[n] = (("point", *own), values, words)
            places = np.reshape([s.point[n] for s in self.special], (-1, *values.shape[1:]))
            found[f"special_{n}"] = (("special", *own), places, words)
        attrs = {"free": self.free, "period": self.period, "end": self.end,
                 "parameters": list(self.points)}  # fmt: skip
        return xr.Dataset(found, attrs=attrs)


def continuation(
    system: Any,
    start: Mapping[str, Any],
    hyper: Any,
    within: tuple[float, float],
    free: str = "eta",
    period: int = 1,
    *,
    rule: Any = None,
    state: Any = None,
    size: float = 0.01,
    points: int = 2000,
    backwards: bool = False,
    most: int | None = None,
) -> Branch:
    """The branch of cycles through one, by pseudo-arclength, with the points where it changes.

    Args:
      system: a `System`, or an objective.
      start: a point near a cycle.
      hyper: hyperparameters there.
      within: the least and the greatest value of the free one.
      free: name of the hyperparameter that moves.
      period: p.
      rule: of an objective; gradient descent by default.
      state: of the rule near the cycle.
      size: longest step along the arc, in parts of the width of `within`; it adapts.
      points: at most.
      backwards: begin towards smaller values.
      most: flips, folds and Neimark-Sacker points after which the branch ends; all by default.

    Returns:
      The branch.

    Raises:
      ValueError: if no cycle is near the start, or `within` is not an interval around it.

    Example:
      >>> import eos_jax as eos
      >>> branch = eos.analysis.continuation(
      ...     eos.analysis.logistic(), {"x": 0.5}, {"r": 2.0}, (1.2, 3.4), "r"
      ... )
      >>> [(point.kind, round(point.parameter, 9)) for point in branch.special]
      [('flip', 3.0)]

    Source: Keller 1977; Kuznetsov 2004, section 10.2.
    """
    check_count("period", period)
    check_count("points", points)
    system = as_system(system, rule)
    check_free(system, free)
    low, high = within
    tools = tools_of(system, free)
    with jax.enable_x64(True):
        point, hyper = one_lane(system, start, hyper, state)
        h = float(hyper[free])
        if not low <= h <= high or not low < high:
            raise ValueError(
                f"Argument `within` must be an interval around {free} = {h}, but got {within}."
            )
        z, matrix, _length, residual = tools.cycle(point, hyper, period)
        if not (residual < 1e-9 * (1 + jnp.max(jnp.abs(z)))):
            raise ValueError(f"Argument `start` must be near a cycle of period {period}.")
        scale = high - low
        first = _direction(tools, z, matrix, h, scale, point, hyper, period, free)
        if (first[-1] > 0) == backwards:
            first = -first
        rows, special, end = _follow(
            system, tools, free, point, hyper, period, (z, h, first, matrix), scale, within, size,
            points, most or points,
        )  # fmt: skip
        zs = jnp.asarray(np.stack([row[0] for row in rows]))
        params = jax.vmap(lambda z: unflat(point, z)[0])(zs)
    multipliers = np.stack([ordered(np.linalg.eigvals(row[2])) for row in rows])
    return Branch(
        np.array([row[1] for row in rows]),
        {n: np.asarray(params[n]) for n in system.objective.parameters},
        multipliers,
        special,
        end,
        free,
        period,
    )


def _direction(tools, z, matrix, h, scale, point, hyper, period, free):
    """The branch's direction at a regular cycle, by how the cycle moves with the parameter."""
    small = 1e-6 * scale
    moved, *_ = tools.cycle(unflat(point, z), {**hyper, free: jnp.asarray(h + small)}, period)
    direction = np.append((np.asarray(moved) - np.asarray(z)) / small * scale, 1.0)
    return direction / np.linalg.norm(direction)


def _follow(system, tools, free, point, hyper, period, first, scale, within, size, points, most):
    z, h, direction, matrix = first
    rows: list[Any] = [(np.asarray(z), h, np.asarray(matrix), direction)]
    special: list[Bifurcation] = []
    step, end = size / 4, f"{points} points"

    def half_way(z, h):
        """From a point of the cycle to the one half a period on; none of an odd period."""
        if period % 2:
            return np.ones(1)
        at = {**hyper, free: jnp.asarray(h)}
        return np.asarray(tools.iterate(jnp.asarray(z), point, at, period // 2)) - np.asarray(z)

    here = half_way(z, h)
    for _ in range(points - 1):
        while True:
            found = tools.arc(z, jnp.asarray(h), direction, step, scale, point, hyper, period)
            new, value, ahead, _, residual, matrix = (np.asarray(leaf) for leaf in found)
            turned = float(ahead @ direction)
            good = residual < 1e-10 * (1 + np.abs(new).max()) and abs(turned) > 0.9
            if good or step < 1e-7:
                break
            step /= 2
        if not good:
            end = "Newton's method no longer settles"
            break
        ahead = ahead if turned > 0 else -ahead
        row = (new, float(value), matrix, ahead)
        if not within[0] <= value <= within[1]:
            end = "the end of the interval"
            break
        there = half_way(new, value)
        if here @ there < 0:  # the two halves of the cycle have changed places
            end = f"the flip that it is born at, of a cycle of period {period // 2}"
            break
        special += _between(system, tools, free, point, hyper, period, rows[-1], row)
        rows.append(row)
        z, h, direction, here = new, float(value), ahead, there
        if len(special) >= most:
            end = f"{most} points where it changes"
            break
        step = min(size, step * (1.5 if turned > 0.99 else 0.8))
    return rows, special, end


def _between(system, tools, free, point, hyper, period, before, after):
    """Special points between two neighbours of a branch, polished."""
    kinds = []
    counts = [_counts(row[2]) for row in (before, after)]
    if counts[0][0] != counts[1][0]:
        kinds.append("flip")
    if before[3][-1] * after[3][-1] < 0:
        kinds.append("fold")
    if counts[0][1] != counts[1][1]:
        kinds.append("neimark_sacker")
    found = []
    middle = (before[0] + after[0]) / 2
    for kind in kinds:
        for z, h, matrix in (
            (middle, (before[1] + after[1]) / 2, (before[2] + after[2]) / 2),
            before[:3],
            after[:3],
        ):
            at = {**hyper, free: jnp.asarray(h)}
            base = unflat(point, jnp.asarray(z))
            one = polished(kind, system, free, base, at, period, (jnp.asarray(z), matrix))
            reach = 3 * abs(after[1] - before[1]) + 1e-6 * (1 + abs(h))
            if one.found and abs(one.parameter - h) < reach:
                found.append(one)
                break
    return found


def _counts(matrix):
    """How many real multipliers are below -1, and how many complex ones outside the circle."""
    values = np.linalg.eigvals(matrix)
    real = np.abs(values.imag) < 1e-9
    return int((real & (values.real < -1)).sum()), int((~real & (np.abs(values) > 1)).sum())


__all__ = ["Branch", "continuation"]
