"""Stability thresholds of other rules: on a quadratic, and where the paper's model then ends."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import eos_jax as eos
from eos_jax import theory
from eos_jax.analysis.extrapolation import richardson
from eos_jax.paper.claims.base import Measurement, claim
from eos_jax.paper.claims.runs import COUPLED, final_gap
from eos_jax.rules import Rule, from_optax

_LANES = 64


def _parabola(x):
    return 0.5 * x * x


_QUADRATIC = eos.objectives.from_function(_parabola, name="parabola")


def _largest_stable_step(rule, expected, start=1.0):
    """The step size at which orbits on x^2/2 turn from decay to growth, about 1 % around a guess.

    |x| is compared after 2000 and after 4000 steps, over step sizes spaced by 0.03 %.
    """
    etas = expected * np.linspace(0.988, 1.009, _LANES)
    sizes = []
    for steps in (2000, 4000):
        axes = {"x": start, "eta": etas}
        # late sizes of an oscillating orbit: the largest of two horizons a few steps apart
        late = [
            np.abs(eos.sweep(_QUADRATIC, axes, steps + s, rule=rule, stop=None).x_final.values)
            for s in (0, 1, 2)
        ]
        sizes.append(np.max(late, axis=0))
    grows = ~(sizes[1] < sizes[0])
    if grows.all() or not grows.any():
        return float("nan")
    first = int(np.argmax(grows))
    return float((etas[first - 1] + etas[first]) / 2)


def _threshold(rule, sharpness_times_eta, note="", start=1.0):
    found = _largest_stable_step(rule, sharpness_times_eta, start)
    error = abs(found / sharpness_times_eta - 1)
    note = note or "eta times the sharpness at which orbits on x^2/2 turn from decay to growth"
    return Measurement(sharpness_times_eta, found, error, 1e-3, note + "; tolerance: 3 spacings")


@claim(
    statement="heavy ball leaves a minimum above the sharpness 2 (1 + beta)/eta",
    source="Cohen et al. 2021",
)
def heavy_ball_threshold(quick: bool) -> Measurement:
    """optax.sgd with momentum 0.9 on a quadratic."""
    return _threshold(
        from_optax(lambda eta: optax.sgd(eta, momentum=0.9)),
        float(theory.heavy_ball_threshold(1.0, 0.9)),
    )


@claim(
    statement="Nesterov momentum leaves a minimum above (2/eta)(1 + beta)/(1 + 2 beta)",
    source="Cohen et al. 2021",
)
def nesterov_threshold(quick: bool) -> Measurement:
    """optax.sgd with Nesterov momentum 0.9 on a quadratic."""
    return _threshold(
        from_optax(lambda eta: optax.sgd(eta, momentum=0.9, nesterov=True)),
        float(theory.nesterov_threshold(1.0, 0.9)),
    )


@claim(
    statement="Adam's preconditioned sharpness has the threshold (2 + 2 beta1)/((1 - beta1) eta)",
    source="Cohen et al. 2022",
)
def adam_threshold(quick: bool) -> Measurement:
    """optax.adam on a quadratic so flat that its preconditioner is epsilon = 1, i.e. frozen."""
    return _threshold(
        from_optax(lambda eta: optax.adam(eta, b1=0.9, b2=0.999, eps=1.0)),
        float(theory.adam_threshold(1.0, 0.9)),
        "start 1e-100: sqrt(v) << eps = 1, the preconditioner is 1; eta times the sharpness",
        start=1e-100,
    )


def _sharpness_aware(rho):
    """SAM: the step of the gradient at x + rho g/|g|, for an objective of one scalar."""

    def step(objective, params, state, hyper):
        slope = lambda p: jax.grad(lambda x: objective.full_loss({"x": (x,)}))(p)  # noqa: E731
        x = params["x"]
        move = hyper["eta"] * slope(x + rho * jnp.sign(slope(x)))
        return {"x": x - move}, state

    return Rule("sam", lambda objective, params, hyper: (), step)


@claim(
    statement="SAM bounces, |x'| = |x|, at sharpness |g|/(2 rho) (sqrt(1 + 8 rho/(eta |g|)) - 1)",
    source="Long and Bartlett 2023",
)
def sam_threshold(quick: bool) -> Measurement:
    """One step from many x on x^2/2: the |x| that is kept, and the formula at its gradient."""
    eta, rho = 1.6, 0.05
    x = np.linspace(0.05, 0.5, 4096)
    axes = {"x": x, "eta": eta}
    ds = eos.sweep(_QUADRATIC, axes, 1, rule=_sharpness_aware(rho), stop=None)
    change = np.abs(ds.x_final.values) - x
    root = int(np.flatnonzero(np.diff(np.sign(change)))[0])
    share = change[root] / (change[root] - change[root + 1])
    kept = x[root] + share * (x[root + 1] - x[root])
    found = float(theory.sam_threshold(eta, rho, kept))  # the gradient of x^2/2 is x
    note = f"eta = {eta}, rho = {rho}, |x| = {kept:.6f} is kept, where the sharpness is 1"
    return Measurement(1.0, found, abs(found - 1), 1e-9, note)


@claim(
    statement="heavy ball: 2 (1 + beta)/eta - S = eta/(2 (1 + beta)) + O(eta^3) at the end",
    source="derived; the threshold, Cohen et al. 2021",
)
def heavy_ball_gap_law(quick: bool) -> Measurement:
    """The gap over eta for beta = 0.5 at three step sizes, carried to eta = 0 in powers of eta^2.

    A 2-cycle of heavy ball is one of gradient descent with eta/(1 + beta), and both the growth of
    |b| and the fall of a are (1 + beta)/(1 - beta) times as fast: the same parabola, sooner.
    """
    beta = 0.5
    etas = np.array([0.2, 0.1]) if quick else np.array([0.2, 0.1, 0.05])
    threshold = theory.heavy_ball_threshold(etas, beta)
    s = threshold / 2 * 1.04  # x^2 + y^2
    x, y = theory.from_cd((s**2 - 4) ** 0.25, 1 + 1e-3)
    rule = eos.rules.heavy_ball(beta)
    axes = {"x": x, "y": y, "eta": etas}
    ds = eos.sweep(COUPLED, axes, 100_000, combine="zip", rule=rule, stop=eos.Stop(1e-22))
    ends = {name: ds[f"{name}_final"].values for name in "xy"}
    gaps = (threshold - (2 / etas - final_gap(COUPLED, ends, etas))) / etas
    limit = richardson(gaps, ratio=2, order=2, spacing=2)
    settled = np.all(ds.outcome.values == eos.Outcome.CONVERGED)
    predicted = 1 / (2 * (1 + beta))
    error = abs(limit.value / predicted - 1) if settled else float("inf")
    note = f"gap/eta = {np.round(gaps, 6).tolist()} at eta = {etas.tolist()}"
    tolerance = 5e-3 if quick else 5e-4
    return Measurement(predicted, limit.value, error, tolerance, note)
