"""What neighbouring papers say of the same dynamics, each statement as it could be derived here.

Where a paper's exact theorem was not at hand, the note of the claim says what was derived and
checked in its place.
"""

import math

import jax.numpy as jnp
import numpy as np

import eos_jax as eos
from eos_jax import theory
from eos_jax.analysis.extrapolation import observed_order, richardson
from eos_jax.analysis.periods import period
from eos_jax.objectives.deep_linear_network import balanced_eigenvalues, balanced_minimum
from eos_jax.objectives.quadratic_regression import final_kernel, normalised_coordinates
from eos_jax.paper.claims.base import Measurement, claim, corrected, number, predicate
from eos_jax.paper.claims.runs import descend, paths


@claim(
    statement="random orbits: the gradient-flow solution's sharpness never rises below 2 sqrt2/eta",
    source="Kreisler et al. 2023",
)
def kreisler_flow_sharpness_falls(quick: bool) -> Measurement:
    """Every step of orbits of 2, 4 and 5 free scalars that keeps all signs."""
    rng = np.random.default_rng(5)
    eta, lanes, worst, steps_seen = 0.1, 20 if quick else 60, -math.inf, 0
    for n in (4,) if quick else (2, 4, 5):
        objective = eos.objectives.scalar_product(n)
        points = np.exp(rng.normal(0, 0.7, (lanes, n)))
        points *= (rng.uniform(0.3, 1.5, (lanes, 1)) / points.prod(axis=1, keepdims=True)) ** (
            1 / n
        )
        orbit = paths(objective, dict(zip(objective.parameters, points.T)), eta, 200)
        path = np.stack([orbit[name] for name in objective.parameters], axis=-1)
        path = np.where(np.abs(path).max(axis=-1, keepdims=True) < 1e3, path, np.nan)
        with np.errstate(all="ignore"):
            flow = theory.gradient_flow_sharpness(path)
            kept = np.all(path[:, 1:] * path[:, :-1] > 0, axis=-1) & np.isfinite(flow[:, 1:])
            covered = kept & (flow[:, :-1] < 2 * 2**0.5 / eta)
        rise = (flow[:, 1:] / flow[:, :-1] - 1)[covered]
        worst, steps_seen = max(worst, float(rise.max())), steps_seen + int(covered.sum())
    return Measurement(
        "no rise",
        f"largest relative rise {worst:.2g} in {steps_seen} steps",
        max(worst, 0.0),
        1e-13,
        "tolerance: rounding, once orbits stand still; orientation kept means all signs kept",
    )


def _factorisation(mu):
    return eos.objectives.function_of_product("square", mu)


def critical_step(x: np.ndarray, y: np.ndarray, mu: float) -> np.ndarray:
    """Largest step size from which gradient descent on 1/2 (xy - mu)^2 does not escape.

    eta* = min(1/mu, 8 / (s + sqrt(s^2 - 16 mu (xy - mu)))),  s = x^2 + y^2

    The curve 4 - eta s + eta^2 mu (xy - mu) = 0 is mapped into itself by a step and bounds the
    starts that stay; above 1/mu the flattest minimum, of sharpness 2 mu, is unstable itself.

    Args:
      x: first factor.
      y: second factor.
      mu: the product at the minima, positive.

    Returns:
      The step size.

    Example:
      >>> print(critical_step(2.0, 0.0, 1e-9).round(6))  # 4 / s
      1.0

    Source: derived; the quantity of Liang and Montufar 2025.
    """
    s, product = np.asarray(x) ** 2 + np.asarray(y) ** 2, np.asarray(x) * np.asarray(y)
    return np.minimum(1 / mu, 8 / (s + np.sqrt(s**2 - 16 * mu * (product - mu))))


