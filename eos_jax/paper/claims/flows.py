"""Flows that stand for discrete rules, beside the orbits of these rules."""

import math

import numpy as np

import eos_jax as eos
from eos_jax import flows, theory
from eos_jax.analysis.extrapolation import observed_order, richardson
from eos_jax.paper.claims.base import Measurement, claim, number
from eos_jax.paper.claims.runs import COUPLED, final_gap

START = {"x": 2.0, "y": 0.5}
"""A minimum of the paper's model, x^2 - y^2 = 3.75."""


def _bowl(x):
    return x * x / 2


_BOWL = eos.objectives.from_function(_bowl, name="bowl", floor=0.0)


@claim(
    statement="gradient flow keeps x^2 - y^2 and ends at the sharpness 2 sqrt((x^2 - y^2)^2 + 4)",
    source="Kreisler et al. 2023; Zhu et al. 2023, section 3",
)
def gradient_flow_keeps_the_imbalance(quick: bool) -> Measurement:
    """From four starts for 200 steps of eta = 0.05: the imbalance, and the sharpness in the end."""
    axes = {"x": [1.5, 2.0, 2.5, 3.0], "y": 0.7, "eta": 0.05}
    ds = eos.sweep(COUPLED, axes, 200, rule=flows.gradient_flow(), stop=None)
    kept = np.array(axes["x"]) ** 2 - axes["y"] ** 2
    ends = ds.x_final.values**2 - ds.y_final.values**2
    sharp = 2 * np.sqrt(kept**2 + 4)
    error = max(np.max(np.abs(ends / kept - 1)), np.max(np.abs(ds.sharpness.values / sharp - 1)))
    note = "tolerance: that of the solver, 1e-9 a step"
    return Measurement(
        str(sharp.round(6)), str(ds.sharpness.values.round(6)), float(error), 1e-6, note
    )


@claim(
    statement="the sharpness of the flow's limit never rises along GD, below 2 sqrt(2)/eta",
    source="Kreisler et al. 2023, theorem 3.1",
)
def sharpness_of_the_flow_limit_never_rises(quick: bool) -> Measurement:
    """Ends of flows from every 10th step of two orbits: against the closed form, and falling."""
    axes = {"x": [2.4, 2.5], "y": 0.4001, "eta": 0.2}
    record = eos.observers.trace(("x", "y"), limit=flows.flow_sharpness)
    ds = eos.sweep(COUPLED, axes, 200, observe={"at": record}, every=10, stop=None)
    points = np.stack([ds.at_x.values, ds.at_x.values, ds.at_y.values, ds.at_y.values], axis=-1)
    known, found = theory.gradient_flow_sharpness(points), ds.at_limit.values
    error = float(np.max(np.abs(found / known - 1)))
    falls = bool(np.all(np.diff(found, axis=-1) < 1e-6) and np.max(found) < 2 * math.sqrt(2) / 0.2)
    note = f"from {found[..., 0]} to {found[..., -1]}; the error is that against the closed form"
    return Measurement(
        "falls", "falls" if falls else "rises", error if falls else math.inf, 1e-6, note
    )


@claim(
    statement="the flow of GD on sqrt(L), 4 scalars: x^2 - y^2 = D_0 exp(-eta^2 t/2)",
    source="Arora et al. 2022, theorem 4.6; the form for 4 scalars derived",
)
def root_descent_flow_decays(quick: bool) -> Measurement:
    """After 1/eta^2 steps at eta = 0.01."""
    ds = eos.sweep(
        COUPLED, {**START, "eta": 0.01}, 10, rule=flows.root_descent_flow(stride=1000), stop=None
    )
    found = float(ds.x_final**2 - ds.y_final**2)
    note = "tolerance: that of the solver, 1e-9 a step of its"
    return number(3.75 * math.exp(-0.5), found, 1e-7, note)


