"""What sweeps say of orbits of the paper's model, beside a loop in NumPy that shares no code."""

import numpy as np

import eos_jax as eos
from eos_jax import observers, theory
from eos_jax.paper.claims.base import Measurement, claim, predicate
from eos_jax.paper.claims.runs import COUPLED, fates_by_hand, sharpness_by_hand, step_by_hand

_ETA = 0.2


def _by_hand(x, y, steps):
    """The points of orbits, shape (steps + 1, lanes, 2)."""
    path = [np.broadcast_arrays(x, y)]
    for _ in range(steps):
        path.append(step_by_hand(*path[-1], _ETA))
    return np.moveaxis(np.array(path, float), 1, -1)


def _by_both_engines(x, y, steps):
    """The sweep by the engine that is chosen and by plain XLA."""
    axes = {"x": x, "y": y, "eta": _ETA}
    return [
        eos.sweep(COUPLED, axes, steps, combine="zip", engine=engine)
        for engine in ("auto", "plain")
    ]


def _as_by_hand(both, hand):
    """Lanes whose outcome and steps are those by hand, whichever engine ran."""
    same = [(ds.outcome.values == hand.outcome) & (ds.steps.values == hand.steps) for ds in both]
    return np.logical_and.reduce(same)


@claim(
    statement="a minimum is kept from its first step if its sharpness is below 2/eta, else left",
    source="paper, Sec. 1 and 4.3; derived",
    figure="fig2b",
)
def minima_are_kept_below_the_threshold(quick: bool) -> Measurement:
    """Starts at rounding distance from minima of 0.5 to 1.45 times the sharpness 2/eta.

    Outcomes and steps by each engine, sharpness and threshold, against the plain loop.
    """
    shares = np.array([0.5, 0.9, 0.97, 0.99, 0.998, 1.002, 1.01, 1.03, 1.1, 1.2, 1.45])
    total = shares / _ETA  # x^2 + y^2 where xy = 1
    x = np.sqrt((total + np.sqrt(total**2 - 4)) / 2)
    y = 1 / x + 1e-9
    both = _by_both_engines(x, y, 20_000)
    ds = both[0]
    hand = fates_by_hand(x, y, _ETA, 20_000)
    same = _as_by_hand(both, hand)
    ends = np.abs(ds.sharpness.values / sharpness_by_hand(hand.x, hand.y) - 1)
    kept = ds.steps.values == 0
    ok = (
        same.all()
        and kept.tolist() == (shares < 1).tolist()
        and (ds.outcome.values == eos.Outcome.CONVERGED).all()
        and ends.max() < 1e-9
        and np.max(np.abs(ds.threshold.values / theory.stability_threshold(_ETA) - 1)) < 1e-15
    )
    text = f"{kept.sum()} of {len(x)} kept, {same.sum()} as by hand"
    note = f"steps {ds.steps.values.tolist()} at {shares.tolist()} times 2/eta, eta = {_ETA}"
    return predicate("those below 1, after as many steps as by hand", text, bool(ok), note)


@claim(
    statement="starts of Fig. 2b: a plain loop's fates (>= 99.4 %), in as many steps (>= 97 %)",
    source="paper, Fig. 2b and Sec. 4.3",
    figure="fig2b",
)
def fates_of_figure_2b_by_a_plain_loop(quick: bool) -> Measurement:
    """Outcome, steps and last point of a grid of starts in [0, 4]^2, eta = 0.2, by each engine."""
    side = 24 if quick else 60
    x, y = (v.ravel() for v in np.meshgrid(*[np.linspace(0.03, 4, side)] * 2))
    steps = 2000
    both = _by_both_engines(x, y, steps)
    hand = fates_by_hand(x, y, _ETA, steps)
    same = _as_by_hand(both, hand)
    near = same & (hand.outcome == eos.Outcome.CONVERGED)
    off = np.max([np.abs(ds.x_final.values - hand.x)[near] for ds in both], axis=0)
    close = float(np.mean(off < 1e-6))
    alike = min(float(np.mean(ds.outcome.values == hand.outcome)) for ds in both)
    kinds = [int(np.sum(hand.outcome == o)) for o in (eos.Outcome.CONVERGED, eos.Outcome.DIVERGED)]
    note = (
        f"{kinds[0]} converge, {kinds[1]} diverge of {len(x)}; outcomes alike {alike:.2%}, ends "
        f"within 1e-6 {close:.2%}; tolerance: orbits that survive chaos may do so a few steps later"
    )
    error = max(1 - float(same.mean()), 5 * (1 - close), 5 * (1 - alike))
    return Measurement("all", f"{same.mean():.2%} as by hand", error, 0.03, note)