@claim(
    statement="1/2 (1 - xy)^2: eta* = 8/(s + sqrt(s^2 - 16 (xy - 1))) where < 0.95, s = x^2 + y^2",
    source="Liang and Montufar 2025; derived here from an invariant curve",
)
def liang_montufar_critical_step(quick: bool) -> Measurement:
    """Fates of random starts 1 % below and 1 % above their critical step size."""
    rng = np.random.default_rng(11)
    count, mu = 200 if quick else 2000, 1.0
    x, y = rng.uniform(-4, 4, (2, count))
    known = critical_step(x, y, mu)
    apart = known < 0.95 / mu  # where the curve, not the flattest minimum, decides
    x, y, known = x[apart], y[apart], known[apart]
    axes = {"x": np.tile(x, 2), "y": np.tile(y, 2)}
    etas = np.concatenate([0.99 * known, 1.01 * known])
    ds = eos.sweep(_factorisation(mu), {**axes, "eta": etas}, 20_000, combine="zip")
    below, above = ds.outcome.values.reshape(2, -1)
    wrong = np.sum(below != eos.Outcome.CONVERGED) + np.sum(above != eos.Outcome.DIVERGED)
    undecided = np.sum(below == eos.Outcome.UNDECIDED)
    note = f"{len(x)} starts in [-4, 4]^2, mu = 1; {undecided} undecided below; error: share wrong"
    text = f"{wrong} of {2 * len(x)} fates wrong"
    return Measurement("converge below, escape above", text, wrong / (2 * len(x)), 0.0, note)


@claim(
    statement="1/2 (mu - xy)^2 at eta = 2.2/L to 0.99 eta*: converges with |x-y|^2 <= 2/eta - 2 mu",
    source="Wang et al. 2022, whose L is x0^2 + y0^2 + 2 mu and whose bound is about 4/L",
)
def wang_balances_at_large_steps(quick: bool) -> Measurement:
    """Unbalanced starts with eta L from 2.2 up to 0.99 eta* L, eta* the exact critical step."""
    rng = np.random.default_rng(12)
    count, mu = 100 if quick else 1000, 0.5
    x, y = rng.uniform(4, 8, count), rng.uniform(-0.3, 0.3, count)
    largest = x**2 + y**2 + 2 * mu
    known = critical_step(x, y, mu)
    etas = (2.2 + rng.uniform(0, 1, count) * (0.99 * known * largest - 2.2)) / largest
    axes = {"x": x, "y": y, "eta": etas}
    ds = eos.sweep(_factorisation(mu), axes, 100_000, combine="zip")
    converged = ds.outcome.values == eos.Outcome.CONVERGED
    apart = (ds.x_final.values - ds.y_final.values) ** 2
    ratio = apart / (2 / etas - 2 * mu)
    started = (x - y) ** 2 / (2 / etas - 2 * mu)
    bounds = known * (x**2 + y**2)
    note = (
        f"{converged.mean():.1%} of {count} starts converge, mu = {mu}; at the starts the ratio is "
        f"{started.min():.2f} to {started.max():.2f}; eta* (x0^2 + y0^2) from "
        f"{bounds.min():.3f} to {bounds.max():.3f}: 4 is too much for {np.mean(bounds < 4):.0%}"
    )
    error = max(0.0, float(ratio.max()) - 1) if converged.all() else math.inf
    return Measurement("|x-y|^2/(2/eta - 2 mu) <= 1", f"<= {ratio.max():.4f}", error, 1e-6, note)


def _ahn(link, eta, excess):
    """(2/eta - y^2 at the end) of l(xy) from y0^2 - x0^2 = 2/eta + excess, x0 small."""
    y = np.sqrt(2 / eta + excess + 0.01**2)
    objective = eos.objectives.function_of_product(link)
    ends = descend(objective, {"x": np.full_like(y, 0.01), "y": y}, eta, 80 / np.min(eta) ** 2)
    return 2 / eta - ends["y"] ** 2


def _register_ahn(link, coefficient):
    @claim(
        name=f"ahn_{link}_ends_below_the_threshold",
        statement=f"l(xy), l = {link}: from y0^2 - x0^2 > 2/eta, y^2 -> 2/eta - {coefficient} eta",
        source="Ahn et al. 2022 for 2/eta - O(eta); the coefficient the law of l(xy) at xy = 0",
    )
    def ahn(quick):
        """(2/eta - y^2)/eta at three step sizes, carried to eta = 0 in powers of eta^2."""
        etas = np.array([0.08, 0.04, 0.02])
        ratios = _ahn(link, etas, 40 * etas) / etas
        limit = richardson(ratios, ratio=2, order=2, spacing=2)
        note = f"(2/eta - y^2)/eta = {np.round(ratios, 5).tolist()} at eta = {etas.tolist()}"
        return number(coefficient, limit.value, 2e-3, note)


