"""Stability thresholds of other rules: on a quadratic, and where the paper's model then ends."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax

import eos_jax as eos
from eos_jax import measures, theory
from eos_jax.analysis.extrapolation import richardson
from eos_jax.paper.claims.base import Measurement, claim
from eos_jax.paper.claims.runs import (
    COUPLED,
    PARABOLA,
    QUARTIC,
    edge_on_a_parabola,
    final_gap,
    hessians,
)
from eos_jax.rules import from_optax
from eos_jax.rules.stability import linear_filter_threshold
from eos_jax.sample import Sample


@claim(
    statement="heavy ball, beta = 0.9, on x^2/2 grows above the sharpness 2 (1 + beta)/eta",
    source="Cohen et al. 2021",
)
def heavy_ball_threshold(quick: bool) -> Measurement:
    """The rule with momentum 0.9 on a quadratic."""
    expected = float(theory.heavy_ball_threshold(1.0, 0.9))
    return edge_on_a_parabola(eos.rules.heavy_ball(0.9), expected, eta=1.0)


@claim(
    statement="Nesterov, b = 0.9, on x^2/2 grows above the sharpness (2/eta)(1 + b)/(1 + 2 b)",
    source="Cohen et al. 2021",
)
def nesterov_threshold(quick: bool) -> Measurement:
    """The rule with momentum 0.9 on a quadratic."""
    expected = float(theory.nesterov_threshold(1.0, 0.9))
    return edge_on_a_parabola(eos.rules.nesterov(0.9), expected, eta=1.0)


@claim(
    statement="averaged gradients, decay w: linearised, a flip at (2 - eta w)(1 + b)/((1 - b) eta)",
    source="derived; Cohen et al. 2021 without decay",
)
def linear_filters_flip_with_decay(quick: bool) -> Measurement:
    """The dataset's threshold of a rule from optax, b = 0.9, with and without decay, at eta = 1.

    It comes from the linearised step; the formula is that of linear filters, (2 - eta w)/(eta H).
    """
    betas, decays = np.array([0.9, 0.5]), np.array([0.0, 0.1])
    axes = {"x": 1.0, "eta": 1.0, "beta": betas, "decay": decays}
    rule = from_optax(_mean_momentum, "mean_momentum")
    ds = eos.sweep(PARABOLA, axes, 1, rule=rule, stop=None)
    found = ds.threshold.values.reshape(2, 2)
    answer = (1 - betas[:, None]) / (1 + betas[:, None])
    formula = linear_filter_threshold(1.0, answer, decays)
    known = np.array([[38.0, 36.1], [6.0, 5.7]])
    error = max(float(np.max(np.abs(v / known - 1))) for v in (found, formula))
    note = "b = 0.9, 0.5; w = 0, 0.1"
    return Measurement(str(known.tolist()), str(found.round(6).tolist()), error, 1e-9, note)


def _mean_momentum(eta, beta, decay):
    return optax.chain(
        optax.ema(beta, debias=False), optax.add_decayed_weights(decay), optax.scale(-eta)
    )


@claim(
    statement="Adam on x^2/2: a 2-cycle at P^-1 = (2 + 2 b1)/((1 - b1) eta); orbits stay about it",
    source="Cohen et al. 2022 for the threshold; the cycle derived",
)
def adam_threshold(quick: bool) -> Measurement:
    """One step from the cycle, the preconditioner P = |x|; and the mean of an orbit from x = 1.

    With g alternating between +-r, m is (1 - b1)/(1 + b1) g and v is r^2, so that the step is -2x
    for r = eta (1 - b1)/(2 (1 + b1)): where P^-1, the preconditioned sharpness, is the threshold.
    """
    rule, eta, b1 = eos.rules.adam(b2=0.99, eps=1e-15), 0.01, 0.9
    limit = theory.adam_threshold(eta, b1)
    with jax.enable_x64(True):
        r = jnp.asarray(1 / limit, jnp.float64)
        hyper = {n: jnp.asarray(v, jnp.float64) for n, v in {**rule.defaults, "eta": eta}.items()}
        start, zero = rule.init(PARABOLA, {"x": r}, hyper), jnp.zeros_like(r)
        first = {"x": -(1 - b1) / (1 + b1) * r}
        state = start._replace(first=first, second={"x": r**2}, b1_power=zero, b2_power=zero)
        params, after = rule.step(PARABOLA, {"x": r}, state, hyper)
        one = jnp.asarray(1)
        sample = Sample(PARABOLA, rule, params, after, hyper, one, one)
        own = float(measures.threshold(sample)), float(measures.curvature(sample))
        turned = float(params["x"] / r)
    error = max(abs(turned + 1), *(abs(v / limit - 1) for v in own))
    axes, record = {"x": 1.0, "eta": eta}, ("curvature", "threshold")
    late = eos.orbits(PARABOLA, axes, 20_000, rule=rule, record=record, last=8000)
    shares = (late.curvature / late.threshold).values.ravel()
    mean = float(np.exp(np.mean(np.log(shares[-8000:]))))
    note = (
        f"b1 = {b1}, b2 = 0.99, eta = {eta}; the last 8000 of 20,000 steps from x = 1: curvature "
        f"over threshold from {shares.min():.2f} to {shares.max():.2f}, mean {mean:.3f}, within "
        "15 % of 1: it swings about the cycle, which is not stable"
    )
    error = error if abs(mean - 1) < 0.15 else float("inf")
    return Measurement(float(limit), own[1], float(error), 1e-8, note)


@claim(
    statement="RMSProp on x^2/2 settles on +-eta/2: the preconditioned sharpness is 2/eta there",
    source="derived; Cohen et al. 2022 for the threshold",
)
def rmsprop_settles_at_its_threshold(quick: bool) -> Measurement:
    """The last steps of an orbit from x = 1: |x|, curvature and threshold."""
    eta, rule = 0.01, eos.rules.rmsprop(decay=0.99, eps=1e-24)
    axes, record = {"x": 1.0, "eta": eta}, ("x", "curvature", "threshold")
    late = eos.orbits(PARABOLA, axes, 8000, rule=rule, record=record, last=10)
    x, bend, own = (late[n].values.ravel() * eta / 2 for n in ("x_orbit", "curvature", "threshold"))
    errors = [np.abs(np.abs(x) / (eta**2 / 4) - 1), np.abs(bend - 1), np.abs(own - 1)]
    error = float(np.max(errors)) if np.all(x[1:] * x[:-1] < 0) else float("inf")
    return Measurement("2/eta", f"{bend[-1]:.12f} times 2/eta", error, 1e-9, f"eta = {eta}")


@claim(
    statement="Adam on x^k/k, k = 4: a first step of eta, then linear, b2^(1/(2 (k - 2))) a step",
    source="Bai et al. 2026; the rate derived",
)
def adam_rate_on_a_quartic(quick: bool) -> Measurement:
    """The first step, and the mean fall of log |x| from 1000 to 4000 steps; b2 = 0.99, two b1."""
    axes = {"x": 1.0, "eta": 1e-2, "b1": [0.5, 0.9]}
    rule = eos.rules.adam(b1=None, b2=0.99, eps=1e-200)
    ends = [
        np.abs(eos.sweep(QUARTIC, axes, n, rule=rule, stop=None, sharpness=None).x_final.values)
        for n in (1, 1000, 4000)
    ]
    rates = np.log(ends[2] / ends[1]).ravel() / 3000 / (math.log(0.99) / 4)
    first = float(np.max(np.abs((1 - ends[0]) / 1e-2 - 1)))
    error = max(float(np.max(np.abs(rates - 1))), first)
    note = "log |x| per step over log(b2)/4; tolerance: the swing about the mean"
    return Measurement(1.0, str(rates.round(5)), error, 0.01, note)


@claim(
    statement="sign descent settles on a 2-cycle of length eta: no minimum is stable under it",
    source="derived",
)
def sign_descent_never_settles(quick: bool) -> Measurement:
    """Late points on x^2/2 from four starts: their sum of sizes, and outcomes."""
    eta, rule = 0.01, eos.rules.sign_gradient_descent()
    axes = {"x": [0.3, 0.303, 0.5007, 1.0042], "eta": eta}
    runs = [eos.sweep(PARABOLA, axes, n, rule=rule) for n in (1000, 1001)]
    length = np.abs(runs[0].x_final - runs[1].x_final).values.ravel()
    never = all((ds.outcome.values != eos.Outcome.CONVERGED).all() for ds in runs)
    error = float(np.max(np.abs(length / eta - 1))) if never else float("inf")
    return Measurement(1.0, str((length / eta).round(9)), error, 1e-9, "length over eta")


@claim(
    statement="a step size each for x and y: the largest eigenvalue of D^1/2 H D^1/2 ends below 2",
    source="derived",
)
def two_step_sizes_end_below_two(quick: bool) -> Measurement:
    """The coupled model with eta_x = 0.18 and eta_y = 0.22; Hessians scaled by NumPy."""
    sizes = {"eta_x": 0.18, "eta_y": 0.22}
    rule = eos.rules.gradient_descent(parameters=("x", "y"))
    axes = {"x": [2.5, 2.6], "y": 0.4001, **sizes}
    ds = eos.sweep(COUPLED, axes, 5000, rule=rule)
    ends = {n: ds[f"{n}_final"].values.ravel() for n in "xy"}
    root = np.sqrt(np.repeat(list(sizes.values()), 2))
    scaled = np.linalg.eigvalsh(root[:, None] * hessians(COUPLED, ends) * root)[:, -1]
    error = np.max(np.abs(ds.curvature.values.ravel() / scaled - 1))
    error = max(float(error), float(np.max(np.abs(ds.threshold.values - 2))))
    ok = (ds.outcome.values == eos.Outcome.CONVERGED).all() and np.all(
        (scaled > 1.9) & (scaled < 2)
    )
    note = "eta_x = 0.18, eta_y = 0.22; the error is that of the dataset's curvature"
    return Measurement("in (1.9, 2)", str(scaled.round(5)), error if ok else math.inf, 1e-9, note)


@claim(
    statement="SAM on x^2/2: |x'| = |x| at sharpness |g|/(2 rho) (sqrt(1 + 8 rho/(eta |g|)) - 1)",
    source="Long and Bartlett 2023",
)
def sam_threshold(quick: bool) -> Measurement:
    """One step from many x on x^2/2: the |x| that is kept, and the formula at its gradient."""
    eta, rho = 1.6, 0.05
    x = np.linspace(0.05, 0.5, 4096)
    axes = {"x": x, "eta": eta}
    ds = eos.sweep(PARABOLA, axes, 1, rule=eos.rules.sam(rho), stop=None)
    change = np.abs(ds.x_final.values) - x
    root = int(np.flatnonzero(np.diff(np.sign(change)))[0])
    share = change[root] / (change[root] - change[root + 1])
    kept = x[root] + share * (x[root + 1] - x[root])
    found = float(theory.sam_threshold(eta, rho, kept))  # the gradient of x^2/2 is x
    note = f"eta = {eta}, rho = {rho}, |x| = {kept:.6f} is kept, where the sharpness is 1"
    return Measurement(1.0, found, abs(found - 1), 1e-9, note)


@claim(
    statement="heavy ball, b = 0.5: 2 (1 + b)/eta - S = eta/(2 (1 + b)) + O(eta^3) at the end",
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
    own = np.max(np.abs(ds.threshold.values / threshold - 1))
    gaps = (threshold - (2 / etas - final_gap(COUPLED, ends, etas))) / etas
    limit = richardson(gaps, ratio=2, order=2, spacing=2)
    settled = np.all(ds.outcome.values == eos.Outcome.CONVERGED) and own < 1e-12
    predicted = 1 / (2 * (1 + beta))
    error = abs(limit.value / predicted - 1) if settled else float("inf")
    note = f"gap/eta = {np.round(gaps, 6).tolist()} at eta = {etas.tolist()}"
    tolerance = 5e-3 if quick else 5e-4
    return Measurement(predicted, limit.value, error, tolerance, note)
