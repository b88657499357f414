"""Figures 7b and 7c (published 6b, 6c): one orbit, step by step, from chaos to convergence.

From far above the edge the orbit jumps about chaotically while it drifts along the curve of minima;
then its cycles un-double one after another, 4 to 2, and it converges near (10, 0.1). Its coordinate
a changes so slowly that b is, at each moment, on the attractor of the map of b with a frozen. The
paper freezes a in the map to leading order, b'' = b (1 + 8 a k - 16 b^2); the cubic map
d' = (1 + A) d - A d^3 with A = eta c^2 is exact for small eta at any a, and says earlier doublings.
"""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure as Picture

import eos_jax as eos
from eos_jax import plots, theory
from eos_jax.paper.figures.base import Figure

MINIMA, FROZEN, ORBIT = "#009E73", "#E69F00", "#2171B5"


def make_orbit(settings: Mapping[str, Any]) -> xr.Dataset:
    """Every point of the orbit, with loss and sharpness."""
    return _orbit(*settings["start"].values(), settings["eta"], settings["steps"])


@functools.cache
def _orbit(x: float, y: float, eta: float, steps: int) -> xr.Dataset:
    """The orbit, computed once for both figures."""
    return eos.orbits(eos.objectives.scalar_product((2, 2)), {"x": x, "y": y, "eta": eta}, steps)


def picture_of_orbit(dataset: xr.Dataset) -> Picture:
    """Two densities over x: of y, and of the distance from the minima."""
    x, y = (dataset[f"{name}_orbit"].values for name in "xy")
    place = theory.eos_minimum(float(dataset.eta))
    with plots.style():
        figure, axes = plots.subplots(2, 1, width=6.4, height=5.6, sharex=True)
        axes = axes[:, 0]
        image = density(axes[0], x, y)
        line = np.linspace(x.min(), x.max(), 200)
        axes[0].plot(line, 1 / line, color=MINIMA, lw=0.9, label="minima")
        axes[0].plot(*place, "*", ms=10, mec="white", color=plots.THEORY, label="EoS minimum")
        axes[0].set(ylabel="y")
        density(axes[1], x, x * y - 1)
        axes[1].axhline(0, color=MINIMA, lw=0.9)
        axes[1].plot(place[0], 0, "*", ms=10, mec="white", color=plots.THEORY)
        axes[1].set(xlabel="x", ylabel="x y - 1", xlim=(x.min() - 0.05, x.max() + 0.02))
        for ax in axes:
            ax.margins(y=0.05)
        bar = figure.colorbar(image, ax=axes, label="points in a cell", pad=0.02)
        bar.ax.set_ylim(1, None)
        plots.legend_outside(figure, axes)
    return figure


def density(
    ax: Axes,
    x: np.ndarray,
    y: np.ndarray,
    cells: tuple[int, int] = (480, 240),
    **kwargs: Any,
) -> QuadMesh:
    """How many points fall into each cell, on a logarithmic scale; empty cells stay white."""
    kept = np.isfinite(x) & np.isfinite(y)
    counts, x_edges, y_edges = np.histogram2d(x[kept], y[kept], bins=cells)
    kwargs = {"cmap": "Greys", "norm": LogNorm(0.15, 300), "rasterized": True, **kwargs}
    mesh = ax.pcolormesh(x_edges, y_edges, np.ma.masked_equal(counts, 0).T, **kwargs)
    mesh.sticky_edges.y.clear()  # so that margins are heeded
    return mesh


def make_frozen(settings: Mapping[str, Any]) -> xr.Dataset:
    """The orbit in (a, b), and attractors of both frozen maps."""
    eta = settings["eta"]
    orbit = make_orbit(settings)
    with np.errstate(invalid="ignore"):
        a, b = theory.to_ab(orbit.x_orbit.values, orbit.y_orbit.values, eta)
    frozen = np.linspace(*settings["a"], settings["points"])
    start = np.asarray(settings["b_start"])
    attractors = {
        name: (("iterate", "start", "frozen_a"), attractor(step, frozen, start, settings))
        for name, (step, _) in FROZEN_MAPS.items()
    }
    return xr.Dataset(
        {"a_orbit": ("step", a), "b_orbit": ("step", b), **attractors},
        coords={"frozen_a": frozen, "step": orbit.step.values, "eta": eta},
    )