_register_ahn("root", 1.0)
_register_ahn("log_cosh", 1.5)


@claim(
    statement="l(xy): from y0^2 - x0^2 < 2/eta the orbit stays put, y^2 -> y0^2 - x0^2 - O(eta)",
    source="Ahn et al. 2022, gradient-flow regime; the constant of O(eta) derived",
)
def ahn_below_the_threshold_stays_put(quick: bool) -> Measurement:
    """The fall of y^2 - x^2 over eta from theta = eta (y0^2 - x0^2) = 0.6, 1.2, 1.8 and xy = 1.

    Each step takes eta^2 l'^2 of it away, and the product obeys p' = p - theta l'(p) to leading
    order, so the fall is eta theta sum_t l'(p_t)^2.
    """
    theta, eta = np.array([0.6, 1.2, 1.8]), 2e-3
    product, total = np.ones(3), np.zeros(3)
    for _ in range(1000):
        slope = product / np.sqrt(1 + product**2)
        product, total = product - theta * slope, total + theta * slope**2
    x, y = theory.from_cd((theta / eta) ** 0.5, 1.0)
    objective = eos.objectives.function_of_product("root")
    ends = descend(objective, {"x": y, "y": x}, np.full(3, eta), 10_000)
    moved = (theta / eta - ends["y"] ** 2 + ends["x"] ** 2) / eta
    error = float(np.max(np.abs(moved / total - 1)))
    note = f"theta = {theta.tolist()}, eta = {eta}, l = sqrt(1 + s^2); tolerance: order eta"
    return Measurement(str(np.round(total, 4)), str(np.round(moved, 4)), error, 0.01, note)


@claim(
    statement="12 trajectories of l(xy), l = root, align to one curve: eta y^2 l'(p)/p = 2, p = xy",
    source="Song and Yun 2023",
)
def song_yun_trajectories_align(quick: bool) -> Measurement:
    """The deviation from the curve after 300 steps, l = sqrt(1 + s^2), 12 starts."""
    eta = 0.01
    p, q = (v.ravel() for v in np.meshgrid([0.02, 0.3, 1.0], [1.05, 1.15, 1.3, 1.5]))
    y = np.sqrt(2 * q / eta)
    objective = eos.objectives.function_of_product("root")
    orbit = paths(objective, {"x": p / y, "y": y}, eta, 2000)
    x, y = orbit["x"], orbit["y"]
    off = np.abs(eta * y**2 / np.sqrt(1 + (x * y) ** 2) / 2 - 1)
    start, late = off[:, 0].max(), off[:, 300:].max()
    note = (
        f"at the start up to {start:.2f}; eta = {eta}, steps 300 to 2000; tolerance: order eta / 10"
    )
    return Measurement("on the curve", f"off by {late:.3g}", float(late), 1e-3, note)


# The two-layer linear model ---------------------------------------------------------------------


@claim(
    statement="UV model, width 64: lazy for eta lambda_0 < 2, catapult for 2 to 4, escape beyond 4",
    source="Lewkowycz et al. 2020",
)
def lewkowycz_catapult(quick: bool) -> Measurement:
    """Fates and final kernels over eta lambda_0, at width 64."""
    width = 64  # beyond it there is no closed form of the sharpness
    edges = np.array([0.5, 1.0, 1.5, 1.9, 2.2, 2.6, 3.0, 3.4, 3.7, 4.3, 4.6, 5.0])
    u, v = np.random.default_rng(0).normal(size=(2, len(edges), width))
    kernel = np.sum(u**2 + v**2, axis=1, keepdims=True) / width
    axes = {"u": u / kernel**0.5, "v": v / kernel**0.5, "eta": edges}  # lambda_0 = 1
    ds = eos.sweep(eos.objectives.uv_model(width), axes, 5000, combine="zip")
    kernel = np.sum(ds.u_final.values**2 + ds.v_final.values**2, axis=1) / width
    converged = ds.outcome.values == eos.Outcome.CONVERGED
    lazy, catapult = edges < 2, (edges > 2) & (edges < 4)
    ok = (
        converged[lazy].all()
        and (np.abs(kernel[lazy] - 1) < 0.1).all()
        and converged[catapult].all()
        and (edges[catapult] * kernel[catapult] < 2).all()
        and (ds.outcome.values[edges > 4] == eos.Outcome.DIVERGED).all()
    )
    note = f"width {width}; lambda_end/lambda_0 = {np.round(kernel[edges < 4], 3).tolist()}"
    text = "".join("c" if v else "d" for v in converged)
    return predicate("4 stay, 5 fall below 2/eta, 3 diverge", text, bool(ok), note)


