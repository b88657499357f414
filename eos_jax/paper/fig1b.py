"""Figure 1b: a two-layer linear network, where the sharpness ends well below 2/eta.

It behaves as the degree 2 model of figure 5a: no cubic term holds it at the edge.
"""

import xarray as xr
from matplotlib.figure import Figure

from eos_jax import plots
from eos_jax.paper.networks import on_cifar10, train
from eos_jax.paper.settings import TRACES, choose, stamp

SETTINGS = {
    "sizes": [64, 10, 1],
    "activation": "linear",
    "bias": False,
    "data": "digits",
    "samples": 200,
    "classes": [3, 8],
    "folder": None,
    "seed": 0,
    "factors": [4.0, 0.1],
    "threshold": [36, 40, 45],
    "steps": 2000,
    "every": 10,
}
QUICK = {"steps": 300}
STATED = ("activation", "factors")
CAPTION = (
    "Loss and sharpness of a linear network of 2 layers (units {sizes}, activation {activation}, "
    "biases: {bias}), half the mean square error, gradient descent on all {samples} samples at "
    "once, for 2/eta = {threshold} (dashed), {steps} steps, one in {every} recorded. Data {data} "
    "(classes {classes}, labels -1 and +1; digits are scikit-learn's handwritten ones of 8 x 8 "
    "pixels; folder: {folder}), weights normal with deviation factor / sqrt(fan-in), factors "
    "{factors}, seed {seed}. The sharpness ends well below 2/eta; other data and starts can bring "
    "it back up, as this problem is not the isotropic one. The paper "
    "states 2 layers of 10 neurons and the factors, and neither data nor start nor step sizes: in "
    "the spirit of its figure 1b."
)


def compute(quick: bool = False, cifar10: str | None = None) -> xr.Dataset:
    """Loss and sharpness on the way, for each step size."""
    settings = on_cifar10(choose(SETTINGS, QUICK, quick), cifar10)
    return stamp(train(settings, settings["threshold"]), settings)


def draw(dataset: xr.Dataset) -> Figure:
    """Loss and sharpness side by side."""
    return plots.loss_and_sharpness(dataset, **TRACES)
