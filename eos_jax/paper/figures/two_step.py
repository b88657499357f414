"""Figure 3: solutions of the two-step ODE, all of which run into one parabola.

b^2 = a k/2 + k^4/16 + C exp(8 a / k^3): as a falls the exponential dies, whatever C the start has
given it, and the orbit follows the parabola C = 0 to its end at a = -k^3/8.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from eos_jax import plots, theory
from eos_jax.paper.figures.base import FORMULA, Figure

OUTSIDE, INSIDE = "#0072B2", "#56B4E9"


def make(settings: Mapping[str, Any]) -> xr.Dataset:
    """|b| against a for each constant; NaN where an orbit does not reach."""
    eta = settings["k"] ** 2
    a = np.linspace(*settings["a"], settings["points"])
    constants = np.asarray(settings["constants"])
    squares = theory.two_step_orbit(a, constants[:, None], eta)
    parabola = theory.parabola(a, eta)
    return xr.Dataset(
        {
            "b": (("constant", "a"), np.sqrt(np.where(squares >= 0, squares, np.nan))),
            "parabola": ("a", np.sqrt(np.where(parabola >= 0, parabola, np.nan))),
        },
        coords={"constant": constants, "a": a, "eta": eta},
    )


def picture(dataset: xr.Dataset) -> Picture:
    """The family in (a, b), orbits started outside and inside the parabola told apart by shade."""
    eta = float(dataset.eta)
    with plots.style():
        figure, axes = plots.subplots(width=6.0, height=4.0)
        ax = axes[0, 0]
        ax.set(xlabel="a", ylabel="b", xlim=(-0.4, 0.8), ylim=(-1.1, 1.1))
        for constant in dataset.constant.values:
            one = dataset.b.sel(constant=constant)
            colour = OUTSIDE if constant > 0 else INSIDE
            a, b = _to_the_minima(one.a.values, one.values)
            for sign in (1, -1):
                ax.plot(a, sign * b, color=colour, lw=0.9)
            _arrow(ax, a, b, colour, outside=constant > 0)
            _name(ax, a, b, float(constant), colour)
        a, b = _to_the_minima(dataset.a.values, dataset.parabola.values)
        for sign in (1, -1):
            ax.plot(a, sign * b, "--", color=plots.THEORY, lw=1.4)
        ax.axhline(0, color="#888888", lw=0.8, zorder=0)
        ax.plot(theory.parabola_end(eta), 0, "*", ms=10, mec="white", color=plots.THEORY, zorder=3)
        ax.plot([], [], color=OUTSIDE, label="C > 0")
        ax.plot([], [], color=INSIDE, label="C < 0")
        ax.plot([], [], "--", color=plots.THEORY, label="parabola, C = 0")
        ax.plot([], [], color="#888888", label="minima")
        plots.legend_outside(figure, ax)
    return figure


def _to_the_minima(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The known part of an orbit, carried on to b = 0 at its ends, where b^2 is a line."""
    known = np.isfinite(b)
    kept, heights = a[known], b[known]
    for end, next_to_it in ((0, 1), (-1, -2)):
        inside = kept[end] not in (a[0], a[-1])
        if inside:
            slope = (heights[next_to_it] ** 2 - heights[end] ** 2) / (kept[next_to_it] - kept[end])
            zero = kept[end] - heights[end] ** 2 / slope
            kept = np.insert(kept, 0 if end == 0 else kept.size, zero)
            heights = np.insert(heights, 0 if end == 0 else heights.size, 0.0)
    return kept, heights


def _arrow(ax: Axes, a: np.ndarray, b: np.ndarray, colour: str, outside: bool) -> None:
    """A head in the direction of time, to smaller a, half-way up the visible part of an orbit."""
    rising = (b > 0.05) & (b < 1.05) & (a < 0.79)
    if not outside:
        rising &= a > a[np.argmax(b)]
    steep = np.flatnonzero(rising)
    if steep.size < 3:  # the orbit comes from beyond the picture: where it enters
        steep = np.flatnonzero((a > 0.7) & (a < 0.79))
    i = steep[np.argmin(np.abs(b[steep] - (0.85 if outside else 0.3)))]
    for sign in (1, -1):
        ax.annotate(
            "",
            (a[i - 1], sign * b[i - 1]),
            (a[i], sign * b[i]),
            arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 0, "mutation_scale": 9},
        )


def _name(ax: Axes, a: np.ndarray, b: np.ndarray, constant: float, colour: str) -> None:
    """The constant, at the orbit's upper end: the top or the right side, or where it begins."""
    shown = np.flatnonzero(b <= 1.1)
    i = shown[-1]
    text = f"{constant:g}"
    if b[i] > 1.0:
        place, side = (a[i], 1.12), ("center", "bottom")
    elif a[i] >= 0.8:
        place, side = (0.81, b[i]), ("left", "center")
    else:  # to the right of where it leaves the minima
        place, side = (a[i] + 0.008, 0.01), ("left", "bottom")
    ax.text(*place, text, color=colour, fontsize=8, ha=side[0], va=side[1])


FIGURES = (
    Figure(
        "fig3",
        "Figure 3: solutions of the two-step ODE, all of which run into one parabola.",
        {
            "k": 1.0,
            "constants": [-0.05, -1e-2, -1e-3, -1e-4, 1e-4, 1e-3, 1e-2, 0.1, 1.0],
            "a": [-0.4, 0.8],
            "points": 2000,
        },
        {},
        ("k",),
        "Solutions b^2 = a k/2 + k^4/16 + C exp(8 a / k^3) of the two-step ODE for k = {k} and C = "
        "{constants} (there is none below C = -k^4/16), a in [{a}] at {points} points; numbers "
        "name C, arrows show the direction of time. As a falls orbits run into the parabola C = 0 "
        "(dashed), which meets the minima b = 0 at a = -k^3/8 (star); only those that begin far "
        "outside reach the minima before. In the spirit of figure 3.",
        make,
        picture,
        (1, 1),
        FORMULA,
    ),
)
