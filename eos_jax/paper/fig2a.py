"""Figure 2a: loss, sharpness and orbit of the coupled four-scalar model for three step sizes.

From one start the orbit is thrown out of the sharp minimum it begins at, oscillates across the
curve of minima while it drifts along it, and ends just below the sharpness 2/eta of its own step
size. Every second point lies on a smooth curve.
"""

import xarray as xr
from matplotlib.figure import Figure

import eos_jax as eos
from eos_jax import plots, theory
from eos_jax.paper.settings import TRACES, choose, stamp

SETTINGS = {"start": {"x": 2.5, "y": 0.4001}, "threshold": [8, 10, 12], "steps": 1000}
QUICK = {}
STATED = ("threshold",)
CAPTION = (
    "Gradient descent on 1/2 (1 - x x y y)^2, the four scalars coupled, for 2/eta = {threshold}, "
    "{steps} steps from {start}. Left, loss; middle, sharpness and 2/eta (dashed); right, the "
    "orbit, every second point joined, on the curve of minima xy = 1. Each orbit ends less than "
    "eta/2 below 2/eta. The step sizes are the paper's; the start and the number of steps are not "
    "stated there and were chosen to show the effect, so this is in the spirit of its figure 2a."
)


def compute(quick: bool = False) -> xr.Dataset:
    """The three orbits, with loss and sharpness at every step."""
    settings = choose(SETTINGS, QUICK, quick)
    etas = [2 / threshold for threshold in settings["threshold"]]
    model = eos.objectives.scalar_product((2, 2))
    found = eos.orbits(model, {**settings["start"], "eta": etas}, settings["steps"])
    return stamp(found, settings)


def draw(dataset: xr.Dataset) -> Figure:
    """Loss, sharpness and orbit side by side."""
    return plots.draw(
        dataset,
        "orbits",
        title="",
        minima=lambda x: 1 / x,
        mark=lambda orbit: theory.eos_minimum(float(orbit.eta)),
        mark_label="EoS minimum",
        **TRACES,
    )
