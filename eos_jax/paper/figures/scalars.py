"""Figure A.4: scalar networks of other shapes, not coupled, all end just below the edge."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.figure import Figure as Picture

import eos_jax as eos
from eos_jax import measures, observers, plots
from eos_jax.paper.figures.base import Figure, settings_of

COLOURS = ("#0072B2", "#CC79A7", "#009E73")
EARLY = 100
"""Steps of the lower row."""


def make(settings: Mapping[str, Any]) -> xr.Dataset:
    """Loss and sharpness at every step, from each start."""
    record = observers.trace(loss=measures.loss, sharpness=measures.sharpness)
    runs = []
    with jax.enable_x64(True):
        for start in settings["starts"]:
            model = eos.objectives.scalar_product(len(start))
            params = {n: jnp.asarray(v, float) for n, v in zip(model.parameters, start)}
            run = jax.jit(
                lambda p, model=model: eos.simulate(
                    model, p, settings["eta"], settings["steps"], observe=record
                )
            )
            runs.append(jax.tree.map(np.asarray, run(params)))
    return xr.Dataset(
        {
            **{n: (("start", "step"), [run[n] for run in runs]) for n in ("loss", "sharpness")},
            "threshold": 2 / settings["eta"],
        },
        coords={
            "eta": settings["eta"],
            "scalars": ("start", [len(start) for start in settings["starts"]]),
            "step": np.arange(settings["steps"] + 1),
        },
    )


def picture(dataset: xr.Dataset) -> Picture:
    """Loss and sharpness of all starts above, the sharpness of the first steps of each below."""
    threshold = 2 / float(dataset.eta)
    with plots.style():
        figure = plots.new_figure(7.2, 5.0)
        grid = figure.add_gridspec(2, 6)
        above = [figure.add_subplot(grid[0, i : i + 3]) for i in (0, 3)]
        below = [figure.add_subplot(grid[1, 0:2])]
        below += [figure.add_subplot(grid[1, i : i + 2], sharey=below[0]) for i in (2, 4)]
        for ax, colour, start, i in zip(below, COLOURS, settings_of(dataset)["starts"], range(3)):
            one = dataset.isel(start=i)
            name = "({})".format(", ".join(f"{v:g}" for v in start))
            above[0].plot(one.step, one.loss, lw=0.8, color=colour, label=name)
            for parity in (0, 1):
                half = one.isel(step=slice(parity, None, 2))
                above[1].plot(half.step, half.sharpness, lw=0.8, color=colour)
                half = half.sel(step=slice(0, EARLY))
                ax.plot(half.step, half.sharpness, "os"[parity] + "-", ms=2.5, lw=0.4,
                        mfc=(colour, "white")[parity], color=colour)  # fmt: skip
            ax.set(xlabel="step", title=name, xlim=(-2, EARLY + 2))
            ax.label_outer()
        below[0].set(ylabel="sharpness")
        for ax in (above[1], *below):
            ax.axhline(threshold, color="#666666", lw=1, ls="--", label="2/eta")
        below[0].plot([], [], "o-", ms=2.5, lw=0.4, color="#666666", label="even steps")
        below[0].plot([], [], "s-", ms=2.5, lw=0.4, color="#666666", mfc="white",
                      label="odd steps")  # fmt: skip
        above[0].set(yscale="log", xlabel="step", ylabel="loss", ylim=(1e-16, None))
        above[1].set(xlabel="step", ylabel="sharpness", ylim=(threshold - 2, threshold + 2))
        plots.legend_outside(figure, [*above, *below], ncols=3)
    return figure


FIGURES = (
    Figure(
        "figA4",
        "Figure A.4: scalar networks of other shapes, not coupled, all end just below the edge.",
        {
            "starts": [[6.0, 0.1, 0.4], [2.0, 2.5, 3.0, 0.1, 0.2, 0.3, 0.4], [6.0, 0.7, 0.3, 0.2]],
            "eta": 0.2,
            "steps": 5000,
        },
        {},
        ("starts", "eta", "steps"),
        "Products of free scalars, 1/2 (1 - x1 ... xn)^2, from the starts {starts}, eta = {eta}, "
        "{steps} steps. Above: loss, and sharpness close to 2/eta (dashed), every second step "
        "joined. Below: sharpness of the first 100 steps, even (dots) and odd (squares).",
        make,
        picture,
        (3, 3),
    ),
)
