"""How claims run orbits: in float64 and in few shapes, so that programs are compiled once."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import eos_jax as eos
from eos_jax import theory
from eos_jax.loops import advance
from eos_jax.objectives import Objective
from eos_jax.observers import trace
from eos_jax.paper.claims.base import Measurement

PIECE = 10_000
"""Steps in one call of `eos.iterate`, whose number of steps is compiled in."""

COUPLED = eos.objectives.scalar_product((2, 2))
"""The paper's model."""


def _parabola(x):
    return x * x / 2


def _quartic(x):
    return x**4 / 4


PARABOLA = eos.objectives.from_function(_parabola, name="parabola", floor=0.0)
QUARTIC = eos.objectives.from_function(_quartic, name="quartic", floor=0.0)


def descend(
    objective: Objective, params: Mapping, eta: Any, steps: float, dtype: Any = np.float64
) -> dict[str, np.ndarray]:
    """Where gradient descent is after `steps` steps, rounded up to whole pieces."""
    params, eta, lanes = _padded(objective, params, eta, dtype)
    with jax.enable_x64(True):
        params = {name: jnp.asarray(v) for name, v in params.items()}
        for _ in range(-(-int(steps) // PIECE)):
            params = eos.iterate(objective, params, jnp.asarray(eta), PIECE)
        return {name: np.asarray(v)[:lanes] for name, v in params.items()}


def paths(
    objective: Objective, params: Mapping, eta: float, steps: int, last: int | None = None
) -> dict[str, np.ndarray]:
    """The points of orbits, shape (lanes, samples, ...), in a program smaller than a sweep's."""
    observe = trace(objective.parameters, last=last)
    with jax.enable_x64(True):
        params = {name: jnp.asarray(v, jnp.float64) for name, v in params.items()}
        lanes = jax.vmap(lambda p: eos.simulate(objective, p, eta, steps, observe=observe))
        return {name: np.asarray(v) for name, v in jax.jit(lanes)(params).items()}


def settle(objective: Objective, params: Mapping, eta: Any, steps: int) -> xr.Dataset:
    """A sweep of starts taken together, until losses are below 1e-25, where b is mere rounding."""
    params, eta, lanes = _padded(objective, params, eta)
    stop = eos.Stop(tolerance=1e-25)
    ds = eos.sweep(objective, {**params, "eta": eta}, steps, combine="zip", stop=stop)
    return ds.isel(lane=slice(lanes))


def _padded(objective, params, eta, dtype=np.float64):
    """Lanes repeated up to a multiple of 32, and how many there were."""
    values = {name: np.asarray(v, dtype) for name, v in params.items()}
    own = dict(zip(objective.parameters, map(len, objective.shapes)))
    values = {n: v.reshape((1,) * (own[n] + 1 - v.ndim) + v.shape) for n, v in values.items()}
    eta = np.atleast_1d(np.asarray(eta, dtype))
    lanes = max(len(eta), *(len(v) for v in values.values()))
    index = np.minimum(np.arange(-(-lanes // 32) * 32), lanes - 1)
    pad = lambda v: np.broadcast_to(v, (lanes, *v.shape[1:]))[index]  # noqa: E731
    return {name: pad(v) for name, v in values.items()}, pad(eta), lanes


def sharpness(objective: Objective, params: Mapping) -> np.ndarray:
    """Sharpness of the full Hessian at every lane, in float64."""
    with jax.enable_x64(True):
        params = {name: jnp.asarray(v, jnp.float64) for name, v in params.items()}
        if objective.eigenvalues is not None:
            values = jnp.stack(objective.eigenvalues(params))
            return np.asarray(jnp.max(values, axis=0))
        return np.asarray(eos.sharpness(objective, params))


def hessians(objective: Objective, params: Mapping) -> np.ndarray:
    """The full Hessian at every lane, dense, in float64."""
    with jax.enable_x64(True):
        params = {name: jnp.asarray(v, jnp.float64) for name, v in params.items()}
        return np.asarray(jax.jit(lambda params: eos.hessian(objective, params))(params))


def scalars(objective: Objective, params: Mapping) -> np.ndarray:
    """Every scalar of the full space written out, shape (lanes, n), as `theory` wants them."""
    columns = [
        np.asarray(params[name], float)
        for name, copies in zip(objective.parameters, objective.copies)
        for _ in range(copies)
    ]
    return np.stack(np.broadcast_arrays(*columns), axis=-1)


def step_ab_exactly(a: Any, b: Any, eta: float) -> tuple[Any, Any]:
    """One exact step in (a, b), no large terms subtracted: a keeps its relative precision.

    a' = a - c q^2 / (1 + sqrt(1 - q^2)),  b' = b - q sqrt(c^4 + 4 d^2) + q^2 d,
    q = eta d b (2 + b), the map of `theory.step_cd` rearranged. Numbers of NumPy stay float64.
    """
    root = jnp.sqrt if isinstance(a, jax.Array) or isinstance(b, jax.Array) else np.sqrt
    c, d = a + _eos_c(eta), 1 + b
    q = eta * d * b * (2 + b)
    return (
        a - c * q**2 / (1 + root(1 - q**2)),
        b - q * root(c**4 + 4 * d**2) + q**2 * d,
    )


def step_by_hand(x: Any, y: Any, eta: Any) -> tuple[Any, Any]:
    """One step of gradient descent of the coupled model, as the paper prints it."""
    residual = x * x * y * y - 1
    return x - eta * x * y * y * residual, y - eta * x * x * y * residual


def sharpness_by_hand(x: Any, y: Any) -> Any:
    """The largest of the paper's eigenvalues of the coupled model, l3 and l4 corrected."""
    g, s = x * y, x * x + y * y
    middle = s * (3 * g**2 - 1)
    root = np.sqrt(s**2 * (1 - 3 * g**2) ** 2 + 4 * g**2 * (3 - 10 * g**2 + 7 * g**4))
    return np.max([(middle + root) / 2, x * x * (1 - g * g), y * y * (1 - g * g)], axis=0)


class Fates(NamedTuple):
    """What a plain loop says of each start: outcome, steps until decided, last point."""

    outcome: np.ndarray
    steps: np.ndarray
    x: np.ndarray
    y: np.ndarray


def fates_by_hand(x: Any, y: Any, eta: Any, steps: int) -> Fates:
    """The fates of starts by a plain loop in NumPy that looks at every point.

    Converged: loss below 1e-12 where the sharpness is below 2/eta. Diverged: beyond 1e6.
    """
    x, y, eta = (np.array(v, float).ravel() for v in np.broadcast_arrays(x, y, eta))
    found = Fates(
        np.full(x.size, eos.Outcome.UNDECIDED), np.full(x.size, steps), x.copy(), y.copy()
    )
    lane = np.arange(x.size)
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(steps + 1):
            gone = ~((np.abs(x) <= 1e6) & (np.abs(y) <= 1e6))
            calm = 0.5 * (1 - x * x * y * y) ** 2 < 1e-12
            calm[calm] = sharpness_by_hand(x[calm], y[calm]) < 2 / eta[calm]
            found.outcome[lane[gone]] = eos.Outcome.DIVERGED
            found.outcome[lane[calm]] = eos.Outcome.CONVERGED
            over = gone | calm | (t == steps)
            for kept, now in ((found.steps, t), (found.x, x[over]), (found.y, y[over])):
                kept[lane[over]] = now
            if over.all():
                break
            x, y, eta, lane = (v[~over] for v in (x, y, eta, lane))
            x, y = step_by_hand(x, y, eta)
    return found


def gap_of(a: Any, eta: Any) -> Any:
    """2/eta - S at the minimum with offset a, without subtracting S from 2/eta.

    S = 2 sqrt(c^4 + 4) and c_E^4 + 4 = 1/eta^2, so the gap is 4 (c_E^4 - c^4) / (2/eta + S).
    """
    start = _eos_c(eta)
    rise = a * (4 * start**3 + 6 * start**2 * a + 4 * start * a**2 + a**3)
    return -4 * rise / (2 / eta + 2 * np.sqrt((a + start) ** 4 + 4))


def _eos_c(eta):
    return ((1 / eta - 2) * (1 / eta + 2)) ** 0.25


@functools.partial(jax.jit, static_argnums=0)
def _repeat(step, state, eta, steps):
    return advance(lambda state: step(*state, eta), state, steps)


def repeat(step: Callable, state: tuple, eta: Any, steps: float) -> tuple[np.ndarray, ...]:
    """`steps` steps of a map (*state, eta) -> state of lanes, in float64."""
    with jax.enable_x64(True):
        lanes = [jnp.asarray(v, jnp.float64) for v in jnp.broadcast_arrays(*state, eta)]
        ends = _repeat(step, tuple(lanes[:-1]), lanes[-1], int(steps))
        return tuple(np.asarray(v) for v in ends)


def balanced_start(
    objective: Objective, excess: Any, eta: Any, off: float = 1e-3
) -> dict[str, np.ndarray]:
    """A point near a minimum of X^n Y^m whose sharpness is `excess` above 2/eta, lanes along eta.

    The branch with large X: n / X^2 + m / Y^2 = 2/eta + excess on X^n Y^m = 1, by fixed point.
    """
    n, m = objective.copies
    wanted = 2 / np.asarray(eta) + excess
    y = np.sqrt(m / wanted)
    for _ in range(200):
        y = np.sqrt(m / (wanted - n * y ** (2 * m / n)))
    return {"x": y ** (-m / n) * (1 + off), "y": y}


def final_gap(objective: Objective, params: Mapping, eta: Any) -> np.ndarray:
    """2/eta - S at the minimum whose imbalances are those of the point given."""
    return 2 / np.asarray(eta) - theory.gradient_flow_sharpness(scalars(objective, params))


def edge_on_a_parabola(rule: Any, expected: float, **hyper: Any) -> Measurement:
    """Where orbits on x^2/2 turn from decay to growth, in all step sizes times a factor, against 1.

    After 20,000 steps from x = 1 a multiplier that is off 1 by a spacing of the factors has moved
    |x| by more than a factor of ten. The dataset's threshold there must be the sharpness, 1.
    """
    factors = np.linspace(0.99, 1.01, 64)
    etas = {n: v * factors * expected for n, v in hyper.items() if n.startswith("eta")}
    axes = {"x": 1.0, **hyper, **etas}
    ends = eos.sweep(PARABOLA, axes, 20_000, rule=rule, stop=None, combine="zip")
    grows = ~(np.abs(ends.x_final.values) < 1)
    if grows.all() or not grows.any():
        return Measurement(1.0, "no turn", float("inf"), 1e-3)
    first = int(np.argmax(grows))
    found = float((factors[first - 1] + factors[first]) / 2)
    own = float(np.interp(found, factors, ends.threshold.values))
    note = (
        "the factor on the step sizes predicted at which orbits turn from decay to growth; the "
        f"dataset's threshold there is {own:.6f}, the sharpness 1; tolerance: three spacings"
    )
    return Measurement(1.0, found, max(abs(found - 1), abs(own - 1)), 1e-3, note)
