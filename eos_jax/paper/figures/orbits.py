"""Figures 1c, 2a and 5a: loss, sharpness and orbit of scalars for three step sizes from one start.

An orbit is thrown out of the sharp minimum it begins at, oscillates across the minima while it
drifts along them, and ends below the sharpness 2/eta of its own step size.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure as Picture

import eos_jax as eos
from eos_jax import plots
from eos_jax.paper.figures.base import TRACES, Figure, settings_of


def make(settings: Mapping[str, Any]) -> xr.Dataset:
    """The orbits, with loss and sharpness at every step."""
    etas = [2 / threshold for threshold in settings["threshold"]]
    model = eos.objectives.scalar_product(settings["copies"])
    return eos.orbits(model, {**settings["start"], "eta": etas}, settings["steps"])


def picture(dataset: xr.Dataset) -> Picture:
    """Loss and sharpness side by side, and of two scalars the orbit on the minima x y = 1."""
    copies = settings_of(dataset)["copies"]
    if len(copies) != 2:
        return plots.loss_and_sharpness(dataset, **TRACES)
    return plots.draw(
        dataset,
        "orbits",
        title="",
        minima=lambda x: 1 / x,
        mark=lambda orbit: minimum_of_sharpness(2 / float(orbit.eta), copies[0]),
        mark_label="EoS minimum",
        **TRACES,
    )


def minimum_of_sharpness(sharpness: float, copies: int) -> tuple[float, float]:
    """The minimum of 1/2 (1 - (xy)^m)^2, x > y, whose sharpness m (x^2 + y^2) is that.

    Example:
      >>> x, y = minimum_of_sharpness(10.0, 1)
      >>> print(round(x * x + y * y, 12), round(x * y, 12))
      10.0 1.0
    """
    half = sharpness / (2 * copies)
    x = np.sqrt(half + np.sqrt(half**2 - 1))
    return x, 1 / x


FIGURES = (
    Figure(
        "fig1c",
        "Figure 1c: four free scalars end at the edge of stability of each step size.",
        {
            "copies": [1, 1, 1, 1],
            "start": {"x": 2.7, "y": 2.4, "z": 0.43, "w": 0.36},
            "threshold": [8, 10, 12],
            "steps": 1000,
        },
        {},
        ("copies",),
        "Loss and sharpness of 1/2 (1 - xyzw)^2, the four scalars free (copies {copies}), for "
        "2/eta = {threshold} (dashed), {steps} steps from {start}; every second step joined. The "
        "two small scalars differ at first and become equal, and the sharpness ends just below "
        "2/eta, whatever the step size. In the spirit of figure 1c.",
        make,
        picture,
        (2, 2),
    ),
    Figure(
        "fig2a",
        "Figure 2a: loss, sharpness and orbit of the coupled four-scalar model.",
        {
            "copies": [2, 2],
            "start": {"x": 2.5, "y": 0.4001},
            "threshold": [8, 10, 12],
            "steps": 1000,
        },
        {},
        ("copies", "threshold"),
        "Gradient descent on 1/2 (1 - x x y y)^2, the four scalars coupled (copies {copies}), for "
        "2/eta = {threshold}, {steps} steps from {start}. Left, loss; middle, sharpness and 2/eta "
        "(dashed); right, the orbit, every second point joined, on the curve of minima xy = 1. "
        "Each orbit ends less than eta/2 below 2/eta. The start was chosen to show the effect: in "
        "the spirit of figure 2a.",
        make,
        picture,
        (1, 1),
    ),
    Figure(
        "fig5a",
        "Figure 5a: the degree 2 model, where the final sharpness does not concentrate.",
        {
            "copies": [1, 1],
            "start": {"x": 3.2, "y": 0.25},
            "threshold": [10.0, 9.5, 9.0],
            "steps": 100,
        },
        {},
        ("copies", "start", "threshold", "steps"),
        "Gradient descent on 1/2 (1 - xy)^2 (copies {copies}) for 2/eta = {threshold}, {steps} "
        "steps from {start}: loss, sharpness with 2/eta dashed, and orbit, every second point "
        "joined. The two-step orbits are arcs of ellipses to leading order, which end beyond the "
        "EoS minimum: the further above 2/eta an orbit begins, the further below it ends.",
        make,
        picture,
        (1, 1),
    ),
)
