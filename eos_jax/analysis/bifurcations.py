"""Where cycles change: flips, folds, Neimark-Sacker points, branches and cascades, to rounding.

All are roots of one kind of equations in (z, v, h), h the hyperparameter that moves:

    f^p(z; h) = z,   Df^p(z; h) v = mu v,   |v| = 1,

mu = -1 at a flip (the cycle doubles), +1 at a fold (two cycles meet and vanish), 0 at a superstable
point, exp(i theta) at a Neimark-Sacker point (an invariant circle is born), theta unknown. They are
regular where the cycle itself is about to go. The normal form's coefficient says which way.
"""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from eos_jax.analysis.cycles import flat, flat_step, lanes_of, newton, ordered, unflat
from eos_jax.analysis.maps import System, as_system
from eos_jax.checks import check_choice, check_count
from eos_jax.loops import advance

FEIGENBAUM = 4.669201609102990
"""Limit of the ratio of successive doubling intervals of maps with a quadratic maximum."""

MULTIPLIERS = {"flip": -1.0, "fold": 1.0, "superstable": 0.0, "neimark_sacker": None}
"""Kinds of points and the multiplier that makes them; None for any on the unit circle."""


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
    _check_free(system, free)
    with jax.enable_x64(True):
        point, hyper = one_lane(system, start, hyper, state)
        return _polished(kind, system, free, point, hyper, period)


def one_lane(system: System, start: Mapping[str, Any], hyper: Any, state: Any = None) -> Any:
    """The point (params, state) and hyperparameters of one start, in float64."""
    points, hyper = lanes_of(system, start, hyper)
    point, hyper = jax.tree.map(lambda leaf: leaf[0], (points, hyper))
    if state is not None:
        point = (point[0], jax.tree.map(lambda a, b: jnp.asarray(b, a.dtype), point[1], state))
    return point, hyper


def _check_free(system, free):
    names = system.rule.hyperparameters
    if free not in names:
        raise ValueError(f"Argument `free` must be one of {', '.join(names)}, but got {free!r}.")


def _polished(kind, system, free, point, hyper, period, guess=None):
    """The point by Newton's method from the cycle near a point; in double precision."""
    tools = tools_of(system, free)
    z, matrix = guess if guess is not None else tools.cycle(point, hyper, period)[:2]
    if not np.isfinite(np.asarray(matrix)).all():
        return _none(kind, system, period)
    values, vectors = np.linalg.eig(np.asarray(matrix))
    target = MULTIPLIERS[kind]
    if target is not None:
        vector = nearest_vector(values, vectors, target)
        unknowns = jnp.concatenate([z, vector, hyper[free][None]])
        u, length, residual = tools.real_point(unknowns, point, hyper, period, target)
        angle = math.nan
    else:
        complex_ones = np.flatnonzero(values.imag > 1e-12)
        if not len(complex_ones):
            return _none(kind, system, period)
        chosen = complex_ones[np.argmin(np.abs(np.abs(values[complex_ones]) - 1))]
        vector = vectors[:, chosen] / np.linalg.norm(vectors[:, chosen])
        theta = float(np.angle(values[chosen]))
        unknowns = jnp.concatenate(
            [z, vector.real, vector.imag, jnp.array([theta]), hyper[free][None]]
        )
        u, length, residual = tools.circle_point(unknowns, point, hyper, period)
        angle = float(abs(u[-2]))
    value, residual = float(u[-1]), float(residual)
    scale = 1 + float(jnp.max(jnp.abs(u)))
    settled = length < 1e-8 * scale and residual < 1e-9 * scale
    if not settled or (target is None and not 1e-6 < angle < math.pi - 1e-6):
        return _none(kind, system, period)
    hyper = {**hyper, free: u[-1]}
    z = u[: z.size]
    matrix = np.asarray(tools.matrix(z, point, hyper, period))
    coefficient = _coefficient(kind, tools, z, point, hyper, period, matrix, angle)
    params, state = jax.tree.map(lambda leaf: np.asarray(leaf)[()], unflat(point, z))
    return Bifurcation(
        kind, value, period, {n: params[n] for n in system.objective.parameters},
        ordered(np.linalg.eigvals(matrix)), coefficient, residual, angle, state,
    )  # fmt: skip


def nearest_vector(values: np.ndarray, vectors: np.ndarray, target: float) -> np.ndarray:
    """The real part of the eigenvector whose value is nearest to a target, of length 1."""
    vector = vectors[:, np.argmin(np.abs(values - target))].real
    return vector / np.linalg.norm(vector)


def _none(kind, system, period):
    nothing = {n: math.nan for n in system.objective.parameters}
    return Bifurcation(
        kind, math.nan, period, nothing, np.full(1, np.nan, complex), math.nan, math.inf
    )


