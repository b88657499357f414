"""Figure 2b: the sharpness that gradient descent ends at, from every start of a dense grid.

A large region of starts, all of those whose own minimum is sharper than 2/eta and that do not
diverge, ends within 0.1 below 2/eta.
"""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import eos_jax as eos
from eos_jax import plots
from eos_jax.paper.settings import choose, stamp, stamped

SETTINGS = {"box": [0.0, 4.0], "points": 1024, "eta": 0.2, "steps": 50_000, "band": 0.1}
QUICK = {"points": 96, "steps": 5000}
STATED = ("box", "eta", "steps", "band")
CAPTION = (
    "Final sharpness of the coupled model 1/2 (1 - x x y y)^2 from {points} x {points} starts in "
    "the square over [{box}], eta = {eta}, at most {steps} steps. Orange: within {band} below "
    "2/eta. White: diverged. Right: how far below 2/eta the converged orbits end; of those in the "
    "band nearly all end at the same sharpness. Box, step size, steps and band are the paper's; "
    "the number of grid points is not stated there. (Its caption prints the band as (2/eta - 0.1, "
    "2 eta); its end is 2/eta.)"
)


def compute(quick: bool = False) -> xr.Dataset:
    """The fate and final sharpness of every start."""
    settings = choose(SETTINGS, QUICK, quick)
    line = np.linspace(*settings["box"], settings["points"])
    model = eos.objectives.scalar_product((2, 2))
    axes = {"x": line, "y": line, "eta": settings["eta"]}
    return stamp(eos.sweep(model, axes, settings["steps"], progress=False), settings)


def draw(dataset: xr.Dataset) -> Figure:
    """The map, and the histogram of gaps below 2/eta."""
    return plots.sharpness_map_and_histogram(
        dataset, stamped(dataset)["band"], relative=False, top=1.0, threshold_label="2/eta"
    )
