"""Spreads: the middle of many lanes and the band that most of them are in, such as of seeds."""

import warnings

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from eos_jax.plots.axes import heading, lane_dims
from eos_jax.plots.base import register
from eos_jax.plots.lines import known, label_of, one_of, say
from eos_jax.plots.style import POINTS


@register("spread", {"*": ("step",)}, lanes=1, rank=60)
def spread(
    dataset: xr.Dataset, ax: Axes, variable: str = "", part: float = 0.9, log: bool = False
) -> Axes:
    """The median of a record over lanes against step, and the band that holds most of them.

    Args:
      dataset: with the variable along `step` and lanes.
      ax: where to draw.
      variable: its name; by default the first of the records.
      part: of the lanes at each step that the band holds, as many above it as below.
      log: whether the vertical scale is logarithmic.

    Returns:
      The axes.

    Raises:
      ValueError: if the part is not between 0 and 1, or the variable not one of lanes by steps.
    """
    lanes = lane_dims(dataset)
    records = [n for n, v in dataset.data_vars.items() if set(v.dims) - set(lanes) == {"step"}]
    variable = one_of(dataset, variable or str(records[0]), "spread")
    if variable not in records:
        raise ValueError(f"Variable `{variable}` is not one number for each step of a lane.")
    if not 0 < part < 1:
        raise ValueError(f"Argument `part` must be between 0 and 1, but got {part}.")
    values = known(dataset[variable])
    if not lanes:
        values, lanes = values.expand_dims("lane"), ("lane",)
    ends = [(1 - part) / 2, 0.5, (1 + part) / 2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # steps that no lane came to
        low, middle, high = values.quantile(ends, lanes, skipna=True).values
    count = values.size // values.sizes["step"]
    ax.fill_between(dataset.step, low, high, color=POINTS, alpha=0.25, lw=0,
                    label=f"{100 * part:g} % of {count:,} lanes")  # fmt: skip
    ax.plot(dataset.step, middle, color=POINTS, lw=1.2, label="median")
    if not np.isfinite(middle).any():
        say(ax, "nothing known")
    if log:
        ax.set_yscale("log", nonpositive="mask")
    ax.set(xlabel="step", ylabel=label_of(dataset, variable), title=heading(dataset))
    ax.legend()
    return ax


__all__ = ["spread"]
