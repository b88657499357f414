"""Figure 7a (published 6a): the boundary between converging and diverging starts is a fractal."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import eos_jax as eos
from eos_jax import plots
from eos_jax.paper.settings import choose, stamp

SETTINGS = {
    "x": [3.0, 3.4],
    "y": [0.1, 0.5],
    "points": 1024,
    "eta": 0.2,
    "steps": 10_000,
}
QUICK = {"points": 160, "steps": 2000}
STATED = ("x", "y", "eta")
CAPTION = (
    "Fate of {points} x {points} starts of the coupled model 1/2 (1 - x x y y)^2, x in [{x}], y "
    "in [{y}], eta = {eta}: converged (blue) or diverged (orange), darker the later; at most "
    "{steps} steps. Box and step size are the paper's, figure 7a (6a in the published version); "
    "the number of points and of steps is not stated there."
)


def compute(quick: bool = False) -> xr.Dataset:
    """The fate of every start, and the step at which it was decided."""
    settings = choose(SETTINGS, QUICK, quick)
    axes = {name: np.linspace(*settings[name], settings["points"]) for name in "xy"}
    model = eos.objectives.scalar_product((2, 2))
    axes["eta"] = settings["eta"]
    return stamp(eos.sweep(model, axes, settings["steps"], progress=False), settings)


def draw(dataset: xr.Dataset) -> Figure:
    """The map of fates."""
    return plots.draw(dataset, "outcome")