FROZEN_MAPS = {
    "leading_order": (
        theory.frozen_two_step,
        "the paper's map to leading order, b'' = b (1 + 8 a k - 16 b^2)",
    ),
    "cubic": (
        theory.frozen_cubic_step,
        "the cubic map, d' = (1 + A) d - A d^3 with d = 1 + b, A = eta c^2",
    ),
}


def attractor(step, a, b_start, settings) -> np.ndarray:
    """Late iterates of a map of b, for each start and each frozen a; NaN where they escape."""
    step = functools.partial(step, a, eta=settings["eta"])
    b = np.broadcast_to(b_start[:, None], (b_start.size, a.size))
    kept = []
    with np.errstate(over="ignore", invalid="ignore"):
        for i in range(settings["transient"] + settings["kept"]):
            b = step(b)
            b = np.where(np.abs(b) < 10, b, np.nan)
            if i >= settings["transient"]:
                kept.append(b)
    return np.stack(kept)


def picture_of_frozen(dataset: xr.Dataset) -> Picture:
    """The orbit over each frozen map's diagram."""
    doublings = theory.frozen_doublings(float(dataset.eta))
    a, b = dataset.a_orbit.values, dataset.b_orbit.values
    with plots.style():
        figure, axes = plots.subplots(2, 1, width=6.4, height=6.4, sharex=True, sharey=True)
        axes = axes[:, 0]
        for ax, (name, (_, title)) in zip(axes, FROZEN_MAPS.items()):
            late = dataset[name].stack(point=("iterate", "start")).values
            where = np.repeat(dataset.frozen_a.values, late.shape[1])
            ax.plot(where, late.ravel(), ",", color=FROZEN, alpha=0.5, rasterized=True)
            density(ax, a, b, cmap="Blues", zorder=3)
            for place, which, line in (
                (doublings.period_4, "cubic", "--"),
                (doublings.paper_period_4, "leading-order", ":"),
            ):
                label = f"2-cycle of the {which} map splits, a = {place:.3f}"
                ax.axvline(place, color=plots.THEORY, lw=1, ls=line, label=label)
            ax.set(ylabel="b", title=title)
        axes[0].plot([], [], "s", color=ORBIT, label="orbit of gradient descent")
        axes[0].plot([], [], "s", color=FROZEN, label="attractor with a frozen")
        axes[1].set(xlabel="a", xlim=dataset.frozen_a.values[[0, -1]], ylim=(-1.05, 0.8))
        plots.legend_outside(figure, axes, ncols=2)
    return figure


_ORBIT = {"start": {"x": 12.5, "y": 0.05}, "eta": 0.01, "steps": 200_000}

FIGURES = (
    Figure(
        "fig7b",
        "Figure 7b (published 6b): one orbit, step by step, from chaos to convergence.",
        _ORBIT,
        {},
        ("start", "eta"),
        "One orbit of gradient descent on 1/2 (1 - x x y y)^2 from {start}, eta = {eta}, all of "
        "its {steps} steps; time runs from right to left. Top: density of its points (number in "
        "each cell, logarithmic) in (x, y), with the curve of minima xy = 1. Bottom: its distance "
        "xy - 1 from the minima. Chaos, then cycles of period 4 and 2, then convergence near (10, "
        "0.1), the EoS minimum (star). Figure 7b is 6b in the published version; the paper runs "
        "150,000 steps or more.",
        make_orbit,
        picture_of_orbit,
        (1, 1),
    ),
    Figure(
        "fig7c",
        "Figure 7c (published 6c): that orbit over the bifurcation diagrams of two frozen maps.",
        {
            "a": [-0.5, 2.6],
            "points": 500,
            "transient": 4000,
            "kept": 400,
            "b_start": [-0.05, 0.05],
            **_ORBIT,
        },
        {"transient": 1000, "kept": 100},
        ("a", "points", "start", "eta"),
        "The orbit of figure 7b (from {start}, eta = {eta}, {steps} steps) in the coordinates (a, "
        "b), blue; time runs from right to left. Orange: what b does with a frozen, at {points} "
        "values of a in [{a}], {kept} steps after {transient}, from b = {b_start}. Top: the "
        "paper's leading-order two-step map, whose 2-cycle splits at a = 1/(8k) (dotted). Bottom: "
        "the cubic map d' = (1 + A) d - A d^3, whose 2-cycle splits at A = sqrt(5) - 1 (dashed), "
        "close to where the orbit's does; it is the exact map with c frozen, but for terms of "
        "order eta^2. Figure 7c is 6c in the published version.",
        make_frozen,
        picture_of_frozen,
        (1, 1),
    ),
)
