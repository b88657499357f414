"""Branches of cycles over a hyperparameter, where they attract and where they change."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from eos_jax.plots import lines
from eos_jax.plots.axes import heading
from eos_jax.plots.base import register
from eos_jax.plots.style import THEORY

MARKS = {
    "flip": ("o", "#0072B2"),
    "fold": ("s", "#D55E00"),
    "neimark_sacker": ("D", "#009E73"),
}
"""Mark and colour of each kind of point where a branch changes."""

WORDS = {"neimark_sacker": "Neimark-Sacker"}
"""Kinds that read otherwise than they are named."""

STYLES = {"attracts": ("-", 1.2), "repels": ("--", 0.7)}
"""How cycles are drawn, and how wide."""


@register("branch", {"cycle_stable": ("point",), "cycle_multiplier": ("point",)}, lanes=99, rank=3)
def branch(dataset: xr.Dataset, ax: Axes, variable: str = "") -> Axes:
    """Branches of cycles: solid where they attract, dashed where not, marked where they change.

    They can be drawn over an orbit diagram, into the same axes.

    Args:
      dataset: of `Branch.to_dataset` or `eos_jax.analysis.bifurcation_diagram`.
      ax: where to draw.
      variable: on the vertical axis, such as `cycle_x` or `cycle_multiplier`; by default the first
        parameter, or where that is an array the multiplier.

    Returns:
      The axes.

    Raises:
      ValueError: if the variable is an array.

    Source: Kuznetsov 2004, chapter 10.
    """
    free = dataset.attrs["free"]
    first = dataset.attrs["parameters"][0]
    plain = dataset.get(f"cycle_{first}", xr.DataArray()).ndim == 1
    variable = variable or (first if plain else "multiplier")
    shown = lines.one_of(dataset, f"cycle_{variable.removeprefix('cycle_')}", "branch")
    if dataset[shown].ndim > 1:
        raise ValueError(f"A picture `branch` needs a scalar, but `{variable}` is an array.")
    along, height = dataset[f"cycle_{free}"].values, dataset[shown].values
    stable = dataset.cycle_stable.values.astype(bool)
    number = np.stack([dataset.cycle_branch.values, dataset.cycle_phase.values])
    joined = (number[:, 1:] == number[:, :-1]).all(axis=0)
    attracting = stable[1:] & stable[:-1]
    for chosen, (label, (style, width)) in zip((attracting, ~attracting), STYLES.items()):
        if (joined & chosen).any():
            x, y = _broken(joined & chosen, along, height)
            ax.plot(x, y, style, lw=width, color=THEORY, label=label)
    special = f"special_{shown.removeprefix('cycle_')}"
    for code, (kind, (mark, colour)) in enumerate(MARKS.items()):
        mine = dataset.special_kind.values == code if special in dataset else np.zeros(0, bool)
        if mine.any():
            ax.plot(dataset[f"special_{free}"].values[mine], dataset[special].values[mine], mark,
                    ms=3, color=colour, label=WORDS.get(kind, kind))  # fmt: skip
    if not along.size:
        lines.say(ax, "no cycle was found to follow")
    if not ax.get_title():  # else it is drawn over something
        ax.set(xlabel=lines.label_of(dataset, f"cycle_{free}"),
               ylabel=lines.label_of(dataset, shown))  # fmt: skip
        title = heading(dataset.drop_vars(free, errors="ignore"))
        ax.set_title("\n".join(part for part in (title, _periods(dataset)) if part))
    lines.legend_below(ax.figure, [ax], ax.get_legend_handles_labels()[0])
    return ax


def _periods(dataset: xr.Dataset) -> str:
    """The periods of the cycles, in words."""
    periods = np.unique(dataset.cycle_period.values).tolist()
    if len(periods) > 6:
        return f"cycles of {len(periods)} periods, {periods[0]} to {periods[-1]}"
    return f"cycles of period {', '.join(map(str, periods))}" if periods else ""


def _broken(chosen: np.ndarray, *columns: np.ndarray) -> list[np.ndarray]:
    """Columns along the chosen steps between neighbours, with NaN where a line is broken.

    Example:
      >>> _broken(np.array([True, False, True]), np.array([1.0, 2.0, 3.0, 4.0]))
      [array([ 1.,  2., nan,  3.,  4., nan])]
    """
    steps = np.flatnonzero(chosen)
    runs = np.split(steps, np.flatnonzero(np.diff(steps) > 1) + 1)
    return [
        np.concatenate([part for run in runs for part in (column[run[0] : run[-1] + 2], [np.nan])])
        for column in columns
    ]


__all__ = ["branch"]
