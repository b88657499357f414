"""Figures 2b, 5b and 6: the sharpness that gradient descent ends at, from a dense grid of starts.

The three differ in the copies of the two scalars only. Two small scalars have the cubic term that
makes orbits concentrate just below 2/eta, one small scalar has none.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure as Picture

import eos_jax as eos
from eos_jax import plots
from eos_jax.paper.figures.base import Figure, settings_of


def make(settings: Mapping[str, Any]) -> xr.Dataset:
    """The fate and final sharpness of every start."""
    line = np.linspace(*settings["box"], settings["points"])
    model = eos.objectives.scalar_product(settings["copies"])
    axes = {"x": line, "y": line, "eta": settings["eta"]}
    return eos.sweep(model, axes, settings["steps"], progress=False)


def picture(dataset: xr.Dataset) -> Picture:
    """The map, and the histogram of gaps below 2/eta."""
    return plots.sharpness_map_and_histogram(
        dataset, settings_of(dataset)["band"], relative=False, top=1.0, threshold_label="2/eta"
    )


def _figure(name, title, stated, quick_steps, seconds, copies, box, text):
    settings = {"copies": copies, "box": box, "points": 1024, "eta": 0.2, "steps": 50_000,
                "band": 0.1}  # fmt: skip
    quick = {"points": 96, "steps": quick_steps}
    return Figure(name, title, settings, quick, stated, text, make, picture, seconds)


_COMMON = (
    " from {points} x {points} starts in the square over [{box}], eta = {eta}, at most {steps} "
    "steps. Orange: within {band} below 2/eta. White: diverged. Right: how far below 2/eta the "
    "converged orbits end"
)
_TAKEN_OVER = " Step size, steps and band are taken over from figure 2b: in the spirit of figure "

FIGURES = (
    _figure(
        "fig2b",
        "Figure 2b: the final sharpness of a dense grid of starts concentrates just below 2/eta.",
        ("copies", "box", "eta", "steps", "band"),
        5000,
        (9, 2),
        [2, 2],
        [0.0, 4.0],
        "Final sharpness of the coupled model 1/2 (1 - x x y y)^2 (copies {copies})" + _COMMON
        + "; of those in the band nearly all end at the same sharpness. Dark grey, one cell wide: "
        "stationary, starts on the axes x = 0 and y = 0, where the gradient vanishes though the "
        "loss is 1/2. Light grey, single cells: undecided, close to the saddle x = y = 0. (The "
        "paper's caption prints the band as (2/eta - 0.1, 2 eta); its end is 2/eta.)",
    ),
    _figure(
        "fig5b",
        "Figure 5b: the degree 2 model ends at any sharpness below 2/eta: no concentration.",
        ("copies", "box"),
        5000,
        (12, 2),
        [1, 1],
        [0.0, 5.0],
        "Final sharpness of 1/2 (1 - xy)^2 (copies {copies})" + _COMMON + ": spread out, in "
        "contrast to figure 2b. Dark grey, single cells: stationary, starts that reach the saddle "
        "x = y = 0, whose loss is 1/2." + _TAKEN_OVER + "5b.",
    ),
    _figure(
        "fig6",
        "Figure 6: the final sharpness of the degree 3 model concentrates in one corner only.",
        ("copies", "box"),
        20_000,
        (12, 2),
        [1, 2],
        [0.0, 6.0],
        "Final sharpness of 1/2 (1 - x y y)^2 (copies {copies})" + _COMMON + ". Only the corner "
        "of large x, where the two small scalars are those of y, concentrates: near eta^2/4 below "
        "2/eta. Dark grey: stationary, at saddles (y = 0, x < 0) of loss 1/2, which attract as "
        "long as the two copies of y are equal. Light grey, single cells: undecided, close to the "
        "saddle x = y = 0."
        + _TAKEN_OVER + "6.",
    ),
)  # fmt: skip
