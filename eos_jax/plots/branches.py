"""Branches of cycles over a hyperparameter, where they attract and where they change."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from eos_jax.plots import lines
from eos_jax.plots.base import register
from eos_jax.plots.style import THEORY

MARKS = {
    "flip": ("o", "#0072B2"),
    "fold": ("s", "#D55E00"),
    "neimark_sacker": ("D", "#009E73"),
}
"""Mark and colour of each kind of point where a branch changes."""


@register("branch", {"stable": (), "multiplier": ()}, lanes=1, rank=3)
def branch(dataset: xr.Dataset, ax: Axes, variable: str = "") -> Axes:
    """A branch of cycles: solid where it attracts, dashed where not, marked where it changes.

    It can be drawn over an orbit diagram, into the same axes.

    Args:
      dataset: of `Branch.to_dataset`.
      ax: where to draw.
      variable: on the vertical axis, a parameter or `multiplier`; by default the first parameter.

    Returns:
      The axes.

    Source: Kuznetsov 2004, chapter 10.
    """
    free = dataset.attrs["free"]
    variable = lines.one_of(dataset, variable or dataset.attrs["parameters"][0], "branch")
    along, height = dataset[free].values, dataset[variable].values
    if height.ndim > 1:
        raise ValueError(f"A picture `branch` needs a scalar, but `{variable}` is an array.")
    stable = dataset.stable.values
    attracting = stable[1:] & stable[:-1]
    for chosen, style, label in ((attracting, "-", "attracts"), (~attracting, "--", "repels")):
        for number, run in enumerate(_runs(chosen)):
            words = label if number == 0 else None
            ax.plot(along[run], height[run], style, lw=1, color=THEORY, label=words)
    for kind, (mark, colour) in MARKS.items():
        mine = dataset.special_kind.values == kind
        if mine.any() and f"special_{variable}" in dataset:
            ax.plot(dataset[f"special_{free}"].values[mine],
                    dataset[f"special_{variable}"].values[mine], mark, ms=5, color=colour,
                    label=kind.replace("_", "-"))  # fmt: skip
    if not ax.get_title():  # else it is drawn over something
        ax.set(xlabel=free, ylabel=lines.label_of(dataset, variable))
        ax.set_title(f"cycles of period {dataset.attrs['period']}")
    lines.legend_below(ax.figure, [ax], ax.get_legend_handles_labels()[0])
    return ax


def _runs(chosen: np.ndarray) -> list[slice]:
    """Runs of chosen steps between neighbouring points, as slices of the points.

    Example:
      >>> _runs(np.array([True, True, False, True]))
      [slice(0, 3, None), slice(3, 5, None)]
    """
    steps = np.flatnonzero(chosen)
    runs = np.split(steps, np.flatnonzero(np.diff(steps) > 1) + 1)
    return [slice(int(run[0]), int(run[-1]) + 2) for run in runs if run.size]


__all__ = ["branch"]
