"""The instruments themselves, where the answer is known: cycles, exponents, boundaries, trust."""

import json
import math

import numpy as np

import eos_jax as eos
from eos_jax import analysis, observers
from eos_jax.analysis import FEIGENBAUM, boundaries
from eos_jax.paper.claims.base import Measurement, claim, interval, number, predicate
from eos_jax.paper.claims.runs import COUPLED

_BALANCED = eos.objectives.scalar_product((4,))
_DOUBLINGS = (0.5, 0.623584636218172, 0.652074992017871)
"""Of four balanced scalars: two closed or in quadruple precision by another program."""


def _own_loss(x):
    """Four balanced scalars as a user would write them, with their gradient divided by four."""
    return (1 - x**4) ** 2 / 8


# Cycles and where they change ---------------------------------------------------------------------


@claim(
    statement="one call gives k = 4's doublings for balanced scalars and for a user's own loss",
    source="derived; Feigenbaum 1978",
)
def doublings_of_a_users_loss(quick: bool) -> Measurement:
    """Three flips of a loss given as a function against the known ones, and the sixth ratio."""
    own = eos.objectives.from_function(_own_loss, name="balanced")
    flips = analysis.cascade(own, {"x": 1.0}, 0.45, 8)
    error = max(abs(a.parameter - b) for a, b in zip(flips, _DOUBLINGS))
    last = analysis.ratios(flips)[5] if len(flips) == 8 else math.nan
    if not abs(last - FEIGENBAUM) < 2e-3:
        error = math.inf
    text = ", ".join(f"{v:.15g}" for v in (flip.parameter for flip in flips[:3]))
    note = f"absolute; the sixth ratio of intervals is {last:.5f}"
    return Measurement(", ".join(map(str, _DOUBLINGS)), text, error, 1e-12, note)


@claim(
    statement="x' = r x (1 - y), y' = x sheds a stable circle at r = 2: angle pi/3, coefficient -1",
    source="Kuznetsov 2004, example 4.2, where it is -2 for an eigenvector of length sqrt(2)",
)
def neimark_sacker_of_a_delayed_map(quick: bool) -> Measurement:
    """The point, its angle and its normal form, for an eigenvector of length 1."""
    system = analysis.own_map(_delayed, ["x", "y"])
    found = analysis.bifurcation("neimark_sacker", system, {"x": 0.48, "y": 0.48}, {"r": 1.9}, "r")
    known = (2.0, math.pi / 3, -1.0)
    got = (found.parameter, found.angle, found.coefficient)
    error = max(abs(a - b) for a, b in zip(got, known))
    text = ", ".join(f"{v:.9f}" for v in got)
    return Measurement("2, pi/3, -1", text, error, 1e-9, "absolute; third derivatives by JAX")


def _delayed(x, y, r):
    return r * x * (1 - y), x


@claim(
    statement="Nesterov, momentum -5/8, k = 4: a stable circle is born at eta = 13/20, cos -3/10",
    source="derived: beta (1 - eta h) = 1; negative momentum, Gidel et al. 2019",
)
def nesterov_sheds_a_circle(quick: bool) -> Measurement:
    """Point and angle in closed form, the coefficient by harmonic balance, the size by orbits."""
    beta, start = -0.625, {"x": 1.01}
    near = {"eta": 0.63, "momentum": beta}
    found = analysis.bifurcation("neimark_sacker", _BALANCED, start, near, rule="nesterov")
    growth, share = _harmonic_balance(beta, 4, 36, 204)  # of (1 - x^4)^2 / 8 at 1
    known = (13 / 20, -3 / 10, growth * share)
    got = (found.parameter, math.cos(found.angle), found.coefficient)
    error = max(abs(a - b) for a, b in zip(got, known))
    away = 1e-4
    axes = {**start, "momentum": beta, "eta": 13 / 20 + away}
    orbit = eos.orbits(_BALANCED, axes, 80_000, last=20_000, rule="nesterov", sharpness=None)
    seen = float(orbit.x_orbit.var())
    foretold = abs(beta) * 4 * away / abs(growth)  # 2 |A|^2, d|mu|/d eta being |beta| h/2
    if not (growth < 0 and abs(seen / foretold - 1) < 0.01):
        error = math.inf
    note = f"absolute; {away} beyond, the variance of x is {seen:.4g}, foretold {foretold:.4g}"
    text = ", ".join(f"{v:.9f}" for v in got)
    return Measurement(", ".join(f"{v:.9f}" for v in known), text, error, 1e-11, note)


