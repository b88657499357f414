"""Figure 7b (published 6b): one orbit, step by step, from chaos to convergence.

From far above the edge the orbit jumps about chaotically while it drifts along the curve of minima;
then its cycles un-double one after another, 4 to 2, and it converges near (10, 0.1).
"""

import functools
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

import eos_jax as eos
from eos_jax import plots, theory
from eos_jax.paper.settings import choose, stamp

SETTINGS = {"start": {"x": 12.5, "y": 0.05}, "eta": 0.01, "steps": 200_000}
QUICK = {}
STATED = ("start", "eta")
CAPTION = (
    "One orbit of gradient descent on 1/2 (1 - x x y y)^2 from {start}, eta = {eta}, all of its "
    "{steps} steps; time runs from right to left. Top: density of its points (number in each "
    "cell, logarithmic) in (x, y), with the curve of minima xy = 1. Bottom: its distance xy - 1 "
    "from the minima. Chaos, then cycles of period 4 and 2, then convergence near (10, 0.1), the "
    "EoS minimum (star). Start and step size are the paper's, figure 7b (6b in the published "
    "version), which runs 150,000 steps or more."
)


def compute(quick: bool = False) -> xr.Dataset:
    """Every point of the orbit, with loss and sharpness."""
    return orbit(quick)


@functools.cache
def orbit(quick: bool) -> xr.Dataset:
    """The orbit, computed once for this figure and for 7c."""
    settings = choose(SETTINGS, QUICK, quick)
    model = eos.objectives.scalar_product((2, 2))
    found = eos.orbits(model, {**settings["start"], "eta": settings["eta"]}, settings["steps"])
    return stamp(found, settings)


def draw(dataset: xr.Dataset) -> Figure:
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
        bar = figure.colorbar(image, ax=axes, label="points in a cell", pad=0.02)
        bar.ax.set_ylim(1, None)
        plots.legend_outside(figure, axes)
    return figure


MINIMA = "#009E73"


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
    return ax.pcolormesh(x_edges, y_edges, np.ma.masked_equal(counts, 0).T, **kwargs)