def _coefficient(kind, tools, z, point, hyper, period, matrix, angle) -> float:
    """The coefficient of the normal form; formulas (5.33), (5.47) and (5.74) of Kuznetsov."""
    if kind == "superstable":
        return math.nan
    second = np.asarray(tools.second(z, point, hyper, period))
    target = np.exp(1j * angle) if kind == "neimark_sacker" else MULTIPLIERS[kind]
    q, p = _eigenvectors(matrix, target)
    eye = np.eye(len(matrix))
    solve = lambda m, v: np.linalg.lstsq(m, v, rcond=1e-9)[0]  # noqa: E731

    def b(x, y):
        return np.einsum("ijk,j,k->i", second, x, y)

    def c(x, y, w):
        return np.einsum("ijkl,j,k,l->i", third, x, y, w)

    bar = np.conj(q)
    if kind == "fold":
        push = float((np.conj(p) @ np.asarray(tools.push(z, point, hyper, period))).real)
        bend = float((np.conj(p) @ b(q, q)).real / 2)
        return -bend / push if push else math.nan
    third = np.asarray(tools.third(z, point, hyper, period))
    if kind == "flip":
        inner = c(q, q, q) + 3 * b(q, solve(eye - matrix, b(q, q)))
        return float((np.conj(p) @ inner).real / 6)
    inner = (
        c(q, q, bar)
        + 2 * b(q, solve(eye - matrix, b(q, bar)))
        + b(bar, solve(np.exp(2j * angle) * eye - matrix, b(q, q)))
    )
    return float((np.exp(-1j * angle) * (np.conj(p) @ inner)).real / 2)


def _eigenvectors(matrix, target):
    """Right and left eigenvectors of the multiplier nearest to a target; |q| = 1, p^H q = 1."""
    values, vectors = np.linalg.eig(matrix)
    q = vectors[:, np.argmin(np.abs(values - target))]
    values, vectors = np.linalg.eig(matrix.T)
    p = np.conj(vectors[:, np.argmin(np.abs(values - target))])
    q = q / np.linalg.norm(q)
    return q, p / np.conj(np.conj(p) @ q)


class _Tools(NamedTuple):
    """Compiled parts for one system and one free hyperparameter; the period is no constant."""

    iterate: Callable
    cycle: Callable
    matrix: Callable
    second: Callable
    third: Callable
    push: Callable
    slopes: Callable
    real_point: Callable
    circle_point: Callable
    arc: Callable


