"""Flows that stand for discrete rules, beside the orbits of these rules."""

import math

import jax
import jax.numpy as jnp
import numpy as np

import eos_jax as eos
from eos_jax import flows, theory
from eos_jax.analysis.extrapolation import observed_order, richardson
from eos_jax.paper.claims.base import Measurement, claim, number
from eos_jax.paper.claims.runs import COUPLED, PARABOLA, final_gap

START = {"x": 2.0, "y": 0.5}
"""A minimum of the paper's model, x^2 - y^2 = 3.75."""


def _run(objective, start, eta, steps, rule="gradient_descent", every=1, **record):
    """Records of one orbit in float64, and its end: a sweep of flows takes long to compile."""
    observe = {"end": eos.observers.final_point()}
    if record:
        observe["at"] = eos.observers.trace(**record)
    point = {name: np.float64(value) for name, value in start.items()}
    rule = eos.rules.as_rule(rule)
    found = eos.simulate(objective, point, eta, steps, rule=rule, observe=observe, every=every)
    return {key: {n: np.asarray(v) for n, v in part.items()} for key, part in found.items()}


def _imbalance(end) -> float:
    return float(end["x"] ** 2 - end["y"] ** 2)


@claim(
    statement="gradient flow keeps x^2 - y^2 and ends at the sharpness 2 sqrt((x^2 - y^2)^2 + 4)",
    source="Kreisler et al. 2023; Zhu et al. 2023, section 3",
)
def gradient_flow_keeps_the_imbalance(quick: bool) -> Measurement:
    """200 steps of eta = 0.05 from (2.5, 0.7): the imbalance, and the sharpness in the end."""
    rule = flows.gradient_flow()
    found = _run(COUPLED, {"x": 2.5, "y": 0.7}, 0.05, 200, rule, 200, s="sharpness")
    kept = 2.5**2 - 0.7**2
    sharp, last = 2 * math.sqrt(kept**2 + 4), float(found["at"]["s"][-1])
    error = max(abs(_imbalance(found["end"]) / kept - 1), abs(last / sharp - 1))
    return Measurement(sharp, last, error, 1e-6, "tolerance: that of the solver, 1e-9 a step")


@claim(
    statement="the sharpness of the flow's limit never rises along GD, below 2 sqrt(2)/eta",
    source="Kreisler et al. 2023, theorem 3.1",
)
def sharpness_of_the_flow_limit_never_rises(quick: bool) -> Measurement:
    """Ends of flows from every 10th step of an orbit: against the closed form, and falling."""
    start = {"x": 2.4, "y": 0.4001}
    at = _run(COUPLED, start, 0.2, 200, every=10, x="x", y="y", limit=flows.flow_sharpness)["at"]
    known = theory.gradient_flow_sharpness(np.stack([at["x"], at["x"], at["y"], at["y"]], axis=-1))
    found = at["limit"]
    error = float(np.max(np.abs(found / known - 1)))
    falls = bool(np.all(np.diff(found) < 1e-6) and found[0] < 2 * math.sqrt(2) / 0.2)
    note = f"from {found[0]:.6f} to {found[-1]:.6f}; the error is that against the closed form"
    words = "falls" if falls else "rises"
    return Measurement("falls", words, error if falls else math.inf, 1e-6, note)


@claim(
    statement="the flow of GD on sqrt(L), 4 scalars: x^2 - y^2 = D_0 exp(-eta^2 t/2)",
    source="Arora et al. 2022, theorem 4.6; the form for 4 scalars derived",
)
def root_descent_flow_decays(quick: bool) -> Measurement:
    """After 1/eta^2 steps at eta = 0.01."""
    end = _run(COUPLED, START, 0.01, 10, flows.root_descent_flow(stride=1000))["end"]
    found = _imbalance(end)
    note = "tolerance: that of the solver, 1e-9 a step of its"
    return number(3.75 * math.exp(-0.5), found, 1e-7, note)


