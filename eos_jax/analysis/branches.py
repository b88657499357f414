"""Branches of cycles, followed along their arc through folds, with the points where they change."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from eos_jax.analysis.bifurcations import Bifurcation, polished
from eos_jax.analysis.cycles import flat, ordered, unflat
from eos_jax.analysis.equations import check_free, one_lane, tools_of
from eos_jax.analysis.maps import as_system
from eos_jax.checks import check_count

KINDS = ("flip", "fold", "neimark_sacker")
"""What a branch is looked at for, in the order of their numbers in datasets."""


class Branch(NamedTuple):
    """A branch of cycles, followed along its arc, through folds.

    Attributes:
      parameter: the hyperparameter along it, shape (points,).
      points: all points of each cycle, by parameter, shape (points, period) + its own.
      multipliers: shape (points, dimension), the largest first.
      special: the flips, folds and Neimark-Sacker points on it, in order.
      special_points: all points of the cycles there, as `points`.
      end: why it ends, in words.
      free: name of the hyperparameter.
      period: of its cycles.
    """

    parameter: np.ndarray
    points: dict[str, np.ndarray]
    multipliers: np.ndarray
    special: list[Bifurcation]
    special_points: dict[str, np.ndarray]
    end: str
    free: str = "eta"
    period: int = 1

    @property
    def stable(self) -> np.ndarray:
        """Whether the cycle attracts, along the branch."""
        return np.abs(self.multipliers).max(axis=-1) < 1

    def to_dataset(self) -> xr.Dataset:
        """The branch with labels: along `point`, and along `special` where it changes.

        A cycle of period p has p rows, one for each `phase`.

        Example:
          >>> import eos_jax as eos
          >>> branch = eos.analysis.continuation(
          ...     eos.analysis.logistic(), {"x": 0.5}, {"r": 2.0}, (1.2, 3.4), "r"
          ... )
          >>> ds = branch.to_dataset()
          >>> print(ds.special_r.values.round(6), bool(ds.cycle_stable[0]))
          [3.] True
        """
        rows = {
            f"cycle_{self.free}": self.parameter,
            "cycle_period": np.full(len(self.parameter), self.period),
            "cycle_stable": self.stable.astype(np.uint8),
            "cycle_multiplier": np.abs(self.multipliers).max(axis=-1),
        }
        marks = {
            f"special_{self.free}": [s.parameter for s in self.special],
            "special_period": np.full(len(self.special), self.period),
            "special_kind": np.array([KINDS.index(s.kind) for s in self.special], np.uint8),
            "special_coefficient": [s.coefficient for s in self.special],
            "special_angle": [s.angle for s in self.special],
        }
        found: dict[str, Any] = {}
        for dim, columns, points in (("point", rows, self.points),
                                     ("special", marks, self.special_points)):  # fmt: skip
            each, prefix = self.period, {"point": "cycle", "special": "special"}[dim]
            for name, values in columns.items():
                found[name] = ((dim,), np.tile(np.asarray(values), each))
            count = len(next(iter(columns.values())))
            found[f"{prefix}_phase"] = ((dim,), np.repeat(np.arange(each), count))
            found[f"{prefix}_branch"] = ((dim,), np.zeros(count * each, int))
            for name, values in points.items():
                own = tuple(f"{name}_{i}" for i in range(values.ndim - 2))
                turned = np.swapaxes(values, 0, 1).reshape(-1, *values.shape[2:])
                found[f"{prefix}_{name}"] = ((dim, *own), turned)
        labelled = {n: (*v, _words(n.partition("_")[2], self.free)) for n, v in found.items()}
        attrs = {"free": self.free, "parameters": list(self.points), "end": self.end}
        return xr.Dataset(labelled, attrs=attrs)


_WORDS = {
    "period": ("period of the cycle", "steps"),
    "phase": ("which point of the cycle", "1"),
    "branch": ("number of the branch", "1"),
    "stable": ("whether the cycle attracts", "1"),
    "multiplier": ("modulus of the largest multiplier", "1"),
    "coefficient": ("coefficient of the normal form", "1"),
    "angle": ("angle of the multiplier on the circle", "rad"),
    "kind": ("how the cycle changes", "1"),
    "eta": ("step size", "1"),
}


def _words(name, free):
    own = (f"{name} on the cycle" if name != free else name.replace("_", " "), "1")
    words = dict(zip(("long_name", "units"), _WORDS.get(name, own)))
    if name == "kind":
        words |= {"flag_values": np.arange(3, dtype=np.uint8), "flag_meanings": " ".join(KINDS)}
    return words


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
        at = [({**hyper, free: jnp.asarray(row[1])}, row[0]) for row in rows]
        at += [({**hyper, free: jnp.asarray(s.parameter)}, flat((s.point, s.state)))
               for s in special]  # fmt: skip
        orbits = [tools.orbit(jnp.asarray(z), point, lane, period) for lane, z in at]
        orbits = {n: np.stack([np.asarray(o[n]) for o in orbits])
                  for n in system.objective.parameters}  # fmt: skip
    return Branch(
        np.array([row[1] for row in rows]),
        {n: values[: len(rows)] for n, values in orbits.items()},
        np.stack([ordered(np.linalg.eigvals(row[2])) for row in rows]),
        special,
        {n: values[len(rows) :] for n, values in orbits.items()},
        end,
        free,
        period,
    )


def both_ways(*given: Any, **more: Any) -> Branch:
    """The whole branch through a cycle: `continuation` from it backwards and forwards, as one."""
    before, after = (continuation(*given, **more, backwards=way) for way in (True, False))

    def joined(a, b):
        return np.concatenate([a[:0:-1], b])  # both begin with the cycle given

    return after._replace(
        parameter=joined(before.parameter, after.parameter),
        points={n: joined(before.points[n], v) for n, v in after.points.items()},
        multipliers=joined(before.multipliers, after.multipliers),
        special=[*before.special[::-1], *after.special],
        special_points={n: np.concatenate([before.special_points[n][::-1], v])
                        for n, v in after.special_points.items()},
        end=f"{before.end}; {after.end}",
    )  # fmt: skip


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


__all__ = ["KINDS", "Branch", "both_ways", "continuation"]