@claim(
    statement="UV model: late period 1, 2, 4, 8 at gains eta y/sqrt(n) = 0.9, 1.15, 1.26, 1.295",
    source="Kalra et al. 2023; between the cubic map's doublings, 1 and sqrt(5) - 1, derived",
)
def kalra_late_sharpness_doubles(quick: bool) -> Measurement:
    """Periods of late orbits at four step sizes, from unbalanced random starts."""
    width, target = 4, 2.0
    gains = np.array([0.9, 1.15, 1.26, 1.295])
    rng = np.random.default_rng(2)
    u = 1 + 0.1 * rng.normal(size=(4, width))
    v = 1 + 0.1 * rng.normal(size=(4, width))
    etas = gains * width**0.5 / target
    objective = eos.objectives.uv_model(width, target=target)
    axes = {"u": u, "v": v, "eta": etas}
    orbit = eos.orbits(objective, axes, 6000, combine="zip")
    found = period(orbit.sharpness.values[:, -200:].T, 1e-7)
    ok = found.tolist() == [1, 2, 4, 8]
    note = f"eta y/sqrt(n) = {gains.tolist()}; u, v end balanced, where u'= u - g (u^2 - 1) u"
    return predicate("periods 1, 2, 4, 8", ", ".join(map(str, found)), ok, note)


# Others -----------------------------------------------------------------------------------------


@claim(
    statement="quadratic regression, Q = diag(1, -eps): T ends at 2 - (1 + E) eps/2 + O(eps^2)",
    source="Agarwala et al. 2022, whose energy has the opposite sign: with (1 - E) it fails",
)
def agarwala_final_kernel(quick: bool) -> Measurement:
    """(2 - T)/eps for E = 0.5 and -0.3 at halved eps (0.5 in quick mode), carried to eps = 0."""
    eta, worst, wrong, texts = 0.1, 0.0, math.inf, []
    for energy in (0.5,) if quick else (0.5, -0.3):
        ratios = []
        for eps in (0.04, 0.02, 0.01):
            curvatures, offset = (1.0, -eps), energy / eta
            objective = eos.objectives.quadratic_regression(curvatures, offset)
            # on z = 0 with T = 2.3: q1 x^2/2 - eps y^2/2 + offset = 0, eta (x^2 + eps^2 y^2) = T
            y2 = (2.3 / eta + 2 * offset) / (eps + eps**2)
            x2 = eps * y2 - 2 * offset
            start = {"x": np.sqrt([x2]) * (1 + 1e-3), "y": np.sqrt([y2])}
            ends = descend(objective, start, [eta], 200 / eps)
            _, kernel = normalised_coordinates(ends, curvatures, offset, eta)
            ratios.append(float((2 - kernel[0]) / eps))
        limit = richardson(ratios, ratio=2).value
        right, opposite = (2 - final_kernel(s * energy, 1.0) for s in (1, -1))
        worst = max(worst, abs(limit / right - 1))
        wrong = min(wrong, abs(limit / opposite - 1))
        texts.append(f"E = {energy}: {limit:.5f} for {right}")
    return corrected(wrong, worst, 5e-3, "(2 - T)/eps: " + ", ".join(texts))


