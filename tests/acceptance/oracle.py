"""Labels of gradient descent in plain NumPy, from their definition in words; no code of eos_jax.

An orbit is looked at after every step, its start included. In this order:

- It has *converged* at the first point within tolerance of a minimum that is stable: one whose
  largest curvature is positive and below 2/eta and where nothing curves downwards beyond rounding.
- It has *diverged* at the first point with a coordinate beyond 1e6 or not finite.
- At the horizon it is *stationary* if it is within tolerance of anything else where the gradient
  vanishes, and else *undecided*.

Where the least value of the loss is given, within tolerance means that the loss is within tolerance
of it. Where it is not, the parabola along the gradient counts, of curvature R: its bottom lies
|g|/|R| away and |g|^2/(2|R|) below. That depth is at most the tolerance times the fall of the loss
since the start, and that distance at most tolerance^(1/3) of the larger of |x| and |start|; or the
distance is within four roundings of |x|; or the gradient is zero.

Only the loss and its gradient are given, as formulas. The Hessian is the gradient's derivative by
complex steps, exact to rounding.
"""

from collections.abc import Callable

import numpy as np

CONVERGED, DIVERGED, UNDECIDED, STATIONARY = 1, 2, 5, 7
TINY = 1e-200  # of a complex step: no difference is taken, and its third power vanishes

_quiet = np.errstate(all="ignore")  # orbits that diverge overflow, and are meant to


def hessian(gradient: Callable, x: np.ndarray) -> np.ndarray:
    """Second derivatives at points of shape (lanes, n), in double precision."""
    x = x.astype(float)
    columns = [gradient(x + 1j * TINY * unit).imag / TINY for unit in np.eye(x.shape[1])]
    return np.stack(columns, axis=-1)


def curvature_along(gradient: Callable, x: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """d.Hd for unit directions d."""
    bent = gradient(x.astype(float) + 1j * TINY * direction.astype(float)).imag / TINY
    return np.sum(direction * bent, axis=1)


def minimum(gradient: Callable, x: np.ndarray) -> np.ndarray:
    """Where Newton's method ends across the directions that curve upwards; `x` if far away."""
    start, x = x.astype(float), x.astype(float)
    for _ in range(4):
        bends, axes = np.linalg.eigh(hessian(gradient, x))
        curved = bends > 1e-3 * np.abs(bends).max(axis=1, keepdims=True)
        slope = gradient(x)
        along = np.einsum("lij,li->lj", axes, slope)
        move = np.einsum(
            "lij,lj->li", axes, np.where(curved, along, 0) / np.where(curved, bends, 1)
        )
        there = x - move
        better = np.linalg.norm(gradient(there), axis=1) < np.linalg.norm(slope, axis=1)
        near = np.linalg.norm(there - start, axis=1) <= 0.1 * np.linalg.norm(start, axis=1)
        x = np.where((better & near)[:, None], there, x)
    return x


def stable(
    gradient: Callable, x: np.ndarray, eta: np.ndarray, rounding: float, floor
) -> np.ndarray:
    """Whether gradient descent would stay at the minimum beside each point."""
    verdict = np.zeros(len(x), bool)
    at = minimum(gradient, x)
    # as the lane's own precision holds it, where a tiny curvature is none
    matrices = hessian(gradient, at).astype(x.dtype).astype(float)
    fine = np.isfinite(matrices).all(axis=(1, 2))
    bends = np.linalg.eigvalsh(matrices[fine])
    low, high = bends[:, 0], bends[:, -1]
    verdict[fine] = high < 2 / eta[fine]
    if floor is None:
        verdict[fine] &= (high > 0) & (low >= -(rounding**0.5) * high)
    return verdict


def at_rest(gradient, x, slope, fall, reach, tolerance, rounding) -> np.ndarray:
    """Whether the parabola along the gradient ends within tolerance."""
    steep, size = np.linalg.norm(slope.astype(float), axis=1), np.linalg.norm(x, axis=1)
    bend = np.abs(curvature_along(gradient, x, slope / np.where(steep == 0, 1, steep)[:, None]))
    shallow = steep**2 <= 2 * tolerance * np.abs(fall.astype(float)) * bend
    close = steep <= tolerance ** (1 / 3) * np.maximum(size, reach) * bend
    return (steep == 0) | (shallow & close) | (steep <= 4 * rounding * size * bend)


@_quiet
def run(
    loss: Callable,
    gradient: Callable,
    x: np.ndarray,
    eta: np.ndarray,
    steps: int,
    floor: float | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, steps and last points of lanes that start at `x`, of shape (lanes, n)."""
    dtype, rounding = x.dtype, float(np.finfo(x.dtype).eps)
    tolerance = {"float64": 1e-12, "float32": 1e-9}[dtype.name]
    eta = np.broadcast_to(np.asarray(eta, dtype), len(x))
    label, taken, last = np.full(len(x), UNDECIDED), np.full(len(x), steps), x.copy()
    lane, reach = np.arange(len(x)), np.linalg.norm(x, axis=1)
    begin = loss(x).astype(float)
    for step in range(steps + 1):
        slope, here = gradient(x), loss(x)
        if floor is None:
            rests = at_rest(gradient, x, slope, begin - here, reach, tolerance, rounding)
            near = rests
        else:
            rests = at_rest(gradient, x, slope, here - floor, 0.0, tolerance, rounding)
            near = np.abs(here - floor) < tolerance + 8 * rounding * abs(floor)
        settled = np.zeros(len(x), bool)
        if near.any():
            settled[near] = stable(gradient, x[near], eta[near], rounding, floor)
        gone = ~(np.abs(x) <= 1e6).all(axis=1) & ~settled
        for name, mask in ((CONVERGED, settled), (DIVERGED, gone)):
            label[lane[mask]], taken[lane[mask]], last[lane[mask]] = name, step, x[mask]
        on = ~(settled | gone)
        if step == steps:
            label[lane[on & (rests | near)]] = STATIONARY
            last[lane[on]] = x[on]
        if step == steps or not on.any():
            break
        x, slope, eta, lane = x[on], slope[on], eta[on], lane[on]
        begin, reach = begin[on], reach[on]
        x = x - eta[:, None] * slope
    return label, taken, last
