"""Figure 7c (published 6c): the orbit of figure 7b over the bifurcation diagram of a frozen map.

a changes so slowly that b is, at each moment, on the attractor of the map of b with a frozen. The
paper freezes a in the map to leading order, b'' = b (1 + 8 a k - 16 b^2); the cubic map
d' = (1 + A) d - A d^3 with A = eta c^2 is exact for small eta at any a, and says earlier doublings.
"""

import functools

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from eos_jax import plots, theory
from eos_jax.paper import fig7b
from eos_jax.paper.settings import choose, stamp

SETTINGS = {
    "a": [-0.5, 2.6],
    "points": 500,
    "transient": 4000,
    "kept": 400,
    "b_start": [-0.05, 0.05],
    **fig7b.SETTINGS,
}
QUICK = {"transient": 1000, "kept": 100}
STATED = ("a", "points", "start", "eta")
CAPTION = (
    "The orbit of figure 7b (from {start}, eta = {eta}, {steps} steps) in the coordinates (a, b), "
    "blue; time runs from right to left. Orange: what b does with a frozen, at {points} values of "
    "a in [{a}], {kept} steps after {transient}, from b = {b_start}. Top: the paper's "
    "leading-order two-step map, whose 2-cycle splits at a = 1/(8k) (dotted). Bottom: the exact "
    "frozen map d' = (1 + A) d - A d^3, whose 2-cycle splits at A = sqrt(5) - 1 (dashed), which "
    "is where the orbit's does. Start, step size, values of a and their number are the paper's, "
    "figure 7c (6c in the published version); the frozen map's transient, length and starts are "
    "not stated there."
)


def compute(quick: bool = False) -> xr.Dataset:
    """The orbit in (a, b), and attractors of both frozen maps."""
    settings = choose(SETTINGS, QUICK, quick)
    eta = settings["eta"]
    orbit = fig7b.orbit(quick)
    with np.errstate(invalid="ignore"):
        a, b = theory.to_ab(orbit.x_orbit.values, orbit.y_orbit.values, eta)
    frozen = np.linspace(*settings["a"], settings["points"])
    attractors = {
        name: (
            ("iterate", "start", "frozen_a"),
            attractor(step, frozen, np.asarray(settings["b_start"]), eta, settings),
        )
        for name, step in (
            ("leading_order", theory.frozen_two_step),
            ("exact", theory.frozen_cubic_step),
        )
    }
    found = xr.Dataset(
        {"a_orbit": ("step", a), "b_orbit": ("step", b), **attractors},
        coords={"frozen_a": frozen, "step": orbit.step.values, "eta": eta},
    )
    return stamp(found, settings)


def attractor(step, a, b_start, eta, settings) -> np.ndarray:
    """Late iterates of a map of b, for each start and each frozen a; NaN where they escape."""
    step = functools.partial(step, a, eta=eta)
    b = np.broadcast_to(b_start[:, None], (b_start.size, a.size))
    kept = []
    with np.errstate(over="ignore", invalid="ignore"):
        for i in range(settings["transient"] + settings["kept"]):
            b = step(b)
            b = np.where(np.abs(b) < 10, b, np.nan)
            if i >= settings["transient"]:
                kept.append(b)
    return np.stack(kept)


def draw(dataset: xr.Dataset) -> Figure:
    """The orbit over each frozen map's diagram."""
    doublings = theory.frozen_doublings(float(dataset.eta))
    a, b = dataset.a_orbit.values, dataset.b_orbit.values
    with plots.style():
        figure, axes = plots.subplots(2, 1, width=6.4, height=6.4, sharex=True, sharey=True)
        axes = axes[:, 0]
        for ax, name, title in zip(
            axes,
            ("leading_order", "exact"),
            ("frozen map to leading order (the paper's)", "exact frozen map"),
        ):
            late = dataset[name].stack(point=("iterate", "start")).values
            where = np.repeat(dataset.frozen_a.values, late.shape[1])
            ax.plot(where, late.ravel(), ",", color=FROZEN, alpha=0.5, rasterized=True)
            fig7b.density(ax, a, b, cmap="Blues", zorder=3)
            for place, which, line in (
                (doublings.period_4, "exact", "--"),
                (doublings.paper_period_4, "leading-order", ":"),
            ):
                label = f"{which} map splits, a = {place:.3f}"
                ax.axvline(place, color=plots.THEORY, lw=1, ls=line, label=label)
            ax.set(ylabel="b", title=title)
        axes[0].plot([], [], "s", color="#2171B5", label="orbit of gradient descent")
        axes[0].plot([], [], "s", color=FROZEN, label="attractor with a frozen")
        axes[1].set(xlabel="a", xlim=dataset.frozen_a.values[[0, -1]], ylim=(-1.05, 0.8))
        plots.legend_outside(figure, axes, ncols=2)
    return figure


FROZEN = "#E69F00"
