"""Network section (published section 6): an ELU network sharpens to 2/eta at three step sizes.

Smooth activations sharpen slowly and steadily: the sharpness starts well below every threshold,
climbs to it, overshoots, and settles there.
"""

import xarray as xr
from matplotlib.figure import Figure

from eos_jax import plots
from eos_jax.paper.networks import on_cifar10, train
from eos_jax.paper.settings import TRACES, choose, stamp

SETTINGS = {
    "sizes": [64, 50, 50, 50, 50, 1],
    "activation": "elu",
    "bias": True,
    "data": "digits",
    "samples": 50,
    "classes": [8, 9],
    "folder": None,
    "seed": 0,
    "factors": 0.8,
    "threshold": [7, 8.5, 10],
    "steps": 1500,
    "every": 10,
}
QUICK = {"steps": 400, "every": 20}
STATED = ("activation", "samples")
CAPTION = (
    "Loss and sharpness of a fully connected network of 5 layers (units {sizes}, activation "
    "{activation}, biases: {bias}), half the mean square error, gradient descent on all {samples} "
    "samples at once, for 2/eta = {threshold} (dashed), {steps} steps, one in {every} recorded. "
    "Data {data} (classes {classes}, labels -1 and +1; digits are scikit-learn's handwritten ones "
    "of 8 x 8 pixels; folder: {folder}), weights normal with deviation {factors} / sqrt(fan-in), "
    "seed {seed}. The paper (published section 6) states the depth, the activation, the samples' "
    "number and CIFAR-10, and neither width nor step size nor start: in its spirit."
)


def compute(quick: bool = False, cifar10: str | None = None) -> xr.Dataset:
    """Loss and sharpness on the way, for each step size."""
    settings = on_cifar10(choose(SETTINGS, QUICK, quick), cifar10)
    return stamp(train(settings, settings["threshold"]), settings)


def draw(dataset: xr.Dataset) -> Figure:
    """Loss and sharpness side by side."""
    return plots.loss_and_sharpness(dataset, **TRACES)
