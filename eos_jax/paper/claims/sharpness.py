"""Where the sharpness ends: beyond the paper's bounds, numbers and laws."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

import eos_jax as eos
from eos_jax import theory
from eos_jax.analysis.extrapolation import richardson
from eos_jax.analysis.slow_curve import gap_series
from eos_jax.objectives.function_of_product import link_derivatives, link_minimum
from eos_jax.paper.claims.base import Measurement, claim, number, predicate
from eos_jax.paper.claims.runs import (
    COUPLED,
    balanced_start,
    descend,
    final_gap,
    gap_of,
    repeat,
    scalars,
    settle,
    step_ab_exactly,
)

# The coupled model ------------------------------------------------------------------------------


def _final_sharpness(known, eta, side):
    """The final sharpness from side x side starts around minima sharper than 2/eta."""
    x = np.sqrt(1 / eta) * np.linspace(1.08, 1.2, side)
    y = np.linspace(0.971, 1.027, side) / x.mean()  # none on the curve of minima
    x, y = (v.ravel() for v in np.meshgrid(x, y))
    ds = settle(COUPLED, {"x": x, "y": y}, eta, 40_000)
    found = ds.sharpness.values
    settled = ds.outcome.values == eos.Outcome.CONVERGED
    worst = found.flat[np.argmax(np.abs(found - known))]
    error = float(np.max(np.abs(found - known))) if settled.all() else math.inf
    note = f"{settled.sum()} of {settled.size} starts converged, {ds.steps.values.max()} steps"
    return Measurement(known, float(worst), error, 1e-9, note)


@claim(
    statement="eta = 0.2: starts by minima 20-47 % sharper than 2/eta end at S = 9.927360217757",
    source="derived",
    figure="fig2b",
)
def final_sharpness_at_eta_0_2(quick: bool) -> Measurement:
    """The largest deviation over a grid of starts, each run until the loss is below 1e-25."""
    return _final_sharpness(9.927360217757, 0.2, 3 if quick else 5)


@claim(
    statement="eta = 0.1: starts by minima 17-44 % sharper than 2/eta end at S = 19.953850246384",
    source="derived",
)
def final_sharpness_at_eta_0_1(quick: bool) -> Measurement:
    """The largest deviation over a grid of starts, each run until the loss is below 1e-25."""
    return _final_sharpness(19.953850246384, 0.1, 3 if quick else 5)


@functools.cache
def _gap_series(smallest):
    """(2/eta - S)/eta at halved step sizes from 0.16 on, free of cancellation."""
    etas = 0.16 / 2.0 ** np.arange(round(math.log2(0.16 / smallest)) + 1)
    start = (0.1 / etas**0.5, 0.03)
    a, b = repeat(step_ab_exactly, start, etas, 60 / etas[-1] ** 2)
    return etas, np.where(np.abs(b) < 1e-9, gap_of(a, etas) / etas, np.nan)


@claim(
    statement="(2/eta - S)/eta -> 1/2 as eta -> 0",
    source="derived",
)
def gap_first_coefficient(quick: bool) -> Measurement:
    """Richardson extrapolation in eta^2 from halved step sizes, the exact map in (a, b)."""
    etas, gaps = _gap_series(0.02 if quick else 0.01)
    limit = richardson(gaps, ratio=2, order=2, spacing=2)
    note = f"eta = 0.16 ... {etas[-1]}; extrapolated +- {limit.error:.1g}; absolute error"
    claimed = (2 / etas - theory.predicted_sharpness(etas)) / etas
    error = max(abs(limit.value - v) for v in (0.5, *claimed))
    return Measurement(0.5, limit.value, error, 1e-6, note)


@claim(
    statement="2/eta - S = eta/2 - (129/32) eta^3 + O(eta^5)",
    source="derived: exact series of the invariant curve, see analysis/slow_curve.py",
)
def gap_second_coefficient(quick: bool) -> Measurement:
    """Richardson extrapolation of ((2/eta - S)/eta - 1/2)/eta^2 against the exact series."""
    etas, gaps = _gap_series(0.02 if quick else 0.01)
    exact = gap_series(2)[1]
    limit = richardson((gaps - 0.5) / etas**2, ratio=2, order=2, spacing=2)
    note = f"exact {exact}; measured {limit.value:.9f} +- {limit.error:.1g}; absolute error"
    return Measurement(float(exact), limit.value, abs(limit.value - float(exact)), 1e-4, note)


@claim(
    statement="2/eta - S = eta/2 - (129/32) eta^3 + (2483/128) eta^5 + O(eta^7)",
    source="derived: exact series of the invariant curve, see analysis/slow_curve.py",
)
def gap_third_coefficient(quick: bool) -> Measurement:
    """Richardson extrapolation of what the first two coefficients leave, eta from 0.16 to 0.02."""
    etas, gaps = (v[:4] for v in _gap_series(0.02 if quick else 0.01))  # below, rounding shows
    first, second, third = map(float, gap_series(3))
    rest = ((gaps - first) / etas**2 - second) / etas**2
    limit = richardson(rest, ratio=2, order=2, spacing=2)
    note = f"measured {limit.value:.5f} +- {limit.error:.1g}; absolute error"
    return Measurement(third, limit.value, abs(limit.value - third), 1e-2, note)


@claim(
    statement="finally |b| is multiplied by 1 - eta^2/2 a step: the loss falls as exp(-eta^2 t)",
    source="derived",
    figure="fig2a",
)
def loss_falls_as_exp_minus_eta_squared_t(quick: bool) -> Measurement:
    """The fall of |b| between two late times, in units of eta^2 / 2, extrapolated in eta^2."""
    etas = np.array([0.1, 0.05, 0.025])
    start = (0.1 / etas**0.5, 0.03)
    settle = repeat(step_ab_exactly, start, etas, 60 / etas[-1] ** 2)
    later = repeat(step_ab_exactly, settle, etas, 200)
    # b = 0 at a minimum and the loss is proportional to b^2 there; far below it b is still exact
    rates = -2 * np.log(np.abs(later[1] / settle[1])) / 200 / etas**2
    limit = richardson(rates, ratio=2, order=2, spacing=2)
    claimed = 2 * (1 - theory.final_multiplier(1e-3)) / 1e-6
    note = f"rates / eta^2 = {np.round(rates, 6).tolist()}, extrapolated +- {limit.error:.1g}"
    error = max(abs(limit.value - 1), abs(claimed - 1))
    return Measurement(1.0, limit.value, error, 1e-4, note)


# More scalars -----------------------------------------------------------------------------------


def _scalars_gap(n, m, rates):
    """(eta, gap / law) at step sizes where eta * gap, the final rate, is what is given."""
    factor = 3 * n / (2 * (m - 1) * (5 * m - 4)) * (m / 2) ** (m / n)
    etas = (np.asarray(rates) / factor) ** (1 / (1 + m / n))
    law = 2 / etas - theory.predicted_sharpness_scalars(etas, n, m)
    objective = eos.objectives.scalar_product((n, m))
    ends = descend(objective, balanced_start(objective, 30 * law, etas), etas, 70 / min(rates))
    return etas, final_gap(objective, ends, etas) / law


def _register_law(n, m):
    @claim(
        name=f"gap_law_{n}_large_{m}_small",
        statement=f"{n} large, {m} small scalars: 2/eta - S = "
        f"{3 * n}/{2 * (m - 1) * (5 * m - 4)} ({m} eta/2)^({m}/{n})",
        source="derived" + ("; paper, Fig. 6, good corner" if (n, m) == (1, 2) else ""),
        figure="fig6" if (n, m) == (1, 2) else "",
    )
    def gap_law(quick):
        """The measured gap over the law's, carried to eta = 0 in powers of eta gap."""
        etas, ratios = _scalars_gap(n, m, 4e-3 / 4.0 ** np.arange(3))
        limit = richardson(ratios, ratio=4)
        note = f"eta = {np.round(etas, 5).tolist()}: measured/law = {np.round(ratios, 5).tolist()}"
        return number(1.0, limit.value, 1e-3, note)