@claim(
    statement="linear network, L = 3: the one mode with eta L sigma^(2-2/L) > 2 has a 2-cycle",
    source="Ghosh et al. 2025",
)
def ghosh_two_cycles_of_modes(quick: bool) -> Measurement:
    """Depth 3, one mode of three beyond its edge: periods of all, and the cycle's two values."""
    sizes, values = (3, 3, 3, 3), (3.0, 2.0, 1.0)
    own = np.diag(balanced_eigenvalues(3, values))
    eta = float(2 / own[0] * 1.05)
    objective = eos.objectives.deep_linear_network(sizes, values)
    start = {n: w + 1e-3 * np.eye(3) for n, w in balanced_minimum(sizes, values).items()}
    orbit = paths(objective, {n: w[None] for n, w in start.items()}, eta, 6000, last=200)
    w1, w2, w3 = (orbit[f"W{i}"][0] for i in (1, 2, 3))
    modes = np.diagonal(w3 @ w2 @ w1, axis1=-2, axis2=-1)
    found = period(modes, 1e-8)
    u = values[0] ** (1 / 3) + 0.01
    for _ in range(6001):
        u = u - eta * (u**3 - values[0]) * u**2
    other = u - eta * (u**3 - values[0]) * u**2
    error = np.max(np.abs(np.sort(modes[-2:, 0]) - np.sort([u**3, other**3])))
    note = (
        f"eta S_i = {np.round(eta * own, 3).tolist()}, periods {found.tolist()}; the cycle is that "
        "of the scalar map; off-diagonal pairs stay below their edge"
    )
    error = float(error) if found.tolist() == [2, 1, 1] else math.inf
    return Measurement("cycle of the scalar map", np.array2string(modes[-2:, 0]), error, 1e-8, note)


def _cubic_coefficient(k):
    """The kappa of b'' = b - 2 kappa b^3, b = u - 1, from the map's derivatives at eta = 2/k."""
    rate = 2 / k
    second = -rate * ((2 * k - 1) * (2 * k - 2) - (k - 1) * (k - 2))
    third = -rate * ((2 * k - 1) * (2 * k - 2) * (2 * k - 3) - (k - 1) * (k - 2) * (k - 3))
    return (second / 2) ** 2 + third / 6


@claim(
    statement="depth-p scalars, p = 2, 3, 4, at the critical eta = 2/p: b^2 t -> 1/(2 kappa)",
    source="MacDonald et al. 2025; kappa derived",
)
def macdonald_power_law_at_criticality(quick: bool) -> Measurement:
    """b^2 t 2 kappa at t = 1e5 (1e4) for p = 2, 3, 4, and the measured power."""
    worst, texts, late = 0.0, [], 10_000 if quick else 100_000
    for p in (2, 3, 4):
        objective = eos.objectives.scalar_product((p,))
        first = descend(objective, {"x": [1.05]}, [2 / p], late)["x"][0] - 1
        second = descend(objective, {"x": [1.05]}, [2 / p], 4 * late)["x"][0] - 1
        power = observed_order([first, second], 4)
        # the start's own time 1/(2 kappa b0^2) and -b's own alternation are of order 1/t
        value = second**2 * 4 * late * 2 * _cubic_coefficient(p)
        texts.append(f"p = {p}: power -{power:.4f}, b^2 t 2 kappa = {value:.4f}")
        worst = max(worst, abs(power - 0.5), abs(value - 1))
    return Measurement(
        "power -1/2, 1", "; ".join(texts), worst, 0.02, "tolerance: order b = t^-1/2"
    )


@claim(
    statement="depth-p scalars, p = 3, 4, 5 % beyond eta = 2/p end on a balanced 2-cycle",
    source="MacDonald et al. 2025",
)
def macdonald_two_cycle_beyond_criticality(quick: bool) -> Measurement:
    """Free unbalanced scalars, p = 3 and 4, 5 % beyond: periods, and how balanced they end."""
    found, unbalanced = [], 0.0
    for p in (3,) if quick else (3, 4):
        objective = eos.objectives.scalar_product(p)
        start = dict(zip(objective.parameters, (1.1, 1.02, 0.95, 0.93)))
        start = {name: np.array([value]) for name, value in start.items()}
        orbit = paths(objective, start, 2 / p * 1.05, 8000, last=200)
        path = np.stack([orbit[name][0] for name in objective.parameters], axis=-1)
        found.append(int(period(path[:, 0], 1e-9)))
        unbalanced = max(unbalanced, float(np.max(np.ptp(path, axis=-1))))
    ok = set(found) == {2} and unbalanced < 1e-6
    text = f"periods {found}, unbalanced by {unbalanced:.2g}"
    return predicate("period 2, balanced", text, ok, "derived: imbalances shrink on the cycle")


# Sharpness-reducing flows -----------------------------------------------------------------------


def _root_loss(x, y):
    return jnp.abs(1 - x * y) / 2**0.5


