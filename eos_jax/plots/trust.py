"""Where fates can be trusted, and what changes those that cannot."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb

from eos_jax.colours import OUTCOME_COLOURS
from eos_jax.outcomes import Outcome
from eos_jax.plots import lines
from eos_jax.plots.axes import axis, lane_dims, mark_lanes
from eos_jax.plots.base import matching, register
from eos_jax.plots.maps import Layer, mask, paint

CHANGED = {
    "ulp": ("changed by an ulp", "#000000"),
    "horizon": ("changed by the horizon", "#CC79A7"),
    "engine": ("changed by the engine", "#009E73"),
    "float32": ("changed by float32", "#E69F00"),
}
"""What changes fates, in words, and its colour; of several the first counts."""

FEW = 3000
"""Lanes up to which those that change are dots, large enough to be seen."""


@register("trust", {"outcome": (), "trusted": ()}, rank=4)
def trust_map(
    dataset: xr.Dataset,
    ax: Axes,
    whole: xr.Dataset | None = None,
    beside: Sequence[Axes] | None = None,
) -> Axes:
    """Fates in pale colours, and the lanes whose fate changes under what should not change it.

    Args:
      dataset: of `eos_jax.analysis.trust`, of two dimensions, or of one for points.
      ax: where to draw.
      whole: the dataset of all panels.
      beside: the axes of all panels, beside which the key stands.

    Returns:
      The axes.
    """
    names = ["outcome", "trusted", *matching(dataset, "changed_*")]
    if len(lane_dims(dataset)) < 2:
        ax = lines.outcome_curve(dataset, ax, whole=whole, beside=[])
        _ticks(ax, dataset, names)
        lines.legend_below(
            ax.figure, [ax] if beside is None else beside, ax.get_legend_handles_labels()[0]
        )
        return ax

    def layers(data: xr.Dataset) -> list[Layer]:
        pale = [
            Layer(kind.name.lower(), mask(data.outcome == kind), _pale(OUTCOME_COLOURS[kind]))
            for kind in Outcome
        ]
        return pale + [Layer(words, mask(where), c) for words, where, c in changes(data)]

    paint(ax, dataset, names, layers, whole, beside)
    _dots(ax, dataset[names])
    return ax


def changes(data: xr.Dataset) -> list[tuple[str, xr.DataArray, str]]:
    """What changes fates: words, where it is the first that does, and a colour."""
    left, found = xr.ones_like(data.outcome, bool), []
    for name, (words, colour) in CHANGED.items():
        if f"changed_{name}" in data:
            mine = (data[f"changed_{name}"] == 1) & left
            left = left & ~mine
            found.append((words, mine, colour))
    return found


def _pale(colour: str) -> str:
    """A colour with much white.

    Example:
      >>> _pale("#000000")
      '#a6a6a6'
    """
    return to_hex(1 - 0.35 * (1 - np.asarray(to_rgb(colour))))


def _dots(ax: Axes, data: xr.Dataset) -> None:
    """Lanes that change as dots, where single cells would be too small to be seen."""
    first, second = (axis(data, dim) for dim in lane_dims(data))
    for _, where, colour in changes(data):
        if int(where.sum()) > FEW:
            continue
        rows, columns = np.nonzero(where.transpose(first.name, second.name).values[
            np.ix_(first.order, second.order)])  # fmt: skip
        ax.plot(first.values[rows], second.values[columns], ".", ms=2.5, mew=0, color=colour,
                rasterized=True)  # fmt: skip


def _ticks(ax: Axes, dataset: xr.Dataset, names: Sequence[str]) -> None:
    """Along one dimension, lanes that change are marked along the lower edge."""
    data = dataset[list(names)]
    data = data if lane_dims(data) else data.expand_dims("lane")
    drawn = axis(data, lane_dims(data)[0])
    for words, where, colour in changes(data):
        mark_lanes(ax, drawn, where.values[drawn.order], colour, words)


__all__ = ["trust_map"]