@functools.lru_cache(maxsize=64)
def tools_of(system: System, free: str) -> _Tools:
    """What is compiled for one system and one free hyperparameter."""

    def iterate(z, point, hyper, period):
        return advance(flat_step(system, point, hyper), z, period)

    def matrix(z, point, hyper, period):
        return jax.jacfwd(iterate)(z, point, hyper, period)

    def cycle(point, hyper, period):
        z, length = newton(lambda z: iterate(z, point, hyper, period) - z, flat(point))
        residual = jnp.max(jnp.abs(iterate(z, point, hyper, period) - z))
        return z, matrix(z, point, hyper, period), length, residual

    second = jax.jacfwd(matrix)
    third = jax.jacfwd(second)

    def push(z, point, hyper, period):
        """How the iterate moves with the free hyperparameter."""
        return jax.jacfwd(lambda h: iterate(z, point, {**hyper, free: h}, period))(hyper[free])

    def pushed(z, v, point, hyper, period):
        return jax.jvp(lambda z: iterate(z, point, hyper, period), (z,), (v,))

    def equations_of(u, point, hyper, period, target):
        """What vanishes where a cycle has a real multiplier."""
        n = flat(point).size
        z, v, h = u[:n], u[n : 2 * n], u[-1]
        end, grown = pushed(z, v, point, {**hyper, free: h}, period)
        return jnp.concatenate([end - z, grown - target * v, (v @ v - 1)[None]])

    def real_point(unknowns, point, hyper, period, target):
        def equations(u):
            return equations_of(u, point, hyper, period, target)

        u, length = newton(equations, unknowns)
        return u, length, jnp.max(jnp.abs(equations(u)))

    def circle_point(unknowns, point, hyper, period):
        n = flat(point).size
        phase = unknowns[n : 2 * n]

        def equations(u):
            z, a, b, theta, h = u[:n], u[n : 2 * n], u[2 * n : 3 * n], u[-2], u[-1]
            at = {**hyper, free: h}
            end, first = pushed(z, a, point, at, period)
            _, other = pushed(z, b, point, at, period)
            cos, sin = jnp.cos(theta), jnp.sin(theta)
            return jnp.concatenate(
                [
                    end - z,
                    first - (cos * a - sin * b),
                    other - (sin * a + cos * b),
                    jnp.stack([a @ a + b @ b - 1, phase @ b - phase @ unknowns[2 * n : 3 * n]]),
                ]
            )

        u, length = newton(equations, unknowns)
        return u, length, jnp.max(jnp.abs(equations(u)))

    def arc(z, h, direction, size, scale, point, hyper, period):
        """The next point of a branch and its direction, a step along the arc further."""
        n = z.size
        before = jnp.concatenate([z, h[None] / scale])
        guess = before + size * direction

        def equations(u):
            end = iterate(u[:n], point, {**hyper, free: u[-1] * scale}, period)
            along = direction @ (u - before) - size
            return jnp.concatenate([end - u[:n], along[None]])

        u, length = newton(equations, guess)
        slopes = jax.jacfwd(equations)(u)
        ahead = jnp.linalg.lstsq(slopes, jnp.zeros(n + 1).at[-1].set(1.0), rcond=1e-12)[0]
        residual = jnp.max(jnp.abs(equations(u)))
        at = {**hyper, free: u[-1] * scale}
        return (
            u[:n], u[-1] * scale, ahead / jnp.linalg.norm(ahead), length, residual,
            matrix(u[:n], point, at, period),
        )  # fmt: skip

    slopes = jax.jacfwd(equations_of)
    parts = (iterate, cycle, matrix, second, third, push, slopes, real_point, circle_point, arc)
    return _Tools(*map(jax.jit, parts))


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
    _check_free(system, free)
    tools = tools_of(system, free)
    found: list[Bifurcation] = []
    with jax.enable_x64(True):
        point, hyper = one_lane(system, start, hyper)
        here = _polished("flip", system, free, point, hyper, period)
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
    period = flip.period
    at_flip = jax.tree.map(jnp.asarray, (dict(flip.point), flip.state))

    def cycle(base, h, p):
        z, matrix, _, residual = tools.cycle(base, {**hyper, free: jnp.asarray(h)}, p)
        z, matrix, residual = np.asarray(z), np.asarray(matrix), float(residual)
        fine = np.isfinite(matrix).all() and np.isfinite(z).all()
        return (z, matrix, residual) if fine else (z, np.zeros_like(matrix), math.inf)

    def nearest(matrix, target):
        values = np.linalg.eigvals(matrix)
        return float(values[np.argmin(np.abs(values - target))].real)

    h0 = flip.parameter
    small = 1e-5 * max(abs(h0), 1e-3) / period
    z0, matrix0, _ = cycle(at_flip, h0, period)
    _, up, _ = cycle(unflat(point, jnp.asarray(z0)), h0 + small, period)
    _, down, _ = cycle(unflat(point, jnp.asarray(z0)), h0 - small, period)
    slope = (nearest(up, -1) - nearest(down, -1)) / (2 * small)
    if not (math.isfinite(slope) and slope != 0 and flip.coefficient > 0):
        return None
    q = np.real(_eigenvectors(matrix0, -1)[0])
    eye = np.eye(len(q))
    at_birth = np.linalg.det(eye + matrix0 @ matrix0)

    def progress(matrix):
        """From 1 where the doubled cycle is born to -1 where it flips; in one dimension, mu."""
        return float(2 * np.linalg.det(eye + matrix) / at_birth - 1)

    for excess in (0.02, 0.005, 0.1, 0.001):  # how far beyond -1 the old cycle's multiplier is
        h = h0 - excess / slope
        z, _, residual = cycle(unflat(point, jnp.asarray(z0)), h, period)
        amplitude = math.sqrt(excess / flip.coefficient)
        guess = unflat(point, jnp.asarray(z + amplitude * q))
        doubled, matrix, residual = cycle(guess, h, 2 * period)
        apart = np.abs(doubled - z).max()
        if residual < 1e-9 and 0.3 * amplitude < apart < 3 * amplitude:
            break
    else:
        return None
    mu = progress(matrix)
    first = reach = h - h0
    last = (h0, 1.0)
    for _ in range(60):  # follow the doubled cycle until it is about to double itself
        if mu < -0.8:
            break
        rate = (mu - last[1]) / (h - last[0])
        wanted = h + (-1 - mu) / rate if rate * reach < 0 else h + reach
        step = np.clip((wanted - h) / reach, 0.05, 1.0) * reach
        for _ in range(12):
            z, matrix, residual = cycle(unflat(point, jnp.asarray(doubled)), h + step, 2 * period)
            new = progress(matrix)
            near = 2 * apart * math.sqrt(reach / first)  # it grows like a square root
            jumped = np.abs(z - doubled).max() > near or new > mu + 1e-3 or new < -1.6
            if residual < 1e-9 and not jumped:
                break
            step /= 2
        else:
            return None
        last, h, mu, doubled, reach = (h, mu), h + step, new, z, h + step - h0
    at = {**hyper, free: jnp.asarray(h)}
    base = unflat(point, jnp.asarray(doubled))
    following = _polished("flip", system, free, base, at, 2 * period)
    gone_astray = not following.found or abs(following.parameter - h0) > 3 * abs(reach)
    return None if gone_astray else following


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
    _check_free(system, free)
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
            one = _polished(kind, system, free, base, at, period, (jnp.asarray(z), matrix))
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
