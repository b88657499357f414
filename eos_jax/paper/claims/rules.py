"""Rules beyond momentum: where they leave a minimum, where the paper's model ends under them."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

import eos_jax as eos
from eos_jax import measures, theory
from eos_jax.analysis.extrapolation import richardson
from eos_jax.paper.claims.base import Measurement, claim, interval, number, predicate
from eos_jax.paper.claims.runs import COUPLED, PARABOLA, QUARTIC, edge_on_a_parabola, final_gap
from eos_jax.theory import from_cd

_LANES = 64


@claim(
    statement="averaged momentum, b = 0.9, leaves x^2/2 at the sharpness (2/eta)(1 + b)/(1 - b)",
    source="Cohen et al. 2022",
)
def averaged_momentum_threshold(quick: bool) -> Measurement:
    """The rule on a parabola about eta = 38."""
    return edge_on_a_parabola(eos.rules.averaged_momentum(0.9), 38.0, eta=1.0)


@claim(
    statement="decoupled weight decay, heavy ball: a minimum is left at (2 - eta w)(1 + b)/eta",
    source="derived; linear filters",
)
def decoupled_decay_threshold(quick: bool) -> Measurement:
    """b = 0.5 and w = 0.3: (2 - 0.3 eta) 1.5 = eta."""
    return edge_on_a_parabola(eos.rules.decayed_heavy_ball(0.5, 0.3), 3 / 1.45, eta=1.0)


@claim(
    statement="coupled weight decay, heavy ball: a minimum is left at 2 (1 + b)/eta - w",
    source="derived",
)
def coupled_decay_threshold(quick: bool) -> Measurement:
    """b = 0.5 and w = 0.3: 3/eta = 1.3."""
    return edge_on_a_parabola(
        eos.rules.decayed_heavy_ball(0.5, 0.3, coupled=True), 3 / 1.3, eta=1.0
    )


@claim(
    statement="SAM without the norm leaves a minimum at l (1 + rho l) = 2/eta",
    source="derived; Long and Bartlett 2023 with the norm",
)
def sam_without_norm_threshold(quick: bool) -> Measurement:
    """rho = 0.4: eta = 2/1.4."""
    return edge_on_a_parabola(eos.rules.sam(0.4, normalised=False), 2 / 1.4, eta=1.0)


@claim(
    statement="step sizes a, b in turn, (a + b)^2 < 8 a b: a minimum is left at 1/a + 1/b",
    source="derived",
)
def cycle_of_two_alike_threshold(quick: bool) -> Measurement:
    """b = 2 a: the product (1 - a l)(1 - b l) reaches 1 at a = 3/2."""
    return edge_on_a_parabola(eos.rules.cyclic_gradient_descent(), 1.5, eta_A=1.0, eta_B=2.0)


@claim(
    statement="step sizes a, b in turn, (a + b)^2 > 8 a b: left where 2 - (a + b) l + a b l^2 = 0",
    source="derived",
)
def cycle_of_two_apart_threshold(quick: bool) -> Measurement:
    """b = 10 a: the product reaches -1 at a = (11 - sqrt(121 - 80))/20."""
    rule = eos.rules.cyclic_gradient_descent()
    return edge_on_a_parabola(rule, (11 - math.sqrt(41)) / 20, eta_A=1.0, eta_B=10.0)


@claim(
    statement="SAM on x^2/2 settles on a bounce of |x| = eta rho/(2 - eta): no minimum is stable",
    source="derived; Long and Bartlett 2023",
)
def sam_bounces(quick: bool) -> Measurement:
    """The last two points of orbits at three radii."""
    eta, rho = 0.5, np.array([0.01, 0.1, 1.0])
    axes = {"x": 1.3, "eta": eta, "rho": rho}
    late = eos.orbits(PARABOLA, axes, 500, rule="sam", record=("x",), last=2).x_orbit.values
    expected = eta * rho / (2 - eta)
    turns = np.all(late[..., 0] * late[..., 1] < 0)
    error = np.max(np.abs(np.abs(late) / expected[:, None] - 1)) if turns else math.inf
    return Measurement(str(expected.round(6)), str(np.abs(late[:, 0])), float(error), 1e-9)


@claim(
    statement="on x^2/2 normalised GD settles on +-eta/2, GD on sqrt(L) on +-eta sqrt(1/8)",
    source="derived; Arora et al. 2022",
)
def fixed_lengths_and_their_cycles(quick: bool) -> Measurement:
    """Lengths of late steps: eta and eta sqrt(1/2)."""
    eta, lengths = 0.01, []
    for rule in ("normalised_gradient_descent", "root_gradient_descent"):
        axes = {"x": 0.3037, "eta": eta}
        late = eos.orbits(PARABOLA, axes, 300, rule=rule, record=("x",), last=2).x_orbit.values
        lengths.append(float(np.abs(late[..., 1] - late[..., 0]).ravel()[0] / eta))
    expected = np.array([1.0, 0.5**0.5])
    error = float(np.max(np.abs(np.array(lengths) / expected - 1)))
    return Measurement(str(expected.round(6)), str(np.round(lengths, 9)), error, 1e-9)


def _gap_law(rule, beta: float, effective: float, coefficient: float) -> Measurement:
    """(Threshold - S)/eta at the end on the paper's model, carried to eta = 0 in powers of eta^2.

    Orbits flip like those of gradient descent with the step size eta H(-1), H the transfer
    function of the gradients' filter; they drift along the valley by H(1), and |b| grows at
    1/(1 + 2 H'(-1)/H(-1)) of its pace. So the parabola ends at the gap
    (eta/2) H(1) (1 + 2 H'(-1)/H(-1)) instead of eta H(-1)/2.
    """
    etas = np.array([0.2, 0.1, 0.05]) / effective  # the same flips
    threshold = 2 / (effective * etas)
    s = threshold / 2 * 1.04  # x^2 + y^2
    x, y = from_cd((s**2 - 4) ** 0.25, 1 + 1e-3)
    axes = {"x": x, "y": y, "eta": etas, "momentum": beta}
    ds = eos.sweep(COUPLED, axes, 100_000, combine="zip", rule=rule, stop=eos.Stop(1e-22))
    ends = {name: ds[f"{name}_final"].values for name in "xy"}
    gaps = (threshold - (2 / etas - final_gap(COUPLED, ends, etas))) / etas
    limit = richardson(gaps, ratio=2, order=2, spacing=2)
    settled = bool(np.all(ds.outcome.values == eos.Outcome.CONVERGED))
    settled &= bool(np.allclose(ds.threshold.values, threshold, rtol=1e-12))
    error = abs(limit.value / coefficient - 1) if settled else math.inf
    note = f"gap/eta = {gaps.round(6).tolist()} at eta = {etas.round(4).tolist()}"
    return Measurement(coefficient, limit.value, error, 5e-4, note)


@claim(
    statement="Nesterov ends eta (1 + 3 b)/(2 (1 - b^2)(1 + 2 b)) + O(eta^3) below its threshold",
    source="derived; the threshold, Cohen et al. 2021",
)
def nesterov_gap_law(quick: bool) -> Measurement:
    """b = 0.5: H(-1) = 4/3, H(1) = 2, H'(-1) = -1/9."""
    b = 0.5
    coefficient = (1 + 3 * b) / (2 * (1 - b * b) * (1 + 2 * b))
    return _gap_law("nesterov", b, (1 + 2 * b) / (1 + b), coefficient)


@claim(
    statement="averaged momentum ends eta (1 - b)/(2 (1 + b)) + O(eta^3) below its threshold",
    source="derived",
)
def averaged_momentum_gap_law(quick: bool) -> Measurement:
    """b = 0.5: H(-1) = 1/3, H(1) = 1, H'(-1) = -2/9; heavy ball with eta/2."""
    b = 0.5
    return _gap_law("averaged_momentum", b, (1 - b) / (1 + b), (1 - b) / (2 * (1 + b)))


@claim(
    statement="4 scalars, step sizes a, b in turn: S ends just under 1/a + 1/b",
    source="derived",
)
def cycle_of_two_ends_at_its_threshold(quick: bool) -> Measurement:
    """a = 0.19 and b = 0.21 from six starts: sharpness of the minimum, above 2/b, below 1/a + 1/b.

    By the phase in which b flips there are two ends, which the gap (a + b)/2 includes.
    """
    a, b = 0.19, 0.21
    axes = {"x": np.linspace(2.3, 2.8, 6), "y": 0.4001, "eta_A": a, "eta_B": b}
    ds = eos.sweep(COUPLED, axes, 40_000, rule="cyclic_gradient_descent")
    sharp, edge = ds.sharpness_minimum.values, 1 / a + 1 / b
    done = bool((ds.outcome == eos.Outcome.CONVERGED).all())
    done &= bool(np.allclose(ds.threshold, edge, rtol=1e-12)) and 2 / b < edge - (a + b) / 2
    note = f"ends {sharp.round(4).tolist()}, edge {edge:.4f}"
    return interval(edge - (a + b) / 2, edge, *_ends(sharp if done else sharp * math.nan), note)


def _ends(values):
    return float(np.min(values)), float(np.max(values))


@claim(
    statement="max-norm descent, 4 scalars: a minimum is left at (sum 1/x_i)^2 = 2/eta",
    source="Islamov et al. 2026; the form at a minimum derived",
)
def max_norm_descent_has_its_own_edge(quick: bool) -> Measurement:
    """Starts beside minima along the valley, eta = 0.05: where orbits stop staying.

    Beyond the edge they end on 2-cycles: each step is along (1, 1, 1, 1), and nothing flattens.
    """
    eta = 0.05
    own = 2 / eta * np.linspace(0.8, 1.2, _LANES)  # (2 x + 2/x)^2
    x = (np.sqrt(own) / 2 + np.sqrt(own / 4 - 4)) / 2
    axes = {"x": x, "y": (1 + 1e-3) / x, "eta": eta}
    ds = eos.sweep(COUPLED, axes, 5000, rule="steepest_descent", combine="zip", stop=None)
    stays = ds.loss.values < 1e-12
    last = int(np.argmin(stays))
    whole = 0 < last and stays[:last].all() and not stays[last:].any()
    found = float((own[last - 1] + own[last]) / 2) if whole else math.nan
    agrees = np.max(np.abs(ds.curvature.values[:last] / own[:last] - 1)) < 1e-2
    note = f"the dataset's curvature within 1 % of (sum 1/x_i)^2 at the start: {agrees}"
    error = abs(found * eta / 2 - 1) if agrees else math.inf
    return Measurement(2 / eta, found, float(error), 7e-3, note + "; tolerance: a spacing")


def _imbalance(rule: str, eta: float, time: float) -> tuple[float, float]:
    """x^2 - y^2 of the paper's model at the first and the last of time/eta^2 steps."""
    axes = {"x": 2.0, "y": 0.5 * (1 + 1e-6), "eta": eta}
    steps = round(time / eta**2)
    ds = eos.sweep(COUPLED, axes, steps, rule=rule, stop=None, sharpness=None)
    return axes["x"] ** 2 - axes["y"] ** 2, float(ds.x_final**2 - ds.y_final**2)


@claim(
    statement="GD on sqrt(L), 4 scalars: x^2 - y^2 decays as exp(-eta^2 t/2)",
    source="Arora et al. 2022, dX/dt = -(1/8) grad l; the form for 4 scalars derived",
)
def root_descent_flattens_four_scalars(quick: bool) -> Measurement:
    """The imbalance after t = 1/eta^2 steps at eta = 0.003."""
    eta = 0.01 if quick else 0.003
    first, last = _imbalance("root_gradient_descent", eta, 1.0)
    return number(first * math.exp(-0.5), last, 3 * eta**2, f"eta = {eta}; tolerance: order eta^2")


@claim(
    statement="normalised GD, 4 scalars: D = x^2 - y^2 falls as D' = -eta^2 D/(2 sqrt(D^2 + 4))",
    source="Arora et al. 2022, dX/dt = -(1/4) grad log l; the form for 4 scalars derived",
)
def normalised_descent_flattens_four_scalars(quick: bool) -> Measurement:
    """After 1/eta^2 steps sqrt(D^2 + 4) - 2 artanh(2/sqrt(D^2 + 4)), the integral, fell by 1/2."""
    eta = 0.01 if quick else 0.003
    first, last = _imbalance("normalised_gradient_descent", eta, 1.0)
    root = lambda d: math.sqrt(d * d + 4)  # noqa: E731
    clock = lambda d: root(d) - 2 * math.atanh(2 / root(d))  # noqa: E731
    fallen = clock(first) - clock(last)
    return number(0.5, fallen, 1e-4, f"D from {first:.5f} to {last:.5f}; tolerance: order eta^2")


@claim(
    statement="GD on x^k/k, k = 4: x falls as (2 eta t)^(-1/2)",
    source="Bai et al. 2026, t^(-1/(k - 2)); the constant derived",
)
def descent_on_a_quartic_is_sublinear(quick: bool) -> Measurement:
    """x sqrt(2 eta t) after 10^6 steps at eta = 0.1."""
    eta, steps = 0.1, 1_000_000
    ds = eos.sweep(QUARTIC, {"x": 1.0, "eta": eta}, steps, stop=None, sharpness=None)
    note = f"{steps} steps; tolerance: log(t)/t and the start"
    return number(1.0, float(ds.x_final) * math.sqrt(2 * eta * steps), 1e-4, note)


def _sextic(x):
    return x**6 / 6


_SEXTIC = eos.objectives.from_function(_sextic, name="sextic", floor=0.0)


@claim(
    statement="Adam on x^k/k, k >= 4: linear, b2^(1/(2 (k - 2))) a step for b1 = 0.5, 0.9",
    source="Bai et al. 2026; the rate derived",
)
def adam_rates_on_powers(quick: bool) -> Measurement:
    """Rates from 10,000 to 20,000 steps, k = 4 and 6, b2 = 0.99, two b1, against 0.9974906, ..."""
    rule, errors, found = eos.rules.adam(b1=None, b2=0.99, eps=0.0), [], []
    for k, objective, printed in ((4, QUARTIC, 0.9974906), (6, _SEXTIC, 0.9987445)):
        axes = {"x": 1.0, "eta": 1e-2, "b1": [0.5, 0.9]}
        ends = [
            eos.sweep(objective, axes, n, rule=rule, stop=None, sharpness=None).x_final.values
            for n in (10_000, 20_000)
        ]
        rates = np.abs(ends[1] / ends[0]).ravel() ** 1e-4
        expected = 0.99 ** (1 / (2 * (k - 2)))
        errors += [np.max(np.abs(rates - expected)), abs(round(expected, 7) - printed)]
        found += rates.round(9).tolist()
    return Measurement("0.9974906, 0.9987445", str(found), float(max(errors)), 1e-6)


@claim(
    statement="Adam on x^2/2 never settles: orbits stay about |x| = eta (1 - b1)/(2 (1 + b1))",
    source="Bai et al. 2026; the length derived",
)
def adam_never_settles_on_a_parabola(quick: bool) -> Measurement:
    """The root mean square of late points of 16 orbits, 20,000 and 40,000 steps on."""
    rule, eta = eos.rules.adam(b1=0.9, b2=0.99, eps=0.0), 0.01
    axes = {"x": np.linspace(0.5, 1.5, 16), "eta": eta}
    late = eos.orbits(PARABOLA, axes, 40_000, rule=rule, record=("x",), last=20_001).x_orbit.values
    halves = [np.sqrt(np.mean(part**2)) for part in (late[:, :10_000], late[:, 10_000:])]
    length = eta * 0.1 / (2 * 1.9)
    share = np.array(halves) / length
    note = f"root mean squares over that length: {share.round(3).tolist()}; within a factor of 3"
    return predicate(
        "stays", str(share.round(3)), bool(np.all((share > 1 / 3) & (share < 3))), note
    )


@claim(
    statement="x^2/2: RMSProp stays at 0 if eps > eta^2/4, Adam if eps > eta (1 - b1)/(2 + 2 b1)",
    source="derived: at rest P is eps^(1/2), eps; the thresholds, Cohen et al. 2022",
)
def small_eps_keeps_no_minimum(quick: bool) -> Measurement:
    """The factor on P at rest from which on orbits end at 0, not on a cycle, against 1.

    Below it they come close to 0 too, and need some thousand steps to leave it.
    """
    eta, b1, spacing = 0.1, 0.9, 0.01
    factors = np.arange(0.905, 1.1, spacing)  # 1 lies between two
    least = {"rmsprop": eta / 2, "adam": eta * (1 - b1) / (2 + 2 * b1)}
    found = []
    for name, rest in least.items():
        eps = (rest * factors) ** 2 if name == "rmsprop" else rest * factors
        momentum = {"decay": 0.9} if name == "rmsprop" else {"b1": b1, "b2": 0.9}
        axes = {"x": 1.0, "eta": eta, "eps": eps, **momentum}
        ends = eos.sweep(PARABOLA, axes, 5000, rule=name, stop=None, sharpness=None)
        ends = np.abs(ends.x_final.values.ravel())
        stays, first = ends < 1e-15, int(np.argmax(ends < 1e-15))
        parts = first > 0 and bool(stays[first:].all()) and bool((ends[:first] > 1e-9).all())
        found.append(float(factors[first] - spacing / 2) if parts else math.nan)
    error = float(np.max(np.abs(np.array(found) - 1)))
    note = "RMSProp, Adam; tolerance: a spacing of the factors"
    return Measurement(1.0, str(np.round(found, 4)), error, spacing, note)


@claim(
    statement="Adam on 4 scalars, eps small, stays at no minimum: it slides to the flattest, S = 4",
    source="derived; Bai et al. 2026 for k = 2",
)
def adam_slides_to_the_flattest_minimum(quick: bool) -> Measurement:
    """2 (x^2 + y^2) of 32 orbits after 500 and after 100,000 steps, past a loss of nearly 0.

    Beside the edge all the while: the median of the preconditioned sharpness over the threshold.
    """
    rule = eos.rules.adam(b1=0.9, b2=0.99)
    axes = {"x": np.linspace(1.5, 4, 16), "y": 0.3, "eta": [0.04, 0.08]}
    least = {"least": eos.observers.minimum("loss")}
    early = eos.sweep(COUPLED, axes, 500, rule=rule, stop=None, observe=least)
    late = eos.sweep(COUPLED, axes, 100_000, rule=rule, stop=None)
    sharp = [2 * (ds.x_final**2 + ds.y_final**2).values for ds in (early, late)]
    edge, came = float((late.curvature / late.threshold).median()), float(early.least.max())
    ok = came < 1e-6 and float(np.median(sharp[0])) > 8 and abs(edge - 1) < 0.1
    worst = float(sharp[1].ravel()[np.argmax(np.abs(sharp[1] - 4))])
    note = (
        f"least losses up to step 500 below {came:.1e}, median sharpness {np.median(sharp[0]):.2f} "
        f"there; share of the edge {edge:.3f} at the end; tolerance: the bounce, eta/2"
    )
    return number(4.0, worst if ok else math.nan, 0.04, note)


def _noise_along_x(sigma: float) -> eos.rules.Rule:
    """Gradient descent with noise in the gradient along x alone."""
    isotropic = eos.rules.gradient_noise(sigma)

    def step(objective, params, count, hyper):
        moved, count = isotropic.step(objective, params, count, hyper)
        plain, _ = eos.rules.gradient_descent().step(objective, params, (), hyper)
        return {**plain, "x": moved["x"]}, count

    return dataclasses.replace(isotropic, name="noise_along_x", step=step)


@claim(
    statement="self-stabilisation: noise s along x lowers the mean sharpness by eta b s^2/(4 a)",
    source="stochastic sharpness gap, arXiv 2604.21016; derived from the mean of x^2",
)
def noise_opens_a_gap(quick: bool) -> Measurement:
    """The rise of 2/eta - S from s = 4 to s = 8, alpha = beta = 1, over lanes and late steps.

    Without noise there is a gap too, of some 2 eta: the oscillation spirals outward. Noise along
    the sharpness's own gradient would add as much twice.
    """
    eta, sigmas = 0.05, np.array([4.0, 8.0])
    objective = eos.objectives.self_stabilization(2 / eta)
    axes = {"x": math.sqrt(2), "v": 0.0, "eta": eta, "sigma": sigmas, "seed": np.arange(256)}
    ds = eos.orbits(objective, axes, 8000, rule=_noise_along_x(4.0), record=("v",), every=20)
    late = -ds.v_orbit.values[..., ds.sizes["step"] // 4 :].mean(axis=-1)
    rise, noise = np.diff(late.mean(axis=-1))[0], eta * np.diff(sigmas**2)[0] / 4
    spread = math.hypot(*late.std(axis=-1)) / 16 / noise
    note = f"standard error {spread:.4f}; tolerance: order eta"
    return number(1.0, rise / noise, eta, note)


@claim(
    statement="a quadratic: 2 over the longest step that does not raise the loss is g^T H g/|g|^2",
    source="Kalra et al. 2026; derived",
)
def critical_sharpness_is_directional(quick: bool) -> Measurement:
    """Critical and directional sharpness at random points of x^2/2 + 3 y^2, and by NumPy."""
    objective = eos.objectives.from_function(_valley, name="valley")
    random = np.random.default_rng(0)
    axes = {n: random.normal(size=32) for n in "xy"}
    names = ("critical_sharpness", "directional_sharpness")
    ds = eos.orbits(objective, {**axes, "eta": 0.1}, 0, record=names, combine="zip")
    slope = np.stack([axes["x"], 6 * axes["y"]])
    known = (slope[0] ** 2 + 6 * slope[1] ** 2) / np.sum(slope**2, axis=0)
    passes, exact = (np.abs(ds[n].values[:, 0] / known - 1).max() for n in names)
    error = float(passes) if exact < 1e-12 else math.inf
    note = "tolerance: ten halvings of an interval of a factor of 2"
    return Measurement("1", f"off by at most {error:.2g}", error, 1e-3, note)


def _valley(x, y):
    return x * x / 2 + 3 * y * y


def _two_layers(W, a, X, y):
    return jnp.mean((jnp.tanh(X @ W.T) @ a - y) ** 2) / 2


@functools.cache
def _network():
    """Two layers of 3 and 4 units on 16 random labels, and a start."""
    random = np.random.default_rng(0)
    data = {"X": random.normal(size=(16, 3)), "y": np.sign(random.normal(size=16))}
    start = {"W": random.normal(size=(4, 3)), "a": random.normal(size=4)}
    shapes = {name: value.shape for name, value in start.items()}
    objective = eos.objectives.from_function(
        _two_layers, ("W", "a"), data=data, shapes=shapes, name="two layers", floor=0.0
    )
    return objective, start


def _late(rule, steps: int, every: int, record: dict, **hyper) -> dict[str, np.ndarray]:
    """Measures over the last third of orbits of the network, shape (lanes, samples)."""
    objective, start = _network()
    observe = eos.observers.trace(**record, last=steps // every // 3)

    def one(hyper):
        return eos.simulate(objective, start, hyper, steps, rule=rule, observe=observe, every=every)

    with jax.enable_x64(True):  # a sweep would take longer to compile
        hyper = dict(zip(hyper, map(jnp.asarray, np.broadcast_arrays(*hyper.values()))))
        found = jax.jit(jax.vmap(one))(hyper)
        return {name: np.asarray(found[name]) for name in record}


@claim(
    statement="momentum b on all data: a network's sharpness settles at 2 (1 + b)/eta as eta -> 0",
    source="Andreyev et al. 2026, large batches; Cohen et al. 2021",
)
def large_batches_settle_at_the_upper_plateau(quick: bool) -> Measurement:
    """16 of 16 samples, b = 0.9, three eta: means of the last third of 18,000 steps over the edge.

    Below it by a part that shrinks with eta: the sharpness swings, further down than up.
    """
    etas = np.array([0.2, 0.1, 0.05])
    rule, record = eos.rules.heavy_ball(), {"s": "sharpness"}
    found = _late(rule, 18_000, 300, record, eta=etas, momentum=0.9)["s"] * etas[:, None] / 3.8
    means = found.mean(axis=-1)
    falls = bool(np.all(np.diff(np.abs(means - 1)) < 0))
    error = abs(float(means[-1]) - 1) if falls else math.inf
    note = (
        f"means {means.round(3).tolist()} at eta = {etas.tolist()}, from {found.min():.2f} to "
        f"{found.max():.2f}; tolerance: what is left of the gap at the last, and of the swing"
    )
    return Measurement(1.0, float(means[-1]), error, 0.01, note)


@functools.cache
def _small_batches(steps: int) -> np.ndarray:
    """Late batch sharpness under momentum 0.9, eta = 0.1, batches of 4 of 16, two seeds."""
    record = {"b": measures.batch_sharpness(draws=32)}
    hyper = {"eta": 0.1, "momentum": 0.9, "batch": 4.0, "seed": np.arange(1, 3)}
    return _late(eos.rules.minibatch_heavy_ball(), steps, 300, record, **hyper)["b"]


@claim(
    statement="momentum b, batches of 4 of 16: the batch sharpness stays near 2 (1 - b)/eta",
    source="Andreyev et al. 2026, small batches",
)
def small_batches_settle_at_the_lower_plateau(quick: bool) -> Measurement:
    """b = 0.9, eta = 0.1, two seeds: the last third of 18,000 steps, far below 2 (1 + b)/eta."""
    found = _small_batches(12_000 if quick else 18_000)
    note = (
        f"means of the seeds {found.mean(axis=-1).round(2).tolist()}, 2 (1 + b)/eta = 38; "
        "tolerance: of that order, not that value, which is the limit of a small share of "
        "independent samples. With eta = 0.05, or b = 0.8, it is 0.7 of it; with batches of 1 "
        "orbits diverge"
    )
    return number(2 * 0.1 / 0.1, float(found.mean()), 0.3, note)


@claim(
    statement="momentum b, a share p drawn: E x^2 keeps at (2/eta)(1 - b^2)/(1 + b - 2 b p)",
    source="derived; its ends at p = 0, 1, Andreyev et al. 2026",
)
def drawn_samples_have_one_threshold(quick: bool) -> Measurement:
    """The spectral radius of E[M (x) M] there, M the step of (x, u) drawn or not, on a grid."""
    errors = []
    for beta in (0.0, 0.5, 0.9, 0.99):
        for share in (1e-3, 0.1, 0.25, 0.7, 1.0):
            pace = float(theory.minibatch_threshold(1.0, beta, share))
            drawn = np.array([[1 - pace, beta], [-pace, beta]])
            rest = np.array([[1.0, beta], [0.0, beta]])
            moments = share * np.kron(drawn, drawn) + (1 - share) * np.kron(rest, rest)
            errors.append(abs(np.max(np.abs(np.linalg.eigvals(moments))) - 1))
    return Measurement(1.0, 1 + max(errors), float(max(errors)), 1e-6, "4 b and 5 p; double root")


def _sharpening(x, s, i, target):
    return jnp.mean(s * x[i] ** 2) / 2 + 0.05 * (s - target) ** 2


def _settled(samples: int, batch: int, edge: float, over: float, steps: int):
    """Mean late s and batch sharpness over an edge, eta = 0.01, b = 0.5.

    Every sample has a coordinate of its own, of curvature s; the loss pulls s to (1 + over) times
    the edge, and what stops it is the oscillation alone.
    """
    # of the full loss s is spread over the samples: a batch sees s over its size
    data = {"i": np.arange(samples), "target": np.float64((1 + over) * edge * batch)}
    shapes = {"x": (samples,), "s": ()}
    with jax.enable_x64(True):
        objective = eos.objectives.from_function(
            _sharpening, ("x", "s"), data=data, shapes=shapes, name="sharpening"
        )
    random = np.random.default_rng(0)
    size = math.sqrt(0.2 * over * edge * batch)
    start = {
        "x": size * random.choice([-1, 1], (4, samples)) * random.uniform(0.5, 1.5, (4, samples)),
        "s": np.full(4, edge * batch),
    }
    bend = measures.batch_sharpness(draws=64, ratio_of_means=True)
    record = eos.observers.trace(s="s", b=bend, last=steps // 100)
    fixed = {"eta": 0.01, "momentum": 0.5, "batch": float(batch)}

    def one(start, seed):
        rule, hyper = eos.rules.minibatch_heavy_ball(), {**fixed, "seed": seed}
        return eos.simulate(objective, start, hyper, steps, rule=rule, observe=record, every=50)

    with jax.enable_x64(True):
        lanes = jax.tree.map(jnp.asarray, start), jnp.arange(4, dtype=jnp.uint32)
        found = jax.tree.map(np.asarray, jax.jit(jax.vmap(one))(*lanes))
    return float(np.mean(found["s"])) / batch / edge, float(np.mean(found["b"])) / edge


@claim(
    statement="independent samples, momentum b, all drawn: they settle at 2 (1 + b)/eta",
    source="Andreyev et al. 2026, large batches",
)
def independent_samples_settle_at_the_upper_plateau(quick: bool) -> Measurement:
    """The batch sharpness of 8 of 8 samples, pulled to 2 % beyond."""
    held, bend = _settled(8, 8, 300.0, 0.02, 6000)
    note = f"the curvature is {held:.6f}; tolerance: what is left of the start"
    return Measurement(1.0, bend, max(abs(bend - 1), abs(held - 1)), 1e-4, note)


@claim(
    statement="independent samples, momentum b, few drawn: they settle at 2 (1 - b)/eta as p -> 0",
    source="Andreyev et al. 2026, small batches; the share derived",
)
def independent_samples_settle_at_the_lower_plateau(quick: bool) -> Measurement:
    """1 of 16, 64, 256 samples, pulled to 20 % beyond: above the edge of E x^2, falling to 1."""
    shares = [1 / n for n in (16, 64, 256)]
    found = [_settled(n, 1, 100.0, 0.2, 10_000) for n in (16, 64, 256)]
    held = [pair[0] for pair in found]
    bends = [pair[1] for pair in found]
    edges = [float(theory.minibatch_threshold(0.01, 0.5, p)) / 100 for p in shares]
    falls = held[0] > held[1] > held[2] and all(1 < h < 1.15 for h in held)
    error = max(abs(held[-1] - 1), abs(bends[-1] - 1)) if falls else math.inf
    note = (
        f"curvature over 2 (1 - b)/eta {np.round(held, 4).tolist()}, batch sharpness "
        f"{np.round(bends, 4).tolist()}, as ratio of means, edges of E x^2 "
        f"{np.round(edges, 4).tolist()}; tolerance: the share 1/256 itself and the mean's spread"
    )
    return Measurement(1.0, bends[-1], error, 0.02, note)


@claim(
    statement="Adam on a small network: P^-1 H is held near (2 + 2 b1)/((1 - b1) eta)",
    source="Cohen et al. 2022",
)
def adam_holds_a_network_at_its_edge(quick: bool) -> Measurement:
    """The preconditioned sharpness over the threshold, the last third of 6000 steps, two b1."""
    rule = eos.rules.adam(b1=None, b2=0.99, eps=1e-7)
    record, b1 = {"r": "relative_curvature"}, np.array([0.5, 0.9])
    found = _late(rule, 6000, 100, record, eta=0.003, b1=b1)["r"]
    means = found.mean(axis=-1)
    note = f"from {found.min():.2f} to {found.max():.2f}; tolerance: it swings about the edge"
    worst = float(means[np.argmax(np.abs(means - 1))])
    return number(1.0, worst, 0.2, f"means {means.round(3).tolist()}, {note}")