def _harmonic_balance(beta, l2, l3, l4):
    """Nesterov where it begins to circle at a minimum with these derivatives of the loss.

    With x = A mu^n + its conjugate + a mean + a second harmonic, y' = (1 + beta) G(y) -
    beta G(y_before), G(y) = y - eta g(y), gives mu A (1 + d |A|^2) a step later. Returned are Re d,
    and |A|^2 over the square of the amplitude along an eigenvector of length 1 of (x, last move).
    """
    c, eta = 1 / beta, (1 - 1 / beta) / l2
    cosine = (1 + beta) / (2 * beta)
    mu = complex(cosine, math.sqrt(1 - cosine**2))
    response, slope = lambda z: ((1 + beta) * z - beta) / z**2, (2 * beta / mu - 1 - beta) / mu**2
    mean = -eta * l3 / (1 - c)
    second = -eta * l3 / 2 * response(mu**2) / (1 - c * response(mu**2))
    bent = -eta * (l3 * (mean + second) + l4 / 2)
    growth = -response(mu) * bent / (c * mu * slope)
    return growth.real, 1 / (1 + abs((1 - c) / (mu - beta)) ** 2)


@claim(
    statement="x' = r x (1 - x): a window of period 3 opens at 1 + sqrt 8; 5, 5, 4 are found too",
    source="May 1976; Metropolis, Stein and Stein 1973",
)
def windows_of_the_logistic_map(quick: bool) -> Measurement:
    """Periods of the windows a grid shows from r = 3.7 to 4, and the fold of period 3."""
    grid = np.linspace(3.7, 3.999, 600 if quick else 3000)
    found = analysis.windows(analysis.logistic(), {"x": 0.3}, {"r": grid}, "r", longest=5)
    folds = {(w.period, round(w.fold.parameter, 4)): w.fold for w in found}
    known = {(5, 3.7382), (3, 3.8284), (5, 3.9056), (4, 3.9601)}  # and more on a finer grid
    three = folds.get((3, 3.8284))
    error = abs(three.parameter - 1 - math.sqrt(8)) if three and known <= set(folds) else math.inf
    if not (three and three.coefficient > 0):  # its cycles are there for larger r
        error = math.inf
    text = ", ".join(f"{p} at {r}" for p, r in sorted(folds, key=lambda f: f[1]))
    return Measurement("5, 3, 5, 4 among them", text, error, 1e-12, "of 1 + sqrt 8, absolute")


_MOMENTUM = 0.02


@claim(
    statement="heavy ball, momentum 0.02, k = 4: two 3-cycles are born in a fold, for larger eta",
    source="derived",
)
def momentum_has_a_fold_with_its_sign(quick: bool) -> Measurement:
    """Beside the fold the two cycles lie where its normal form puts them, on its side only."""
    near = {"eta": 0.731, "momentum": _MOMENTUM}
    fold = analysis.bifurcation("fold", _BALANCED, {"x": 0.72}, near, "eta", 3,
                                rule="heavy_ball", state={"x": -0.365})  # fmt: skip
    if not fold.found:
        return predicate("a fold", "none", False)
    away = 1e-6
    sides = [_cycles_beside(fold, sign * away) for sign in (1, -1)]
    apart = float(np.linalg.norm(np.subtract(*sides[0]))) if len(sides[0]) == 2 else math.nan
    predicted = 2 * math.sqrt(away / fold.coefficient) if fold.coefficient > 0 else math.nan
    error = abs(apart / predicted - 1) if len(sides[1]) == 0 else math.inf
    contracted = abs(fold.multipliers[1] / _MOMENTUM**3 - 1)  # a step's determinant is momentum
    error = max(error, contracted * 1e3)
    note = (
        f"relative, of the distance in the full state 1e-6 beyond eta = {fold.parameter:.12f}; "
        f"coefficient {fold.coefficient:.6g}; tolerance: a hundred times the next order"
    )
    return Measurement(f"{predicted:.6g}, none before", f"{apart:.6g}, {len(sides[1])} before",
                       error, 1e-4, note)  # fmt: skip


def _cycles_beside(fold, away):
    """Full points (x, last move) of the 3-cycles near a fold at eta a little away from it."""
    starts = {"x": fold.point["x"] + np.linspace(-0.01, 0.01, 41)}
    hyper = {"eta": fold.parameter + away, "momentum": _MOMENTUM}
    found = analysis.cycles(_BALANCED, starts, hyper, 3, rule="heavy_ball", state=fold.state)
    points = np.stack([found.points["x"][:, 0], found.state["x"]], axis=1)
    near = np.linalg.norm(points - (fold.point["x"], fold.state["x"]), axis=1) < 0.05
    different: list[np.ndarray] = []
    for point in points[found.found & (found.period == 3) & near]:
        if all(np.linalg.norm(point - other) > 1e-7 for other in different):
            different.append(point)
    return different


