"""Figure 7a (published 6a): which starts converge, and which diverge."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure as Picture

import eos_jax as eos
from eos_jax import plots
from eos_jax.paper.figures.base import Figure


def make(settings: Mapping[str, Any]) -> xr.Dataset:
    """The fate of every start, and the step at which it was decided."""
    axes = {name: np.linspace(*settings[name], settings["points"]) for name in "xy"}
    model = eos.objectives.scalar_product((2, 2))
    axes["eta"] = settings["eta"]
    return eos.sweep(model, axes, settings["steps"], progress=False)


def picture(dataset: xr.Dataset) -> Picture:
    """The map of fates."""
    return plots.draw(dataset, "outcome")


FIGURES = (
    Figure(
        "fig7a",
        "Figure 7a (published 6a): converging and diverging starts, mixed at ever finer scales.",
        {"x": [3.0, 3.4], "y": [0.1, 0.5], "points": 1024, "eta": 0.2, "steps": 10_000},
        {"points": 160, "steps": 2000},
        ("x", "y", "eta"),
        "Fate of {points} x {points} starts of the coupled model 1/2 (1 - x x y y)^2, x in [{x}], "
        "y in [{y}], eta = {eta}: converged (blue) or diverged (orange), darker the later, but "
        "for the 0.5 % earliest and latest of either, which have the colours of the ends; yellow, "
        "single cells: undecided after {steps} steps. Figure 7a is 6a in the published version.",
        make,
        picture,
        (12, 2),
    ),
)
