"""The equations of cycles and of where they change, compiled for one system.

All are in (z, v, h), h the hyperparameter that moves:

    f^p(z; h) = z,   Df^p(z; h) v = mu v,   |v| = 1,

mu = -1 at a flip, +1 at a fold, 0 at a superstable point, cos + i sin at a Neimark-Sacker point,
where v is complex and the angle unknown. They are regular where the cycle itself is about to go.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax.analysis.cycles import flat, flat_step, lanes_of, newton
from eos_jax.analysis.maps import System
from eos_jax.loops import advance

MULTIPLIERS = {"flip": -1.0, "fold": 1.0, "superstable": 0.0, "neimark_sacker": None}
"""Kinds of points and the multiplier that makes them; None for any on the unit circle."""

Pushed = Callable[[Any, Any, Any], tuple[Any, Any]]
"""(z, v, h) to f^p(z; h) and Df^p(z; h) v."""


def one_lane(system: System, start: Mapping[str, Any], hyper: Any, state: Any = None) -> Any:
    """The point (params, state) and hyperparameters of one start, in float64."""
    points, hyper = lanes_of(system, start, hyper)
    point, hyper = jax.tree.map(lambda leaf: leaf[0], (points, hyper))
    if state is not None:
        point = (point[0], jax.tree.map(lambda a, b: jnp.asarray(b, a.dtype), point[1], state))
    return point, hyper


def check_free(system: System, free: str) -> None:
    """Raise unless a rule has the hyperparameter that is to move."""
    names = system.rule.hyperparameters
    if free not in names:
        raise ValueError(f"Argument `free` must be one of {', '.join(names)}, but got {free!r}.")


def real_equations(pushed: Pushed, n: int, u: Any, target: Any) -> list:
    """What vanishes where a cycle has a real multiplier, of numbers of any kind.

    Args:
      pushed: the iterate and its derivative.
      n: how many numbers move.
      u: (z, v, h), shape (2 n + 1,).
      target: the multiplier.

    Returns:
      Parts of shape (n,), (n,) and ().
    """
    z, v = u[:n], u[n : 2 * n]
    end, grown = pushed(z, v, u[-1])
    return [end - z, grown - target * v, v @ v - 1]


def circle_equations(pushed: Pushed, n: int, u: Any, target: Any) -> list:
    """What vanishes where a cycle has a multiplier cos + i sin, of numbers of any kind.

    Args:
      pushed: the iterate and its derivative.
      n: how many numbers move.
      u: (z, Re v, Im v, cos, sin, h), shape (3 n + 3,).
      target: a guess of it, which fixes the phase of v.

    Returns:
      Parts of shape (n,), (n,), (n,), (), () and ().
    """
    z, a, b, cos, sin = u[:n], u[n : 2 * n], u[2 * n : 3 * n], u[-3], u[-2]
    phase = target[n : 2 * n]
    end, first = pushed(z, a, u[-1])
    _, second = pushed(z, b, u[-1])
    return [
        end - z,
        first - (cos * a - sin * b),
        second - (sin * a + cos * b),
        a @ a + b @ b - 1,
        phase @ b - phase @ target[2 * n : 3 * n],
        cos * cos + sin * sin - 1,
    ]


class Tools(NamedTuple):
    """Compiled parts for one system and one free hyperparameter; the period is no constant.

    Attributes:
      orbit: (z, dz, dh, point, hyper, period, room) -> all points of a cycle and how they move,
        in the first places of arrays of shape (room, n).
      cycle: (point, hyper, period) -> the cycle near a point, its matrix, the length of Newton's
        last step and the residual.
      matrix: (z, point, hyper, period) -> Df^p.
      second: D^2 f^p.
      third: D^3 f^p.
      push: how the iterate moves with the free hyperparameter.
      real: (u, target, point, hyper, period) -> u that fulfils `real_equations`, the length of
        the last step and the residual.
      real_slopes: derivatives of these equations.
      circle: likewise of `circle_equations`, with their guess for the target.
      circle_slopes: derivatives of these equations.
      arc: the next point of a branch, a step along the arc further, and its direction.
    """

    orbit: Callable
    cycle: Callable
    matrix: Callable
    second: Callable
    third: Callable
    push: Callable
    real: Callable
    real_slopes: Callable
    circle: Callable
    circle_slopes: Callable
    arc: Callable


@functools.lru_cache(maxsize=64)
def tools_of(system: System, free: str) -> Tools:
    """What is compiled for one system and one free hyperparameter."""

    def iterate(z, point, hyper, period):
        return advance(flat_step(system, point, hyper), z, period)

    @functools.partial(jax.jit, static_argnames="room")
    def orbit(z, dz, dh, point, hyper, period, room):
        def seen(z, h):
            step, places = flat_step(system, point, {**hyper, free: h}), jnp.zeros((room, z.size))
            turn = lambda k, carry: (step(carry[0]), carry[1].at[k].set(carry[0]))  # noqa: E731
            return jax.lax.fori_loop(0, period, turn, (z, places))[1]

        return jax.jvp(seen, (z, hyper[free]), (dz, dh))

    def cycle(point, hyper, period):
        z, length = newton(lambda z: iterate(z, point, hyper, period) - z, flat(point))
        residual = jnp.max(jnp.abs(iterate(z, point, hyper, period) - z))
        return z, matrix(z, point, hyper, period), length, residual

    def push(z, point, hyper, period):
        return jax.jacfwd(lambda h: iterate(z, point, {**hyper, free: h}, period))(hyper[free])

    def solved_by(parts_of):
        """How equations are solved, and their slopes."""

        def equations(u, target, point, hyper, period):
            def pushed(z, v, h):
                at = {**hyper, free: h}
                return jax.jvp(lambda z: iterate(z, point, at, period), (z,), (v,))

            parts = parts_of(pushed, flat(point).size, u, target)
            return jnp.concatenate([jnp.ravel(part) for part in parts])

        def solve(guess, *given):
            u, length = newton(lambda u: equations(u, *given), guess)
            return u, length, jnp.max(jnp.abs(equations(u, *given)))

        return solve, jax.jacfwd(equations)

    matrix = jax.jacfwd(iterate)
    second = jax.jacfwd(matrix)
    parts = (
        cycle, matrix, second, jax.jacfwd(second), push, *solved_by(real_equations),
        *solved_by(circle_equations), functools.partial(_arc, iterate, matrix, free),
    )  # fmt: skip
    return Tools(orbit, *map(jax.jit, parts))


def _arc(iterate, matrix, free, z, h, direction, size, scale, point, hyper, period):
    """The next point of a branch and its direction, a step along the arc further."""
    n = z.size
    before = jnp.concatenate([z, h[None] / scale])

    def equations(u):
        end = iterate(u[:n], point, {**hyper, free: u[-1] * scale}, period)
        along = direction @ (u - before) - size
        return jnp.concatenate([end - u[:n], along[None]])

    u, length = newton(equations, before + size * direction)
    slopes = jax.jacfwd(equations)(u)
    ahead = jnp.linalg.lstsq(slopes, jnp.zeros(n + 1).at[-1].set(1.0), rcond=1e-12)[0]
    residual = jnp.max(jnp.abs(equations(u)))
    end = matrix(u[:n], point, {**hyper, free: u[-1] * scale}, period)
    return u[:n], u[-1] * scale, ahead / jnp.linalg.norm(ahead), length, residual, end


def real_guess(z: Any, matrix: Any, h: Any, target: float) -> np.ndarray:
    """(z, v, h) from a cycle nearby: v of the multiplier that is nearest to a target."""
    values, vectors = np.linalg.eig(np.asarray(matrix))
    vector = vectors[:, np.argmin(np.abs(values - target))].real
    return np.concatenate([z, vector / np.linalg.norm(vector), [h]])


def circle_guess(z: Any, matrix: Any, h: Any) -> np.ndarray | None:
    """(z, Re v, Im v, cos, sin, h) from a cycle nearby; None where no multiplier is complex."""
    values, vectors = np.linalg.eig(np.asarray(matrix))
    complex_ones = np.flatnonzero(values.imag > 1e-12)
    if not len(complex_ones):
        return None
    chosen = complex_ones[np.argmin(np.abs(np.abs(values[complex_ones]) - 1))]
    vector = vectors[:, chosen] / np.linalg.norm(vectors[:, chosen])
    on_circle = values[chosen] / abs(values[chosen])
    return np.concatenate([z, vector.real, vector.imag, [on_circle.real, on_circle.imag, h]])