@claim(
    statement="x' = 4 x (1 - x) has 2, 1, 2, 3, 6, 9 cycles of period 1 to 6, multipliers +-2^p",
    source="Devaney 1989; the multiplier of x = 0 is 4^p",
)
def cycles_of_full_chaos(quick: bool) -> Measurement:
    """Newton's method from 300 points; all but x = 0 have a multiplier of modulus 2^p."""
    longest = 4 if quick else 6
    starts = {"x": np.linspace(0.003, 0.997, 300)}
    found = analysis.embedded_cycles(analysis.logistic(), starts, {"r": 4.0}, longest)
    counts = [len(each.found) for each in found]
    worst = max(
        float(np.min([abs(np.abs(each.multipliers[:, 0]) / base**p - 1) for base in (2.0, 4.0)],
                     axis=0).max())
        for p, each in enumerate(found, 1)
    )  # fmt: skip
    known = [2, 1, 2, 3, 6, 9][:longest]
    error = worst if counts == known else math.inf
    return Measurement(str(known), str(counts), error, 1e-9, "relative, of multipliers")


# Exponents ----------------------------------------------------------------------------------------


def _exponents(system, axes, steps, every=1, **settings):
    """Exponents, with their errors, of a sweep to the horizon."""
    found = eos.sweep(
        system.objective, axes, steps, rule=system.rule, stop=None, sharpness=None, every=every,
        observe={"it": observers.lyapunov(**settings)}, keep=("it_exponent", "it_error"),
    )  # fmt: skip
    return found.it_exponent, found.it_error


@claim(
    statement="balanced k = 4: exponents -0.8139 at eta = 0.55, 0.5373 at 0.80; errors cover 95 %",
    source="derived",
)
def exponents_with_errors(quick: bool) -> Measurement:
    """Of 200 starts; in chaos the stated error must cover the difference in 95 % of them."""
    starts = np.random.default_rng(11).uniform(0.7, 1.1, 200)
    axes = {"x": starts, "eta": [0.55, 0.80]}
    system = analysis.System(_BALANCED, eos.rules.gradient_descent())
    values, errors = _exponents(system, axes, 4000 if quick else 20_000, every=8)
    means = values.mean("x").values
    covered = float((abs(values - 0.5373) < errors).sel(eta=0.80).mean())
    error = float(np.max(np.abs(means - (-0.8139, 0.5373))))
    if not 0.90 <= covered <= 0.99:  # 95 % of 200, and three standard errors
        error = math.inf
    note = f"absolute; the stated errors cover {covered:.1%}"
    text = ", ".join(f"{v:.5f}" for v in means)
    return Measurement("-0.8139, 0.5373", text, error, 2e-3, note)


@claim(
    statement="a cycle's exponent is log |multiplier| / period: periods 1, 2, 4, 8 of k = 4",
    source="Pikovsky and Politi 2016; derived",
)
def exponents_of_cycles_are_multipliers(quick: bool) -> Measurement:
    """Along orbits, against Newton's method on the cycles that they end on."""
    etas, periods = np.array([0.45, 0.56, 0.63, 0.653]), (1, 2, 4, 8)
    system = analysis.System(_BALANCED, eos.rules.gradient_descent())
    along, _ = _exponents(system, {"x": 0.9, "eta": etas}, 8000, every=8, settle=4000)
    ends = eos.sweep(_BALANCED, {"x": 0.9, "eta": etas}, 4000, stop=None, sharpness=None,
                     keep=("x_final",)).x_final.values  # fmt: skip
    known = [
        float(analysis.cycles(_BALANCED, {"x": x}, eta, p).exponent[0])
        for x, eta, p in zip(ends, etas, periods)
    ]
    error = float(np.max(np.abs(along.values - known)))
    return Measurement(
        ", ".join(f"{v:.6f}" for v in known), ", ".join(f"{v:.6f}" for v in along.values), error,
        1e-6, f"absolute, at eta = {etas.tolist()}; 4000 steps are whole turns of every cycle",
    )  # fmt: skip


@claim(
    statement="Henon's map (1.4, 0.3): exponents 0.41922 and -1.62319, which sum to log 0.3",
    source="Sprott 2003; the sum is that of log |det|",
)
def henons_exponents(quick: bool) -> Measurement:
    """The mean over starts of the spectrum by QR."""
    system = analysis.henon()
    starts = np.random.default_rng(4).uniform(-0.1, 0.1, 64 if quick else 256)
    found = eos.sweep(
        system.objective, {"x": starts, "y": 0.1}, 6000, rule=system.rule, stop=None,
        sharpness=None, observe={"all": observers.lyapunov_spectrum()}, keep=("all_exponent",),
    ).all_exponent  # fmt: skip
    means = found.mean("x").values
    total = float(abs(found.sum("order") - math.log(0.3)).max())
    error = float(np.max(np.abs(means - (0.41922, -1.62319)))) if total < 1e-10 else math.inf
    note = f"absolute; every sum is log 0.3 within {total:.1g}"
    text = ", ".join(f"{v:.5f}" for v in means)
    return Measurement("0.41922, -1.62319", text, error, 1e-3, note)