@claim(
    statement="normalised GD stays beside its flow along minima: D = x^2 - y^2 within O(eta)",
    source="Arora et al. 2022, theorem 4.4",
)
def normalised_descent_follows_its_flow(quick: bool) -> Measurement:
    """The observed order of the difference of D after 1/eta^2 steps at two step sizes."""
    errors, etas = [], (0.02, 0.01)
    for eta in etas:
        steps = round(1 / eta**2)
        start = {**START, "eta": eta}
        flow = flows.normalised_descent_flow(stride=steps // 10)
        smooth = eos.sweep(COUPLED, start, 10, rule=flow, stop=None)
        start["y"] *= 1 + 1e-4
        rule = "normalised_gradient_descent"
        rough = eos.sweep(COUPLED, start, steps, rule=rule, stop=None, sharpness=None)
        ends = [float(ds.x_final**2 - ds.y_final**2) for ds in (smooth, rough)]
        errors.append(abs(ends[1] / ends[0] - 1))
    order = observed_order(errors, 2)
    return Measurement("order 1 or more", f"{order:.3f}, errors {errors}", max(0.0, 1 - order), 0.1)


def _orbit(rule, eta: float, steps: int):
    """Centre of x and v on the self-stabilisation model with S = 2/eta, from x = 1, v = 0."""
    objective = eos.objectives.self_stabilization(2 / eta)
    record = eos.observers.trace(x=flows.centre("x"), v=flows.centre("v"))
    axes = {"x": 1.0, "v": 0.0, "eta": eta}
    ds = eos.sweep(objective, axes, steps, rule=rule, observe={"at": record}, stop=None,
                   sharpness=None, every=max(1, steps // 50))  # fmt: skip
    return ds.at_v.values.ravel()


def _order_of_the_centre(rule) -> Measurement:
    """Errors of the centre over a turn of self-stabilisation, 4/eta steps, and their order.

    The discrete rod moves by Euler steps of the flow, so that the order is 1.
    """
    etas, errors = (0.02, 0.01, 0.005), []
    for eta in etas:
        steps = round(4 / eta)
        smooth, rough = (_orbit(r, eta, steps) for r in (rule, "gradient_descent"))
        errors.append(float(np.max(np.abs(smooth - rough))))
    order = observed_order(errors, 2)
    note = (
        f"errors {np.round(errors, 5).tolist()} of the sharpness at eta = {list(etas)}, which "
        "swings by some 1"
    )
    return Measurement(1.0, order, abs(order - 1), 0.05, note)


@claim(
    statement="rod flow follows the centre of GD's iterates with an error of order eta",
    source="Regis and Chewi 2026 for the flow; equations and order derived",
)
def rod_flow_follows_the_centre(quick: bool) -> Measurement:
    """A turn of the self-stabilisation model at three step sizes."""
    return _order_of_the_centre(flows.rod_flow())


@claim(
    statement="edge flow follows the centre of GD's iterates with an error of order eta",
    source="Marion 2026 for the flow; equations and order derived",
)
def edge_flow_follows_the_centre(quick: bool) -> Measurement:
    """A turn of the self-stabilisation model at three step sizes."""
    return _order_of_the_centre(flows.edge_flow())


@claim(
    statement="rod flow on l x^2/2: half the difference grows as exp((eta l - 2) t)",
    source="Regis and Chewi 2026, its threshold; derived",
)
def rod_flow_has_the_threshold_of_descent(quick: bool) -> Measurement:
    """log of x - centre after 5 steps over that at the start, for eta from 1.9 to 2.1, l = 1."""
    etas = np.array([1.9, 1.99, 2.01, 2.1])
    record = eos.observers.trace(("x",), c=flows.centre("x"))
    axes = {"x": 1.0, "eta": etas}
    ds = eos.sweep(_BOWL, axes, 5, rule=flows.rod_flow(), observe={"at": record}, stop=None)
    half = ds.at_x.values - ds.at_c.values
    rates = np.log(half[:, -1] / half[:, 0]) / 5
    error = float(np.max(np.abs(rates - (etas - 2))))
    return Measurement(str((etas - 2).round(3)), str(rates.round(9)), error, 1e-7)


@claim(
    statement="the 2-cycles of GD are at rest under rod flow: 4 equal scalars at eta = 0.55",
    source="derived",
)
def cycles_rest_under_rod_flow(quick: bool) -> Measurement:
    """From a point of the 2-cycle of gradient descent, 100 steps of the flow."""
    objective, eta = eos.objectives.scalar_product((4,)), 0.55
    cycle = eos.orbits(objective, {"x": 0.9, "eta": eta}, 2000, record=("x",), last=2)
    one, other = (float(v) for v in cycle.x_orbit.values.ravel())
    axes = {"x": one, "eta": eta}
    ds = eos.sweep(objective, axes, 100, rule=flows.rod_flow(), stop=None)
    note = f"the cycle: {one:.6f}, {other:.6f}"
    apart = abs(one - other) > 0.01
    error = abs(float(ds.x_final) / one - 1) if apart else math.inf
    return Measurement(one, float(ds.x_final), error, 1e-7, note)


@claim(
    statement="4 scalars under rod flow: 2/eta - S = eta/2 + O(eta^3) at the end, as under GD",
    source="derived: the parabola is that of GD",
)
def rod_flow_ends_at_the_gap_of_descent(quick: bool) -> Measurement:
    """The gap over eta at two step sizes, carried to 0 in powers of eta^2."""
    etas = np.array([0.2, 0.1])
    s = 1.04 / etas
    x, y = theory.from_cd((s**2 - 4) ** 0.25, 1 + 1e-2)
    axes = {"x": x, "y": y, "eta": etas}
    ds = eos.sweep(COUPLED, axes, 60, combine="zip", rule=flows.rod_flow(stride=100), stop=None)
    ends = {n: ds[f"{n}_final"].values for n in "xy"}
    gaps = final_gap(COUPLED, ends, etas) / etas
    limit = richardson(gaps, ratio=2, order=2, spacing=2)
    note = f"gap/eta = {gaps.round(6).tolist()} at eta = {etas.tolist()}, after 6000 steps"
    return number(0.5, limit.value, 5e-3, note)


@claim(
    statement="central flow stops at 2/eta; GD's mean x^2 is its sigma^2 = 2 alpha/beta",
    source="Cohen et al. 2025 for the flow; the model, Damian et al. 2022",
)
def central_flow_stops_at_the_edge(quick: bool) -> Measurement:
    """Self-stabilisation from 1 below 2/eta: the flow's sharpness; the mean x^2 of GD there."""
    eta, alpha, beta = 0.01, 1.0, 2.0
    objective = eos.objectives.self_stabilization(2 / eta, alpha, beta)
    below = {"x": 0.0, "v": -1 / math.sqrt(beta), "eta": eta}
    smooth = eos.orbits(objective, below, 300, rule=flows.central_flow())
    path = smooth.sharpness.values
    # below the edge the sharpness rises by eta alpha a step
    rise = float(np.max(np.abs(path[:90] - (2 / eta - 1 + eta * alpha * np.arange(90)))))
    held = float(np.max(np.abs(path[200:] * eta / 2 - 1)))
    start = {"x": math.sqrt(2 * alpha / beta), "v": 0.0, "eta": eta}
    rough = eos.orbits(objective, start, 2000, record=("x",)).x_orbit.values
    variance = float(np.mean(rough**2) / (2 * alpha / beta))
    error = max(held, rise / 100, abs(variance - 1))
    note = f"off 2/eta by {held:.1e}, off the rise below it by {rise:.1e}; tolerance: order eta"
    return Measurement(1.0, variance, error, eta, note)
