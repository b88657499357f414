"""Periodic orbits: found by Newton's method, whether they attract or not, with their multipliers.

A cycle of period p is a root of F(z) = f^p(z) - z, z all that moves of (params, state). Newton's
steps are those of least length, so that a cycle that belongs to a continuum, such as the minima of
a coupled model, is found as well. Many starts are done at once. Floquet's multipliers are the
eigenvalues of Df^p; a cycle attracts where all are inside the unit circle.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax import tangents
from eos_jax.analysis.maps import System, as_system
from eos_jax.checks import check_count
from eos_jax.loops import advance
from eos_jax.objectives.base import as_parameters
from eos_jax.simulate import as_hyper

ITERATIONS = 60
"""Newton steps at most."""

SINGULAR = 1e-10
"""Singular values below that part of the largest count as none: directions of a continuum."""


class Cycles(NamedTuple):
    """Cycles that were looked for, one for each start.

    Attributes:
      found: whether Newton's method settled on a cycle, shape (lanes,).
      period: its smallest period, 0 where none was found.
      points: all its points, a dict of shape (lanes, period looked for) for each parameter.
      multipliers: eigenvalues of the linearised p-th iterate, complex, shape (lanes, dimension),
        the largest first; NaN where none was found.
      residual: largest |f^p(z) - z|.
      state: of the rule at the first points, to go on from.
    """

    found: np.ndarray
    period: np.ndarray
    points: dict[str, np.ndarray]
    multipliers: np.ndarray
    residual: np.ndarray
    state: Any = ()

    def __repr__(self) -> str:
        """How many were looked for and found, and their periods."""
        periods = ", ".join(map(str, np.unique(self.period[self.found]))) or "none"
        return f"Cycles({self.found.sum()} of {self.found.size} found; periods {periods})"

    @property
    def stable(self) -> np.ndarray:
        """Whether a cycle attracts: no multiplier outside the unit circle."""
        with np.errstate(invalid="ignore"):
            return self.found & (np.abs(self.multipliers).max(axis=-1) < 1)

    @property
    def exponent(self) -> np.ndarray:
        """The cycle's largest Lyapunov exponent: the logarithm of its multiplier over its period.

        Example:
          >>> import eos_jax as eos
          >>> found = eos.analysis.cycles(eos.analysis.logistic(), {"x": 0.5}, {"r": 3.2}, 2)
          >>> print(found.exponent.round(4))
          [-0.9163]
        """
        looked_for = next(iter(self.points.values())).shape[1]
        return np.log(np.abs(self.multipliers).max(axis=-1)) / looked_for


def cycles(
    system: Any,
    starts: Mapping[str, Any],
    hyper: Any,
    period: int,
    *,
    rule: Any = None,
    state: Any = None,
) -> Cycles:
    """Cycles near some starts, by Newton's method: f^p(z) = z.

    Args:
      system: a `System`, or an objective.
      starts: for each parameter a number or an array of shape (lanes,) (for a parameter that is
        not a scalar: (lanes,) + its shape).
      hyper: the step size, or a dict of the rule's hyperparameters, numbers or of shape (lanes,).
      period: p; a cycle whose period divides it is found as well.
      rule: of an objective; gradient descent by default.
      state: of the rule near the cycles, the same for all; by default as the rule begins it.

    Returns:
      The cycles, in float64.

    Raises:
      ValueError: if the period is not positive or a name does not fit.

    Example:
      >>> import eos_jax as eos
      >>> found = eos.analysis.cycles(eos.analysis.logistic(), {"x": [0.5, 0.9]}, {"r": 4.0}, 1)
      >>> print(found.points["x"].ravel(), found.multipliers.real.ravel())
      [0.75 0.75] [-2. -2.]

    Source: Newton's method on the p-th iterate; Davidchack and Lai 1999 on its basins.
    """
    check_count("period", period)
    system = as_system(system, rule)
    with jax.enable_x64(True):
        (params, begun), hyper = lanes_of(system, starts, hyper)
        if state is not None:
            like = [
                jnp.broadcast_to(a, b.shape) for a, b in zip(*map(jax.tree.leaves, (state, begun)))
            ]
            begun = jax.tree.unflatten(jax.tree.structure(begun), like)
        points = (params, begun)
        many, orbits = _many(system)
        matrix, residual, smallest, ends = many(points, hyper, period)
        orbit = orbits(ends, hyper, period)
        orbit = {n: np.asarray(orbit[n]) for n in system.objective.parameters}
        size = np.max([np.abs(v.reshape(len(v), -1)).max(axis=1) for v in orbit.values()], axis=0)
        matrix, residual, smallest, (_, state) = jax.tree.map(
            np.asarray, (matrix, residual, smallest, ends)
        )
    with np.errstate(invalid="ignore"):
        found = (residual < 1e-9 * (1 + size)) & np.isfinite(matrix).all(axis=(1, 2))
    multipliers = np.full(matrix.shape[:2], np.nan, complex)
    if found.any():
        multipliers[found] = ordered(np.linalg.eigvals(matrix[found]))
    return Cycles(found, np.where(found, smallest, 0), orbit, multipliers, residual, state)


def embedded_cycles(
    system: Any,
    starts: Mapping[str, Any],
    hyper: Any,
    longest: int,
    *,
    rule: Any = None,
    tolerance: float = 1e-7,
) -> list[Cycles]:
    """The different cycles, unstable ones as well, that Newton's method reaches from many starts.

    Args:
      system: as in `cycles`.
      starts: as in `cycles`; points of a chaotic orbit find the cycles that it winds about.
      hyper: as in `cycles`, the same for all.
      longest: the longest period.
      rule: as in `cycles`.
      tolerance: points closer than that are the same, relative to 1 + |z|.

    Returns:
      For each period from 1 the cycles of that smallest period, one lane for each.

    Raises:
      ValueError: as in `cycles`.

    Example:
      >>> import eos_jax as eos, numpy as np
      >>> found = eos.analysis.embedded_cycles(
      ...     eos.analysis.logistic(), {"x": np.linspace(0.01, 0.99, 99)}, {"r": 4.0}, 4
      ... )
      >>> [len(each.found) for each in found]  # 2, 2, 6 and 12 points
      [2, 1, 2, 3]

    Source: Auerbach et al. 1987.
    """
    check_count("longest", longest)
    result = []
    for p in range(1, longest + 1):
        found = cycles(system, starts, hyper, p, rule=rule)
        mine = np.flatnonzero(found.found & (found.period == p))
        kept, seen = [], []
        for lane in mine:
            points = np.concatenate([v[lane].reshape(p, -1) for v in found.points.values()], axis=1)
            near = tolerance * (1 + np.abs(points).max())
            if not any(np.abs(points[0] - other).max(axis=1).min() < near for other in seen):
                kept.append(lane)
                seen.append(points)
        result.append(take(found, np.array(kept, int)))
    return result


def take(found: Cycles, lanes: np.ndarray) -> Cycles:
    """Some of the cycles."""
    return Cycles(*jax.tree.map(lambda leaf: leaf[lanes], tuple(found)))


def ordered(multipliers: np.ndarray) -> np.ndarray:
    """Multipliers with the largest first."""
    order = np.argsort(-np.abs(multipliers), axis=-1, kind="stable")
    return np.take_along_axis(multipliers, order, axis=-1)


def lanes_of(system: System, starts: Mapping[str, Any], hyper: Any) -> tuple[Any, dict]:
    """Points (params, state) and hyperparameters with a leading axis of lanes, in float64."""
    objective, rule = system
    starts = {name: np.asarray(value, float) for name, value in starts.items()}
    params = as_parameters(objective, starts)
    given = hyper if isinstance(hyper, Mapping) else {"eta": hyper}
    hyper = as_hyper(rule, {n: np.asarray(v, float) for n, v in given.items()}, params)
    shapes = dict(zip(objective.parameters, objective.shapes))
    leading = [leaf.shape[: leaf.ndim - len(shapes[n])] for n, leaf in params.items()]
    lanes = np.broadcast_shapes((1,), *leading, *(v.shape for v in hyper.values()))
    params = {n: jnp.broadcast_to(v, lanes + shapes[n]) for n, v in params.items()}
    hyper = {n: jnp.broadcast_to(v, lanes) for n, v in hyper.items()}
    state = jax.vmap(functools.partial(rule.init, objective))(params, hyper)
    return (params, state), hyper


def flat(point: Any) -> jax.Array:
    """All that moves of a point as one vector."""
    return jnp.concatenate([jnp.ravel(leaf) for leaf in tangents.moving(point)])


def unflat(point: Any, z: jax.Array) -> Any:
    """The point with its moving part replaced."""
    leaves, start = [], 0
    for leaf in tangents.moving(point):
        leaves.append(z[start : start + leaf.size].reshape(leaf.shape))
        start += leaf.size
    return tangents.with_moving(point, leaves)


def flat_step(system: System, point: Any, hyper: Mapping[str, Any]) -> Callable:
    """One step of all that moves, z -> z'; counts and keys stay at those of the point."""

    def step(z):
        return flat(system.rule.step(system.objective, *unflat(point, z), hyper))

    return step


