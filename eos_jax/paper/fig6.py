"""Figure 6: the sharpness that the degree 3 model ends at: concentration in one corner only.

In 1/2 (1 - x y y)^2 two small scalars have the cubic term that makes orbits concentrate, one small
scalar has none. So starts with a large x (and y small twice) end at one sharpness, about eta^2/4
below 2/eta, and starts with a large y do not.
"""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import eos_jax as eos
from eos_jax import plots
from eos_jax.paper.settings import choose, stamp, stamped

SETTINGS = {"box": [0.0, 6.0], "points": 1024, "eta": 0.2, "steps": 50_000, "band": 0.1}
QUICK = {"points": 96, "steps": 20_000}
STATED = ("box",)
CAPTION = (
    "Final sharpness of 1/2 (1 - x y y)^2 from {points} x {points} starts in the square over "
    "[{box}], eta = {eta}, at most {steps} steps. Orange: within {band} below 2/eta. White: "
    "diverged. Dark grey: stationary, at saddles (y = 0, x < 0) of loss 1/2, which attract as long "
    "as the two copies of y are equal. Right: how far below 2/eta the converged orbits end. "
    "Only the corner of large x concentrates, near eta^2/4 below 2/eta. The box is the paper's; "
    "step size, steps, band and the number of grid points are taken over from figure 2b or "
    "chosen, so this is in the spirit of its figure 6."
)


def compute(quick: bool = False) -> xr.Dataset:
    """The fate and final sharpness of every start."""
    settings = choose(SETTINGS, QUICK, quick)
    line = np.linspace(*settings["box"], settings["points"])
    model = eos.objectives.scalar_product((1, 2))
    axes = {"x": line, "y": line, "eta": settings["eta"]}
    return stamp(eos.sweep(model, axes, settings["steps"], progress=False), settings)


def draw(dataset: xr.Dataset) -> Figure:
    """The map, and the histogram of gaps below 2/eta."""
    return plots.sharpness_map_and_histogram(
        dataset, stamped(dataset)["band"], relative=False, top=1.0, threshold_label="2/eta"
    )