@claim(
    statement="normalised GD, 4 scalars, stays beside its flow: x^2 - y^2 after 1/eta^2 steps",
    source="Arora et al. 2022, theorem 4.4",
)
def normalised_descent_follows_its_flow(quick: bool) -> Measurement:
    """The imbalance under the rule and under its flow at eta = 0.01."""
    eta, steps = 0.01, 10_000
    smooth = _run(COUPLED, START, eta, 10, flows.normalised_descent_flow(stride=steps // 10))
    beside = {**START, "y": START["y"] * (1 + 1e-6)}
    rough = _run(COUPLED, beside, eta, steps, "normalised_gradient_descent")
    ends = [_imbalance(found["end"]) for found in (smooth, rough)]
    return number(*ends, 1e-4, f"eta = {eta}; tolerance: order eta^2")


def _self_stabilisation(x, v, s):
    return (jax.lax.stop_gradient(s) + v) * x * x / 2 - v


_EDGE = eos.objectives.from_function(_self_stabilisation, name="edge")


def _order_of_the_centre(rule) -> Measurement:
    """Errors of the centre over a turn of self-stabilisation, 4/eta steps, and their order.

    S = 2/eta, a parameter that stays, from x = 1 and v = 0. The discrete rod moves by Euler steps
    of the flow, so that the order is 1.
    """
    etas, errors = (0.01, 0.005), []
    for eta in etas:
        start, record = {"x": 1.0, "v": 0.0, "s": 2 / eta}, {"v": flows.centre("v")}
        smooth, rough = (
            _run(_EDGE, start, eta, 800, r, 16, **record)["at"]["v"]
            for r in (rule, "gradient_descent")
        )
        turn = round(4 / eta) // 16 + 1
        errors.append(float(np.max(np.abs(smooth - rough)[:turn])))
    order = observed_order(errors, 2)
    note = f"errors {np.round(errors, 5).tolist()} of the sharpness, which swings by some 1"
    return Measurement(1.0, order, abs(order - 1), 0.05, f"{note}, at eta = {list(etas)}")


@claim(
    statement="rod flow follows the centre of GD's iterates with an error of order eta",
    source="Regis and Chewi 2026 for the flow; equations and order derived",
)
def rod_flow_follows_the_centre(quick: bool) -> Measurement:
    """A turn of the self-stabilisation model at two step sizes."""
    return _order_of_the_centre(flows.rod_flow())


@claim(
    statement="edge flow follows the centre of GD's iterates with an error of order eta",
    source="Marion 2026 for the flow; equations and order derived",
)
def edge_flow_follows_the_centre(quick: bool) -> Measurement:
    """A turn of the self-stabilisation model at two step sizes."""
    return _order_of_the_centre(flows.edge_flow())


@claim(
    statement="rod flow on l x^2/2: half the difference grows as exp((eta l - 2) t)",
    source="Regis and Chewi 2026, its threshold; derived",
)
def rod_flow_has_the_threshold_of_descent(quick: bool) -> Measurement:
    """log of x - centre after 5 steps over that at the start, for eta from 1.9 to 2.1, l = 1."""
    etas, rates = np.array([1.9, 1.99, 2.01, 2.1]), []
    for eta in etas:
        rule, record = flows.rod_flow(), {"x": "x", "c": flows.centre("x")}
        at = _run(PARABOLA, {"x": 1.0}, eta, 5, rule, **record)["at"]
        half = at["x"] - at["c"]
        rates.append(float(np.log(half[-1] / half[0]) / 5))
    error = float(np.max(np.abs(np.array(rates) - (etas - 2))))
    return Measurement(str((etas - 2).round(3)), str(np.round(rates, 9)), error, 1e-7)


@claim(
    statement="the 2-cycles of GD are at rest under rod flow: 4 equal scalars at eta = 0.55",
    source="derived",
)
def cycles_rest_under_rod_flow(quick: bool) -> Measurement:
    """From a point of the 2-cycle of gradient descent, 100 steps of the flow."""
    objective, eta = eos.objectives.scalar_product((4,)), 0.55
    cycle = eos.orbits(objective, {"x": 0.9, "eta": eta}, 2000, record=("x",), last=2)
    one, other = (float(v) for v in cycle.x_orbit.values.ravel())
    end = _run(objective, {"x": one}, eta, 100, flows.rod_flow())["end"]
    note = f"the cycle: {one:.6f}, {other:.6f}"
    error = abs(float(end["x"]) / one - 1) if abs(one - other) > 0.01 else math.inf
    return Measurement(one, float(end["x"]), error, 1e-7, note)


@claim(
    statement="4 scalars under rod flow: 2/eta - S = eta/2 + O(eta^3) at the end, as under GD",
    source="derived: the parabola is that of GD",
)
def rod_flow_ends_at_the_gap_of_descent(quick: bool) -> Measurement:
    """The gap over eta at three step sizes, carried to 0 in powers of eta^2."""
    etas, gaps = np.array([0.2, 0.1, 0.05]), []
    for eta in etas:
        s, flow = 1.04 / eta, flows.rod_flow(stride=10)
        x, y = theory.from_cd((s**2 - 4) ** 0.25, 1 + 1e-2)
        end = _run(COUPLED, {"x": x, "y": y}, eta, round(2.4 / eta**2), flow)["end"]
        ends = {n: np.array([v]) for n, v in end.items()}
        gaps.append(float(final_gap(COUPLED, ends, np.array([eta]))[0] / eta))
    limit = richardson(gaps, ratio=2, order=2, spacing=2)
    note = f"gap/eta = {np.round(gaps, 6).tolist()} at eta = {etas.tolist()}, after 24/eta^2 steps"
    return number(0.5, limit.value, 1e-3, note)


@claim(
    statement="central flow stops at 2/eta; GD's mean x^2 is its sigma^2 = 2 alpha/beta",
    source="Cohen et al. 2025 for the flow; the model, Damian et al. 2022",
)
def central_flow_stops_at_the_edge(quick: bool) -> Measurement:
    """Self-stabilisation from 1 below 2/eta: the flow's sharpness; the mean x^2 of GD there."""
    eta, alpha, beta = 0.01, 1.0, 2.0
    objective = eos.objectives.self_stabilization(2 / eta, alpha, beta)
    below = {"x": 0.0, "v": -1 / math.sqrt(beta)}
    path = _run(objective, below, eta, 300, flows.central_flow(), s="sharpness")["at"]["s"]
    # below the edge the sharpness rises by eta alpha a step
    rise = float(np.max(np.abs(path[:90] - (2 / eta - 1 + eta * alpha * np.arange(90)))))
    held = float(np.max(np.abs(path[200:] * eta / 2 - 1)))
    start = {"x": math.sqrt(2 * alpha / beta), "v": 0.0}
    rough = _run(objective, start, eta, 2000, x="x")["at"]["x"]
    variance = float(np.mean(rough**2) / (2 * alpha / beta))
    error = abs(variance - 1) if max(held, rise) < 1e-9 else math.inf
    note = f"off 2/eta by {held:.1e}, off the rise below it by {rise:.1e}; tolerance: order eta"
    return Measurement(1.0, variance, error, eta, note)


_RISE = np.array([[1.0, 0.3], [0.3, 0.8]])


def _two_at_the_edge(x, v, edge):
    """(x^T (edge + V) x)/2 - <A, V>: V rises by A until its eigenvalues, in turn, come to 0."""
    own = jnp.stack([jnp.stack([v[0], v[1]]), jnp.stack([v[1], v[2]])])
    return (edge * (x @ x) + x @ own @ x) / 2 - jnp.sum(_RISE * own)


def _paths_at_the_edge(eta: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of eta V, t = 0 to 0.3/eta^2: the flow and the orbit; and the orbit's late mean of x x^T."""
    samples, steps = 30, round(0.3 / eta**2) // 30 * 30
    with jax.enable_x64(True):
        objective = eos.objectives.from_function(
            _two_at_the_edge, ("x", "v"), data={"edge": np.float64(2 / eta)},
            shapes={"x": (2,), "v": (3,)}, name="two at the edge",
        )  # fmt: skip
    first = np.array([-0.05, 0.03, -0.06]) / eta
    flow, noise = flows.central_flow(steps // samples, 2), eos.rules.gradient_noise(1.0)
    record = eos.observers.trace(v="v")
    smooth = eos.simulate(
        objective, {"x": np.zeros(2), "v": first}, eta, samples, rule=flow, observe=record
    )
    # without noise x would be forgotten below the edge, and the orbit pass it by far
    rough = eos.simulate(
        objective, {"x": np.full(2, 0.01), "v": first}, {"eta": eta, "seed": 0}, steps, rule=noise,
        observe=eos.observers.trace(v="v", x="x"),
    )  # fmt: skip
    late = np.asarray(rough["x"])[-steps // 2 :]
    path = np.asarray(rough["v"])[:: steps // samples]
    return np.asarray(smooth["v"]) * eta, path * eta, late.T @ late / len(late)


@claim(
    statement="two eigenvalues at 2/eta: central flow is off GD's path by O(eta); E x x^T = 2 A",
    source="Cohen et al. 2025, its semidefinite complementarity problem; the model derived",
)
def central_flow_holds_two_eigenvalues(quick: bool) -> Measurement:
    """(x^T (2/eta + V) x)/2 - <A, V> from -V of order 1/eta, which does not commute with A."""
    etas = (0.02, 0.005)
    runs = [_paths_at_the_edge(eta) for eta in etas]
    errors = [float(np.max(np.abs(smooth - rough))) for smooth, rough, _ in runs]
    order = math.log(errors[0] / errors[1]) / math.log(4)
    spread = float(np.max(np.abs(runs[1][2] / 2 - _RISE)))
    end = float(np.max(np.abs(runs[1][0][-1])))
    note = (
        f"errors of eta V {np.round(errors, 4).tolist()} at eta = {etas}, E x x^T/2 off A by "
        f"{spread:.3f}, the flow's eta V at the end {end:.1e}; tolerance: V swings by some 1 "
        "about the edge, and in a phase of its own at each eta"
    )
    error = abs(order - 1) if spread < 0.15 and end < 1e-5 else math.inf
    return Measurement(1.0, order, error, 0.3, note)