for _n, _m in ((2, 2), (1, 2), (3, 3), (2, 3), (3, 2), (1, 3)):
    _register_law(_n, _m)


@claim(
    statement="m = 1 small scalar: excesses spread 8-fold leave final gaps spread over 4-fold",
    source="derived; paper, Sec. 4.1 and Fig. 6",
    figure="fig6",
)
def one_small_scalar_does_not_concentrate(quick: bool) -> Measurement:
    """Final gaps from four excesses over 2/eta, for (1, 1) and (2, 1), against (2, 2)."""
    eta, excess = 0.02, np.array([0.1, 0.2, 0.4, 0.8])
    spreads, texts = {}, []
    for copies in ((1, 1), (2, 1), (2, 2)):
        objective = eos.objectives.scalar_product(copies)
        start = balanced_start(objective, excess, np.full(4, eta), off=1e-4)
        gaps = final_gap(objective, descend(objective, start, np.full(4, eta), 300_000), eta)
        spreads[copies] = gaps.max() / gaps.min()
        texts.append(f"{copies}: {np.round(gaps, 4).tolist()}")
    ok = spreads[1, 1] > 4 and spreads[2, 1] > 4 and spreads[2, 2] < 1.001
    return predicate(
        "largest/smallest gap > 4 for m = 1, 1 for (2, 2)",
        ", ".join(f"{c}: {v:.4f}" for c, v in spreads.items()),
        bool(ok),
        f"eta = {eta}, excesses {excess.tolist()}, gaps " + "; ".join(texts),
    )