def newton(
    equations: Callable[[jax.Array], jax.Array], guess: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """A root near a guess and the size of the last step; steps of least length, halved if need be.

    Args:
      equations: u -> residuals, shape (m,) -> (m,).
      guess: shape (m,).

    Returns:
      (root, length of the last step).
    """
    slopes = jax.jacfwd(equations)
    fractions = jnp.array([1.0, 0.5, 0.125, 0.01])

    def turn(carry):
        u, _, count = carry
        matrix, value = slopes(u), equations(u)
        fine = jnp.isfinite(matrix).all() & jnp.isfinite(value).all()
        matrix, value = jnp.where(fine, matrix, 0), jnp.where(fine, value, 0)
        move = jnp.linalg.lstsq(matrix, value, rcond=SINGULAR)[0]
        tried = u - fractions[:, None] * move
        residuals = jax.vmap(lambda u: jnp.sum(equations(u) ** 2))(tried)
        best = jnp.argmin(jnp.where(jnp.isfinite(residuals), residuals, jnp.inf))
        length = jnp.where(fine, jnp.max(jnp.abs(move)), jnp.inf)
        return tried[best], length, count + 1

    def going(carry):
        u, length, count = carry
        return (count < ITERATIONS) & (length > 4e-16 * (1 + jnp.max(jnp.abs(u))))

    start = (guess, jnp.asarray(jnp.inf, guess.dtype), 0)
    u, length, _ = jax.lax.while_loop(going, turn, start)
    return u, length


@functools.lru_cache(maxsize=64)
def _many(system: System) -> tuple[Callable, Callable]:
    """What is known of each cycle, and all its points; compiled for one system."""

    def one(point, hyper, period):
        step = flat_step(system, point, hyper)

        def iterate(z):
            return advance(step, z, period)

        z, _ = newton(lambda z: iterate(z) - z, flat(point))
        residual = jnp.max(jnp.abs(iterate(z) - z))
        # the first return, if the period is shorter
        near = 1e-8 * (1 + jnp.max(jnp.abs(z)))

        def look(p, carry):
            now, smallest = carry
            now = step(now)
            back = (jnp.max(jnp.abs(now - z)) < near) & (smallest == 0)
            return now, jnp.where(back, p + 1, smallest)

        _, smallest = jax.lax.fori_loop(0, period, look, (z, jnp.zeros((), jnp.int32)))
        return jax.jacfwd(iterate)(z), residual, smallest, unflat(point, z)

    def points_of(point, hyper, period):
        def record(point, _):
            return system.rule.step(system.objective, *point, hyper), point[0]

        return jax.lax.scan(record, point, length=period)[1]

    @jax.jit
    def many(points, hyper, period):
        return jax.vmap(lambda p, h: one(p, h, period))(points, hyper)

    @functools.partial(jax.jit, static_argnums=2)
    def orbits(points, hyper, period):
        return jax.vmap(lambda p, h: points_of(p, h, period))(points, hyper)

    return many, orbits
