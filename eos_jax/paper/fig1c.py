"""Figure 1c: four free scalars: loss and sharpness for three step sizes from one start.

The two small scalars differ at first, and gradient descent at the edge of stability makes them
equal; then the model is that of figure 2a.
"""

import xarray as xr
from matplotlib.figure import Figure

import eos_jax as eos
from eos_jax import plots
from eos_jax.paper.settings import TRACES, choose, stamp

SETTINGS = {
    "start": {"x": 2.7, "y": 2.4, "z": 0.43, "w": 0.36},
    "threshold": [8, 10, 12],
    "steps": 1000,
}
QUICK = {}
STATED = ()
CAPTION = (
    "Loss and sharpness of 1/2 (1 - xyzw)^2, the four scalars free, for 2/eta = {threshold} "
    "(dashed), {steps} steps from {start}; every second step joined. The sharpness ends just "
    "below 2/eta, whatever the step size. The paper states neither the start nor the step sizes "
    "of its figure 1c, so this is in its spirit."
)


def compute(quick: bool = False) -> xr.Dataset:
    """Three orbits, with loss and sharpness at every step."""
    settings = choose(SETTINGS, QUICK, quick)
    etas = [2 / threshold for threshold in settings["threshold"]]
    model = eos.objectives.scalar_product(4)
    found = eos.orbits(model, {**settings["start"], "eta": etas}, settings["steps"])
    return stamp(found, settings)


def draw(dataset: xr.Dataset) -> Figure:
    """Loss and sharpness side by side."""
    return plots.loss_and_sharpness(dataset, **TRACES)
