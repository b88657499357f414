"""Figure 1a: a ReLU network at the edge of stability: loss and sharpness for three step sizes.

From one start, at about half the threshold, the sharpness climbs to 2/eta, whichever step size is
taken, and stays about there while the loss, though it oscillates at first, goes on falling.
"""

import xarray as xr
from matplotlib.figure import Figure

from eos_jax import plots
from eos_jax.paper.networks import on_cifar10, train
from eos_jax.paper.settings import TRACES, choose, stamp

SETTINGS = {
    "sizes": [64, 50, 50, 50, 50, 1],
    "activation": "relu",
    "bias": True,
    "data": "digits",
    "samples": 200,
    "classes": [8, 9],
    "folder": None,
    "seed": 0,
    "factors": 1.05,
    "threshold": [14, 16, 18],
    "steps": 1500,
    "every": 10,
}
QUICK = {"steps": 400, "every": 20}
STATED = ("activation",)
CAPTION = (
    "Loss and sharpness of a network of 5 layers (units {sizes}, activation {activation}, biases: "
    "{bias}), half the mean square error, gradient descent on all {samples} samples at once, for "
    "2/eta = {threshold} (dashed), {steps} steps, one in {every} recorded. Data {data} (classes "
    "{classes}, labels -1 and +1; digits are scikit-learn's handwritten ones of 8 x 8 pixels; "
    "folder: {folder}), weights normal with deviation {factors} / sqrt(fan-in), seed {seed}. The "
    "paper states 5 layers of 50 neurons each with ReLU, and neither data nor start nor step "
    "sizes: in the spirit of its figure 1a."
)


def compute(quick: bool = False, cifar10: str | None = None) -> xr.Dataset:
    """Loss and sharpness on the way, for each step size."""
    settings = on_cifar10(choose(SETTINGS, QUICK, quick), cifar10)
    return stamp(train(settings, settings["threshold"]), settings)


def draw(dataset: xr.Dataset) -> Figure:
    """Loss and sharpness side by side."""
    return plots.loss_and_sharpness(dataset, **TRACES)
