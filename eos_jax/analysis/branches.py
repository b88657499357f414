"""Branches of cycles, followed along their arc through folds, with the points where they change."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from eos_jax.analysis.bifurcations import Bifurcation, polished
from eos_jax.analysis.cycles import flat, ordered, unflat
from eos_jax.analysis.equations import Tools, check_free, one_lane, tools_of
from eos_jax.analysis.maps import System, as_system
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

    def __repr__(self) -> str:
        """Its period, length and ends, what is on it, and why it ends."""
        ends = f"{self.free} {self.parameter[0]:.6g} to {self.parameter[-1]:.6g}"
        special = ", ".join(point.kind for point in self.special) or "no bifurcation"
        return (
            f"Branch(period {self.period}, {len(self.parameter)} points, {ends}; {special}; "
            f"{self.end})"
        )

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
            "special_multiplier": [np.abs(s.multipliers).max() for s in self.special],
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
    repelling: float = math.inf,
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
      repelling: modulus of a multiplier beyond which a branch is not followed. Long cycles that
        repel strongly lie so close that steps along the arc must be small.

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
            raise ValueError(
                f"Argument `start` must be near a cycle of period {period}, but none was found."
            )
        course = _Course(system, tools, free, point, hyper, period, high - low)
        first = _direction(course, z, h)
        if (first[-1] > 0) == backwards:
            first = -first
        row = course.row(z, h, matrix, first)
        limits = _Limits(within, size, points, most or points, repelling)
        rows, special, end = _follow(course, row, limits)
        orbits = [row.orbit for row in rows] + [
            course.row(flat((s.point, s.state)), s.parameter, matrix, first).orbit for s in special
        ]
        named = jax.vmap(jax.vmap(lambda z: unflat(point, z)[0]))(jnp.asarray(np.stack(orbits)))
        orbits = {n: np.asarray(named[n]) for n in system.objective.parameters}
    return Branch(
        np.array([row.h for row in rows]),
        {n: values[: len(rows)] for n, values in orbits.items()},
        np.stack([ordered(np.linalg.eigvals(row.matrix)) for row in rows]),
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


class _Row(NamedTuple):
    """A place on a branch.

    Attributes:
      z: a point of the cycle, all that moves.
      h: the free hyperparameter.
      matrix: of the cycle's linearised iterate.
      direction: of the branch, in (z, h/scale), of length 1.
      orbit: all points of the cycle, shape (period, n).
      drift: how they move along the arc.
    """

    z: np.ndarray
    h: float
    matrix: np.ndarray
    direction: np.ndarray
    orbit: np.ndarray
    drift: np.ndarray


ROOM = 64
"""Points of a cycle up to which nothing is compiled anew."""


class _Course(NamedTuple):
    """What stays the same along a branch; the point's counts and keys are held."""

    system: System
    tools: Tools
    free: str
    point: Any
    hyper: dict[str, Any]
    period: int
    scale: float

    def at(self, h: float) -> dict[str, Any]:
        """The hyperparameters with the free one moved."""
        return {**self.hyper, self.free: jnp.asarray(h)}

    def cycle(self, z: Any, h: float) -> Any:
        """The cycle near a point: z, matrix, length of the last step, residual."""
        return self.tools.cycle(unflat(self.point, jnp.asarray(z)), self.at(h), self.period)

    def row(self, z: Any, h: float, matrix: Any, direction: np.ndarray) -> _Row:
        """A place, with all points of its cycle."""
        room = max(ROOM, 2 ** (self.period - 1).bit_length())
        moves = jnp.asarray(direction[:-1]), jnp.asarray(direction[-1] * self.scale)
        orbit, drift = self.tools.orbit(
            jnp.asarray(z), *moves, self.point, self.at(h), self.period, room=room
        )
        seen = np.asarray(orbit)[: self.period], np.asarray(drift)[: self.period]
        return _Row(np.asarray(z), float(h), np.asarray(matrix), direction, *seen)


class _Limits(NamedTuple):
    """Where a branch ends, and the longest step."""

    within: tuple[float, float]
    size: float
    points: int
    most: int
    repelling: float


def _direction(course: _Course, z: Any, h: float) -> np.ndarray:
    """The branch's direction at a regular cycle, by how the cycle moves with the parameter."""
    small = 1e-6 * course.scale
    moved = course.cycle(z, h + small)[0]
    direction = np.append((np.asarray(moved) - np.asarray(z)) / small * course.scale, 1.0)
    return direction / np.linalg.norm(direction)