@claim(
    statement="uncoupled scalars: A.4's three starts at eta = 0.2 end within 0.25 below 2/eta",
    source="paper, App. A.4",
    figure="figA4",
)
def uncoupled_scalars_end_below_the_threshold(quick: bool) -> Measurement:
    """The sharpness of the minima that the three starts of App. A.4 lead to, 10,000 steps."""
    eta, gaps, texts = 0.2, [], []
    for start in ((6, 0.1, 0.4), (2, 2.5, 3, 0.1, 0.2, 0.3, 0.4), (6, 0.7, 0.3, 0.2)):
        objective = eos.objectives.scalar_product(len(start))
        params = {n: [float(v)] for n, v in zip(objective.parameters, start)}
        ends = descend(objective, params, [eta], 10_000)
        points = scalars(objective, ends)
        gaps.append(2 / eta - float(theory.gradient_flow_sharpness(points)[0]))
        texts.append(f"{start}: product {points.prod():.6f}")
    ok = all(0 < gap < 0.25 for gap in gaps)
    return predicate(
        "0 < 2/eta - S < 0.25",
        ", ".join(f"{v:.4f}" for v in gaps),
        ok,
        "; ".join(texts),
    )


# Losses of a product ----------------------------------------------------------------------------


def _product_gap(objective, derivatives, product, etas):
    """Measured gap over the law's, from 30 gaps above 2/eta."""
    with jax.enable_x64(True):
        l2, l3, l4 = (float(v) for v in derivatives)
    law = 2 / etas - theory.predicted_sharpness_of_product_loss(etas, l2, l3, l4)
    total = (2 / etas + 30 * law) / l2  # x^2 + y^2
    imbalance = np.sqrt(total**2 - 4 * product**2)
    x, y = theory.from_cd(imbalance**0.5, product + 1e-3)
    ends = descend(objective, {"x": x, "y": y}, etas, np.max(70 / (etas * law)))
    settled = np.abs(ends["x"] * ends["y"] - product) < 1e-6
    imbalance = (ends["x"] - ends["y"]) * (ends["x"] + ends["y"])
    ratio = (2 / etas - l2 * np.sqrt(imbalance**2 + 4 * product**2)) / law
    return np.where(settled, ratio, np.nan)


def _limit_of_product_gap(objective, derivatives, product, etas):
    ratios = _product_gap(objective, derivatives, product, etas)
    limit = richardson(ratios, ratio=2, order=2, spacing=2)
    note = f"eta = {etas.tolist()}: measured/law = {np.round(ratios, 5).tolist()}"
    return number(1.0, limit.value, 1e-4, note)


def _register_product_law(link, target):
    @claim(
        name=f"gap_law_of_{link}",
        statement=f"l(xy), l = {link} with target {target}: 2/eta - S = "
        "3 eta l2^4/(3 l3^2 - l2 l4) + ...",
        source="derived; the loss: Ahn et al. 2022" if link != "cross_entropy" else "derived",
    )
    def product_law(quick):
        """The measured gap over the law's at halved step sizes, carried to eta = 0 in eta^2."""
        objective = eos.objectives.function_of_product(link, target)
        with jax.enable_x64(True):
            product, _ = link_minimum(link, target)
            derivatives = link_derivatives(link, target)[2:]
            etas = np.array([0.08, 0.04, 0.02]) / float(derivatives[0])
        return _limit_of_product_gap(objective, derivatives, product, etas)


for _link, _target in (("root", 1.0), ("log_cosh", 1.0), ("cross_entropy", 0.75)):
    _register_product_law(_link, _target)


@claim(
    statement="l(xy) = exp(s) - s - 1 at s = xy - 1, where l3 = l2 != 0: the same law",
    source="derived",
)
def gap_law_of_a_skewed_loss(quick: bool) -> Measurement:
    """A loss whose third derivative matters, given as a function of one's own."""
    objective = eos.objectives.from_function(_skewed)
    etas = np.array([0.08, 0.04, 0.02])
    return _limit_of_product_gap(objective, (1.0, 1.0, 1.0), 1.0, etas)


def _skewed(x, y):
    s = x * y - 1
    return jnp.exp(s) - s - 1