@claim(
    statement="Fig. 2a's orbit, measured; above 2/eta, steps and top eigenvector: |cos| > 0.99",
    source="paper, Fig. 2a",
    figure="fig2a",
)
def orbit_of_figure_2a_by_a_plain_loop(quick: bool) -> Measurement:
    """What is recorded along the orbit from (2.5, 0.4001) at eta = 0.2, against NumPy.

    Hessians of the full space by hand: r the residual, v the gradient of the product,
    v v^T + r (P / x_i x_j) off the diagonal.
    """
    steps = 300
    record = (
        "x", "y", "loss", "sharpness", "threshold", "gradient_norm", "parameter_norm", "alignment",
        "excess_curvature",
    )  # fmt: skip
    axes = {"x": 2.5, "y": 0.4001, "eta": _ETA}
    orbit = eos.orbits(COUPLED, axes, steps, record=record)
    x, y = _by_hand(2.5, 0.4001, steps).T
    full = np.stack([x, x, y, y])
    product = x * x * y * y
    slope = (product - 1) * product / full
    hessians = (
        product**2 / (full[:, None] * full)
        + (product - 1) * product / (full[:, None] * full) * (1 - np.eye(4))[:, :, None]
    )
    values, vectors = np.linalg.eigh(np.moveaxis(hessians, -1, 0))
    along = np.abs(np.sum(vectors[:, :, -1].T * slope, axis=0)) / np.linalg.norm(slope, axis=0)
    expected = {
        "x_orbit": x,
        "y_orbit": y,
        "loss": (1 - product) ** 2 / 2,
        "sharpness": values[:, -1],
        "threshold": np.full(steps + 1, 2 / _ETA),
        "gradient_norm": np.linalg.norm(slope, axis=0),
        "parameter_norm": np.linalg.norm(full, axis=0),
        "alignment": along,
        "excess_curvature": values[:, -1] - 2 / _ETA,
    }
    errors = {n: np.max(np.abs(orbit[n].values.ravel() - v)) for n, v in expected.items()}
    worst = max(errors, key=lambda name: errors[name])
    least = along[values[:, -1] > 2 / _ETA].min()
    note = f"largest error: {worst}; |cosine| >= {least:.4f} where the sharpness is above 2/eta"
    error = float(errors[worst]) if least > 0.99 else float("inf")
    return Measurement("equal", f"off by {error:.2g} in {steps} steps", error, 1e-8, note)


@claim(
    statement="from four flatter starts the sharpness rises through 2/eta, and ends below it",
    source="paper, Fig. 2a",
    figure="fig2a",
)
def sharpness_rises_through_the_threshold(quick: bool) -> Measurement:
    """Step of the first crossing, steps above, peak and least loss, against the plain loop."""
    steps = 400
    x, y = np.array([2.3, 2.4, 2.4, 2.5]), np.array([0.3, 0.25, 0.35, 0.3])
    observe = {
        "crossing": observers.first_crossing(),
        "above": observers.count(),
        "peak": observers.maximum("sharpness"),
        "least": observers.minimum("loss"),
    }
    axes = {"x": x, "y": y, "eta": _ETA}
    ds = eos.sweep(COUPLED, axes, steps, combine="zip", observe=observe, stop=None)
    path = _by_hand(x, y, steps)
    values = sharpness_by_hand(path[..., 0], path[..., 1])
    losses = (1 - (path[..., 0] * path[..., 1]) ** 2) ** 2 / 2
    above = values > 2 / _ETA
    exact = (ds.crossing.values == np.argmax(above, axis=0)).all() and (
        ds.above.values == above.sum(axis=0)
    ).all()
    off = max(
        np.max(np.abs(ds.peak.values / values.max(axis=0) - 1)),
        np.max(np.abs(ds.least.values - losses.min(axis=0))),
    )
    rises = (values[0] < 2 / _ETA).all() and above.any(axis=0).all() and not above[-1].any()
    text = f"crossings at {ds.crossing.values.tolist()}, {ds.above.values.tolist()} steps above"
    note = f"peaks {np.round(ds.peak.values, 3).tolist()}; off by {off:.1g}; eta = {_ETA}"
    return predicate("as by hand", text, bool(exact and rises and off < 1e-8), note)