def _follow(course: _Course, row: _Row, limits: _Limits) -> tuple[list[_Row], list, str]:
    """Places along a branch, the points where it changes, and why it ends."""
    rows: list[_Row] = [row]
    special: list[Bifurcation] = []
    step, half = limits.size / 4, course.period // 2
    for _ in range(limits.points - 1):
        following, step = _stride(course, rows[-1], step)
        if following is None:
            return rows, special, "Newton's method no longer settles"
        row = following
        if not limits.within[0] <= row.h <= limits.within[1]:
            rows += _at_the_end(course, rows[-1], row, limits.within)
            return rows, special, "the end of the interval"
        here, there = (r.orbit[half] - r.orbit[0] for r in (rows[-1], row))
        if course.period % 2 == 0 and here @ there < 0:  # its two halves have changed places
            return rows, special, f"the flip that it is born at, of a cycle of period {half}"
        special += _between(course, rows[-1], row)
        straight = row.direction @ rows[-1].direction > 0.99
        rows.append(row)
        if len(special) >= limits.most:
            return rows, special, f"{limits.most} points where it changes"
        if np.abs(np.linalg.eigvals(row.matrix)).max() > limits.repelling:
            return rows, special, f"a multiplier beyond {limits.repelling:g}"
        step = min(limits.size, step * (1.5 if straight else 0.8))
    return rows, special, f"{limits.points} points"


def _stride(course: _Course, row: _Row, step: float) -> tuple[_Row | None, float]:
    """The next place, and the step that it took; None where even a tiny one fails.

    Where a curve bends by less than arccos 0.9 in a step, it is less than a quarter of the step off
    its tangent. Another branch may be as near at one point of the cycle, but not at all of them.
    """
    fastest = max(1.0, float(np.abs(row.drift).max()))
    while True:
        found = course.tools.arc(
            row.z, jnp.asarray(row.h), row.direction, step, course.scale, course.point,
            course.hyper, course.period,
        )  # fmt: skip
        z, h, ahead, _, residual, matrix = (np.asarray(leaf) for leaf in found)
        turned = float(ahead @ row.direction)
        if residual < 1e-10 * (1 + np.abs(z).max()) and abs(turned) > 0.9:
            new = course.row(z, float(h), matrix, ahead if turned > 0 else -ahead)
            off = np.abs(new.orbit - row.orbit - step * row.drift).max()
            if off < step * fastest / 4:
                return new, step
        if step < 1e-7:
            return None, step
        step /= 2


def _at_the_end(
    course: _Course, row: _Row, beyond: _Row, within: tuple[float, float]
) -> list[_Row]:
    """The branch's last place, at an end of the interval, between two neighbours."""
    h = min(max(beyond.h, within[0]), within[1])
    part = (h - row.h) / (beyond.h - row.h)
    z, matrix, _, residual = course.cycle(row.z + part * (beyond.z - row.z), h)
    rounding = 1e-9 * (1 + np.abs(row.z).max())
    near = np.abs(np.asarray(z) - row.z).max() <= np.abs(beyond.z - row.z).max() + rounding
    good = near and residual < rounding
    return [course.row(z, h, matrix, row.direction)] if good else []


def _between(course: _Course, before: _Row, after: _Row) -> list[Bifurcation]:
    """Special points between two neighbours of a branch, polished."""
    kinds = []
    counts = [_counts(row.matrix) for row in (before, after)]
    if counts[0][0] != counts[1][0]:
        kinds.append("flip")
    if before.direction[-1] * after.direction[-1] < 0:
        kinds.append("fold")
    if counts[0][1] != counts[1][1]:
        kinds.append("neimark_sacker")
    found = []
    middle = tuple((a + b) / 2 for a, b in zip(before[:3], after[:3]))
    for kind in kinds:
        for z, h, matrix in (middle, before[:3], after[:3]):
            base = unflat(course.point, jnp.asarray(z))
            one = polished(kind, course.system, course.free, base, course.at(h), course.period,
                           (jnp.asarray(z), matrix))  # fmt: skip
            reach = 3 * abs(after.h - before.h) + 1e-6 * (1 + abs(h))
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
