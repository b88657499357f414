"""Figure 3: solutions of the two-step ODE, all of which run into one parabola.

b^2 = a k/2 + k^4/16 + C exp(8 a / k^3): as a falls the exponential dies, whatever C the start has
given it, and the orbit follows the parabola C = 0 to its end at a = -k^3/8.
"""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from eos_jax import plots, theory
from eos_jax.paper.settings import choose, stamp

SETTINGS = {
    "k": 1.0,
    "constants": [-1.0, -0.1, -1e-2, -1e-3, -1e-4, 1e-4, 1e-3, 1e-2, 0.1, 1.0],
    "a": [-0.4, 0.8],
    "points": 2000,
}
QUICK = {}
STATED = ("k",)
CAPTION = (
    "Solutions b^2 = a k/2 + k^4/16 + C exp(8 a / k^3) of the two-step ODE for k = {k} and C = "
    "{constants}, a in [{a}] at {points} points; arrows show the direction of time. As a falls "
    "orbits run into the parabola C = 0 (dashed), which meets the minima b = 0 at a = -k^3/8 "
    "(star); only those that begin far outside reach the minima before. k is the paper's; it "
    "states neither the constants nor the range of a, so this is in the spirit of its figure 3."
)


def compute(quick: bool = False) -> xr.Dataset:
    """|b| against a for each constant; NaN where an orbit does not reach."""
    settings = choose(SETTINGS, QUICK, quick)
    eta = settings["k"] ** 2
    a = np.linspace(*settings["a"], settings["points"])
    constants = np.asarray(settings["constants"])
    squares = theory.two_step_orbit(a, constants[:, None], eta)
    parabola = theory.parabola(a, eta)
    found = xr.Dataset(
        {
            "b": (("constant", "a"), np.sqrt(np.where(squares >= 0, squares, np.nan))),
            "parabola": ("a", np.sqrt(np.where(parabola >= 0, parabola, np.nan))),
        },
        coords={"constant": constants, "a": a, "eta": eta},
    )
    return stamp(found, settings)


def draw(dataset: xr.Dataset) -> Figure:
    """The family in (a, b), orbits started outside and inside the parabola told apart by shade."""
    eta = float(dataset.eta)
    with plots.style():
        figure, axes = plots.subplots(width=5.2, height=3.6)
        ax = axes[0, 0]
        for constant in dataset.constant.values:
            one = dataset.b.sel(constant=constant)
            colour = "#0072B2" if constant > 0 else "#56B4E9"
            for sign in (1, -1):
                ax.plot(one.a, sign * one, color=colour, lw=0.9)
            _arrow(ax, one, colour)
        for sign in (1, -1):
            ax.plot(dataset.a, sign * dataset.parabola, "--", color=plots.THEORY, lw=1.4)
        ax.axhline(0, color="#888888", lw=0.8, zorder=0)
        ax.plot(theory.parabola_end(eta), 0, "*", ms=10, mec="white", color=plots.THEORY, zorder=3)
        ax.plot([], [], color="#0072B2", label="C > 0")
        ax.plot([], [], color="#56B4E9", label="C < 0")
        ax.plot([], [], "--", color=plots.THEORY, label="parabola, C = 0")
        ax.plot([], [], color="#888888", label="minima")
        ax.set(xlabel="a", ylabel="b", xlim=(-0.4, 0.8), ylim=(-1.1, 1.1))
        plots.legend_outside(figure, ax)
    return figure


def _arrow(ax, orbit, colour) -> None:
    """A head in the direction of time, to smaller a, half-way up the visible part of an orbit."""
    a, b = orbit.a.values, orbit.values
    outside = float(orbit.constant) > 0
    rising = np.isfinite(b) & (b > 0.05) & (b < 1.05)
    if not outside and rising.any():
        rising &= a > a[np.nanargmax(b)]
    steep = np.flatnonzero(rising)
    if steep.size < 3:
        return
    height = 0.85 if outside else 0.3
    i = max(1, steep[np.argmin(np.abs(b[steep] - height))])
    for sign in (1, -1):
        ax.annotate(
            "",
            (a[i - 1], sign * b[i - 1]),
            (a[i], sign * b[i]),
            arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 0, "mutation_scale": 9},
        )
