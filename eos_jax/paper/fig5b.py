"""Figure 5b: the sharpness that the degree 2 model ends at, from every start of a dense grid.

Starts end at any sharpness below 2/eta, and hardly any in the band just below it, in contrast to
figure 2b.
"""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import eos_jax as eos
from eos_jax import plots
from eos_jax.paper.settings import choose, stamp, stamped

SETTINGS = {"box": [0.0, 5.0], "points": 1024, "eta": 0.2, "steps": 50_000, "band": 0.1}
QUICK = {"points": 96, "steps": 5000}
STATED = ("box",)
CAPTION = (
    "Final sharpness of 1/2 (1 - xy)^2 from {points} x {points} starts in the square over "
    "[{box}], eta = {eta}, at most {steps} steps. Orange: within {band} below 2/eta. White: "
    "diverged. Right: how far below 2/eta the converged orbits end: spread out, in contrast to "
    "figure 2b. The box is the paper's; step size, steps, band and the number of grid points are "
    "taken over from figure 2b or chosen, so this is in the spirit of its figure 5b."
)


def compute(quick: bool = False) -> xr.Dataset:
    """The fate and final sharpness of every start."""
    settings = choose(SETTINGS, QUICK, quick)
    line = np.linspace(*settings["box"], settings["points"])
    model = eos.objectives.scalar_product(2)
    axes = {"x": line, "y": line, "eta": settings["eta"]}
    return stamp(eos.sweep(model, axes, settings["steps"], progress=False), settings)


def draw(dataset: xr.Dataset) -> Figure:
    """The map, and the histogram of gaps below 2/eta."""
    return plots.sharpness_map_and_histogram(
        dataset, stamped(dataset)["band"], relative=False, top=1.0, threshold_label="2/eta"
    )
