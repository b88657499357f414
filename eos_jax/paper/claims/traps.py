"""Known traps: what a careless checker would measure, beside what is right."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import eos_jax as eos
from eos_jax import theory
from eos_jax.paper.claims.base import Measurement, claim, corrected
from eos_jax.paper.claims.runs import (
    COUPLED,
    balanced_start,
    descend,
    final_gap,
    hessians,
    step_ab_exactly,
)


@claim(
    statement="at eta = 0.01 float32 holds the end, a = -k^3/8, to 1 %, but not the steps to it",
    source="derived; corrects 'float32 cannot resolve k^3/8 at eta = 0.01'",
)
def float32_orbits_end_elsewhere(quick: bool) -> Measurement:
    """2/eta - S, in units of eta/2, of the same starts run in both precisions."""
    eta = 0.01
    end = theory.parabola_end(eta)
    x, y = theory.from_ab(end, 0.0, eta)
    held = float(theory.to_ab(np.float32(x), np.float32(y), np.float32(eta))[0]) / end - 1
    spacing = float(np.spacing(np.float32(x)))
    fall = -float(step_ab_exactly(end, eta / 4, eta)[0] - end)
    x, y = theory.from_ab(0.02, np.array([1e-3, 2e-3, 5e-3, 1e-2]), eta)
    gaps = []
    for dtype in (np.float32, np.float64):
        ends = descend(COUPLED, {"x": x, "y": y}, eta, 200_000, dtype)
        ends = {name: v.astype(float) for name, v in ends.items()}
        gaps.append(final_gap(COUPLED, ends, eta) / (eta / 2))
    errors = [np.max(np.abs(gap - 1)) for gap in gaps]
    note = (
        f"float32: {np.round(gaps[0], 2).tolist()}, float64: {np.round(gaps[1], 4).tolist()}; "
        f"float32 holds the end to {abs(held):.1%}, but x near the end has a spacing of "
        f"{spacing:.1g} and a falls by {fall:.1g} a step: x stands still"
    )
    measurement = corrected(errors[0], errors[1], 5e-3, note)
    return measurement if fall < spacing / 2 else measurement._replace(error=float("inf"))


def _reduced(x, y):
    return (1 - x**2 * y**2) ** 2 / 2


@claim(
    statement="GD on the reduced function 1/2 (1 - x^2 y^2)^2 is not the full-space step: twice it",
    source="paper, Sec. 3",
)
def reduced_function_is_not_the_full_step(quick: bool) -> Measurement:
    """The gradient of each against the full four-scalar gradient, and the fates they lead to."""
    point = {"x": 2.5, "y": 0.4001}
    with jax.enable_x64(True):
        full = jax.grad(lambda p: (1 - p[0] * p[1] * p[2] * p[3]) ** 2 / 2)(
            jnp.array([point["x"], point["y"]] * 2)
        )
        reduced = jax.grad(lambda p: _reduced(p[0], p[1]))(jnp.array([point["x"], point["y"]]))
        ours = eos.gradient(COUPLED, {n: jnp.asarray(v) for n, v in point.items()})
    size = float(abs(full[0]))
    errors = [abs(float(v) - float(full[0])) / size for v in (reduced[0], ours["x"])]
    measurement = corrected(errors[0], errors[1], 1e-12)
    model = eos.objectives.from_function(_reduced, name="reduced", floor=0.0)
    start = {name: [value] for name, value in point.items()}
    with np.errstate(all="ignore"):
        ends = [descend(objective, start, [0.2], 10_000) for objective in (model, COUPLED)]
    fates = ["stays" if np.isfinite(end["x"]).all() else "escapes" for end in ends]
    note = f"at eta = 0.2 the reduced one {fates[0]}, the full one {fates[1]}"
    differ = fates == ["escapes", "stays"]
    return measurement._replace(note=note, error=measurement.error if differ else float("inf"))


@claim(
    statement="optax.power_iteration returns the eigenvalue largest in modulus, not the sharpness",
    source="derived",
)
def power_iteration_finds_the_largest_modulus(quick: bool) -> Measurement:
    """A point between the minima whose most negative eigenvalue is the largest in modulus."""
    point = {"x": 0.6, "y": 0.5}
    with jax.enable_x64(True):
        params = {n: jnp.asarray(v) for n, v in point.items()}
        dense = hessians(COUPLED, params)
        eigenvalues = np.linalg.eigvalsh(dense)
        value = np.asarray(optax.power_iteration(dense, num_iters=2000, error_tolerance=1e-12)[0])
        methods = ("power", "lanczos", "exact", "auto")
        ours = [float(eos.sharpness(COUPLED, params, method=method)) for method in methods]
    sharpness = eigenvalues[-1]
    note = (
        f"eigenvalues {np.round(eigenvalues, 4).tolist()}: optax {float(value):.6f}, "
        f"eos.sharpness by {', '.join(methods)}: {np.round(ours, 6).tolist()}"
    )
    error = max(abs(v / sharpness - 1) for v in ours)
    return corrected(abs(float(value) / sharpness - 1), error, 1e-9, note)


@claim(
    statement="where a sweep stops, S is off its minimum's by 8 % of the gap at eta = 0.01",
    source="derived; 2/eta - S = eta/2 is the gap",
)
def stopping_point_is_not_the_minimum(quick: bool) -> Measurement:
    """2/eta - S over that of the exact minimum, at the last point and as `sharpness_minimum`.

    `sharpness_minimum` also of the model with one large and two small scalars, whose copies differ.
    """
    etas = np.array([0.02]) if quick else np.array([0.02, 0.01])
    x, y = theory.from_ab(0.1 * etas, 1e-3, etas)
    stopped, minimum, exact = _gaps_where_it_stops(COUPLED, {"x": x, "y": y}, etas)
    uneven, large = eos.objectives.scalar_product((1, 2)), 10 * etas  # its rate is eta^3/4 a step
    start = balanced_start(uneven, 0.1, large)
    _, of_uneven, exact_uneven = _gaps_where_it_stops(uneven, start, large)
    off = [stopped / exact - 1, minimum / exact - 1, of_uneven / exact_uneven - 1]
    note = (
        f"off by {off[0].round(4).tolist()} of the gap at eta = {etas.tolist()}; as "
        f"`sharpness_minimum` by {np.abs(off[1]).max():.1g}, with copies (1, 2) at eta = "
        f"{large.tolist()} by {np.abs(off[2]).max():.1g}"
    )
    right = np.abs(np.concatenate(off[1:])).max()
    stopped = abs(float(off[0][-1]))
    found = corrected(stopped, float(right), 1e-8, note)
    low, high = (0.01, 0.04) if quick else (0.06, 0.1)  # it goes with 1/eta^2
    return found if low < stopped < high else found._replace(error=float("inf"))


def _gaps_where_it_stops(model, start, etas):
    """2/eta - S at the last point, as `sharpness_minimum`, and at the exact minimum."""
    ds = eos.sweep(model, {**start, "eta": etas}, 2_000_000, combine="zip")
    exact = final_gap(model, {n: ds[f"{n}_final"].values for n in "xy"}, etas)
    return *(2 / etas - ds[name].values for name in ("sharpness", "sharpness_minimum")), exact
