"""Figure 5a: the degree 2 model, where the final sharpness does not concentrate.

Two-step orbits of 1/2 (1 - xy)^2 are ellipses to leading order: each start keeps its own, and ends
the further below 2/eta the further above it began.
"""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import eos_jax as eos
from eos_jax import plots
from eos_jax.paper.settings import TRACES, choose, stamp

SETTINGS = {"start": {"x": 3.2, "y": 0.25}, "threshold": [10.0, 9.5, 9.0], "steps": 100}
QUICK = {}
STATED = ("start", "threshold", "steps")
CAPTION = (
    "Gradient descent on 1/2 (1 - xy)^2 for 2/eta = {threshold}, {steps} steps from {start}: "
    "loss, sharpness with 2/eta dashed, and orbit, every second point joined. The two-step orbits "
    "are arcs of ellipses that end beyond the EoS minimum: the further above 2/eta an orbit "
    "begins, the further below it ends. All settings are the paper's (figure 5a)."
)


def compute(quick: bool = False) -> xr.Dataset:
    """The three orbits, with loss and sharpness at every step."""
    settings = choose(SETTINGS, QUICK, quick)
    etas = [2 / threshold for threshold in settings["threshold"]]
    model = eos.objectives.scalar_product(2)
    found = eos.orbits(model, {**settings["start"], "eta": etas}, settings["steps"])
    return stamp(found, settings)


def eos_minimum(eta: float) -> tuple[float, float]:
    """The minimum of 1/2 (1 - xy)^2, x > y, whose sharpness x^2 + y^2 is 2/eta.

    Example:
      >>> x, y = eos_minimum(0.2)
      >>> print(round(x * x + y * y, 12), round(x * y, 12))
      10.0 1.0
    """
    x = np.sqrt(1 / eta + np.sqrt(1 / eta**2 - 1))
    return x, 1 / x


def draw(dataset: xr.Dataset) -> Figure:
    """Loss, sharpness and orbit side by side."""
    return plots.draw(
        dataset,
        "orbits",
        title="",
        minima=lambda x: 1 / x,
        mark=lambda orbit: eos_minimum(float(orbit.eta)),
        mark_label="EoS minimum",
        **TRACES,
    )