@claim(
    statement="GD on sqrt(L), L = 1/2 (1 - xy)^2: x^2 - y^2 = D_0 exp(-1/2) after 1/eta^2 steps",
    source="derived from the flow dX/dt = -1/8 grad lambda of Arora et al. 2022",
)
def arora_root_loss_flow(quick: bool) -> Measurement:
    """The imbalance D = x^2 - y^2 after 1/eta^2 steps against D_0 exp(-1/2)."""
    etas = np.array([0.02, 0.01])
    x, y = np.full(2, 2.0), np.full(2, 0.5)
    objective = eos.objectives.from_function(_root_loss)
    ds = [
        eos.sweep(objective, {"x": x[0], "y": y[0], "eta": eta}, int(1 / eta**2), stop=None)
        for eta in etas
    ]
    found = [float(d.x_final**2 - d.y_final**2) for d in ds]
    expected = (x[0] ** 2 - y[0] ** 2) * math.exp(-0.5)
    return number(expected, found[-1], 1e-3, f"eta = 0.02, 0.01: {found}; tolerance: order eta^2")


@claim(
    statement="normalised GD, 1/2 (1 - xy)^2: after t = 1, x^2 - y^2 as D' = -D/sqrt(D^2 + 4) says",
    source="Arora et al. 2022, t = eta^2 steps of the flow dX/dt = -1/4 grad log lambda; derived",
)
def arora_normalised_flow(quick: bool) -> Measurement:
    """The imbalance D = x^2 - y^2 after 1/eta^2 steps against its integrated flow."""
    eta = 0.01
    objective = eos.objectives.function_of_product("square", 1.0)
    rule = eos.rules.normalised_gradient_descent()
    axes = {"x": 2.0, "y": 0.49, "eta": eta}
    ds = eos.sweep(objective, axes, int(1 / eta**2), stop=None, rule=rule)
    found = float(ds.x_final**2 - ds.y_final**2)
    start = 2.0**2 - 0.5**2
    slope = lambda d: -d / math.sqrt(d * d + 4)  # noqa: E731
    d, h = start, 1e-3
    for _ in range(1000):  # classical Runge-Kutta
        k1 = slope(d)
        k2 = slope(d + h / 2 * k1)
        k3 = slope(d + h / 2 * k2)
        d += h / 6 * (k1 + 2 * k2 + 2 * k3 + slope(d + h * k3))
    return number(d, found, 1e-2, f"from D = {start}; tolerance: order eta")


def _damian():
    """A small oscillation about the centre: x, y, eta, alpha."""
    eta, alpha, beta = 0.01, 1.0, 1.0
    objective = eos.objectives.self_stabilization(2 / eta, alpha, beta)
    start = {"x": np.array([math.sqrt(2 * alpha / beta) * (1 + 1e-4)]), "v": np.zeros(1)}
    orbit = paths(objective, start, eta, 20_000)
    return orbit["x"][0], orbit["v"][0] * beta**0.5, eta, alpha


@claim(
    statement="self-stabilisation, the cubic model: oscillates with frequency eta sqrt(2 alpha)",
    source="Damian et al. 2022; the frequency derived",
)
def damian_oscillation(quick: bool) -> Measurement:
    """The mean time between upward crossings of y = 0 of a small oscillation."""
    _, y, eta, alpha = _damian()
    up = np.flatnonzero((y[:-1] < 0) & (y[1:] >= 0))
    crossings = up + y[up] / (y[up] - y[up + 1])
    time = float(np.mean(np.diff(crossings)))
    note = f"{len(crossings)} turns, eta = {eta}; tolerance: order eta^2"
    return number(2 * math.pi / (eta * math.sqrt(2 * alpha)), time, 1e-3, note)


@claim(
    statement="GD's cubic model spirals outward: its oscillation grows as exp(alpha eta^2 t)",
    source="derived; qualifies Damian et al. 2022",
)
def damian_oscillation_grows(quick: bool) -> Measurement:
    """The growth of the largest |y| between an early and a late turn."""
    _, y, eta, alpha = _damian()
    turn = int(2 * math.pi / (eta * math.sqrt(2 * alpha))) + 1
    early, late = np.abs(y[:turn]).max(), np.abs(y[-turn:]).max()
    rate = math.log(late / early) / (len(y) - turn)
    note = f"amplitude {early:.2g} to {late:.2g}; multiplier |1 + i eta sqrt(2 alpha)|"
    return number(alpha * eta**2, rate, 0.03, note)