# Boundaries and trust -----------------------------------------------------------------------------


def _outcomes(objective, side_x, side_y, eta, steps):
    return eos.sweep(objective, {"x": side_x, "y": side_y, "eta": eta}, steps, keep=())


@claim(
    statement="Fig. 7a's boundary, as its map gets finer, has dimension 1.74 +- 0.02",
    source="paper, Fig. 7a (published 6a), which calls it fractal; the number is derived",
    figure="fig7a",
)
def figure_7a_has_a_dimension(quick: bool) -> Measurement:
    """Cells with corners that differ, over resolutions from an eighth of the finest on."""
    points = 1025 if quick else 4097
    fates = _outcomes(COUPLED, np.linspace(3.0, 3.4, points), np.linspace(0.1, 0.5, points), 0.2,
                      10_000)  # fmt: skip
    found = analysis.resolution_scaling(boundaries.fates(fates))
    note = f"{found.sizes[-1]:.3g} to {found.sizes[0]:.3g} of the window; +- {found.error:.3f}; "
    note += found.verdict or "slopes do not drift"
    error = abs(found.exponent - 1.74) if not found.verdict else math.inf
    return Measurement(1.74, round(found.exponent, 4), error, 0.04 if quick else 0.02, note)


@claim(
    statement="the degree 2 model's boundary is smooth: dimension 1 by the same call",
    source="derived; paper, Sec. 4.1",
)
def degree_2_boundary_is_smooth(quick: bool) -> Measurement:
    """The null model of Fig. 7a's dimension."""
    side = np.linspace(0.5, 6.0, 1025)
    fates = _outcomes(eos.objectives.scalar_product((1, 1)), side, side, 0.2, 3000)
    found = analysis.resolution_scaling(boundaries.fates(fates))
    fewest = found.counts[0]
    note = f"+- {found.error:.4f}; tolerance: a curve crosses a n + c cells, |c| <= 3, here "
    note += f"{fewest:.0f} at the coarsest of four resolutions; {found.verdict}"
    tolerance = math.log(1 + 3 / fewest) / math.log(8) if not found.verdict else -1.0
    return number(1.0, found.exponent, tolerance, note)


@claim(
    statement="Julia sets have their known dimensions: c = -1 1.26835, Douady's rabbit 1.3934",
    source="McMullen 1998, table of dimensions",
)
def julia_sets_have_their_dimension(quick: bool) -> Measurement:
    """The uncertainty exponent alone, by simulated pairs of starts, covers both in its error."""
    system = analysis.own_map(_square, ["x", "y"])
    known = {(-1.0, 0.0): 1.26835, (-0.12256, 0.74486): 1.3934}
    found = {
        c: analysis.uncertainty(
            system, {"x": [-1.8, 1.8], "y": [-1.8, 1.8], "cx": c[0], "cy": c[1]}, 300,
            pairs=40_000 if quick else 200_000, stop=eos.Stop(escape=10.0), sharpness=None,
            labels=lambda ds: ds.outcome.values == eos.Outcome.DIVERGED,
        )
        for c in known
    }  # fmt: skip
    beyond = max(abs(found[c].exponent - known[c]) / found[c].error for c in known)
    wide = max(one.error for one in found.values())
    note = f"in stated errors, of which the largest is {wide:.3f}"
    text = ", ".join(f"{one.exponent:.4f} +- {one.error:.4f}" for one in found.values())
    return Measurement("1.26835, 1.3934", text, beyond if wide < 0.08 else math.inf, 1.0, note)


def _square(x, y, cx, cy):
    return x * x - y * y + cx, 2 * x * y + cy


@claim(
    statement="Fig. 7a's fates stay when every start moves by one ulp: over 99.9 % of them",
    source="derived; flips counted by simulating again",
    figure="fig7a",
)
def figure_7a_can_be_trusted(quick: bool) -> Measurement:
    """The share that `trust` states, which must be that of two sweeps compared by hand."""
    points = 192 if quick else 1024
    x, y = np.linspace(3.0, 3.4, points), np.linspace(0.1, 0.5, points)
    stated = analysis.trust(COUPLED, {"x": x, "y": y, "eta": 0.2}, 10_000, by=("ulp",), also=(),
                            keep=())  # fmt: skip
    moved = _outcomes(COUPLED, np.nextafter(x, 9), np.nextafter(y, 9), 0.2, 10_000)
    flips = int((moved.outcome.values != stated.outcome.values).sum())
    share = stated.attrs["trusted_share"]
    counted = 1 - flips / points**2
    agrees = json.dumps(share) == json.dumps(counted)
    found = interval(0.999, 1.0 + 1e-12, share, share, f"{flips} of {points**2} fates change")
    return found if agrees else found._replace(error=math.inf)
