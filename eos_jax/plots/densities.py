"""Orbit diagrams: where settled orbits go, column by column."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from eos_jax.colours import OUTCOME_COLOURS
from eos_jax.outcomes import Outcome
from eos_jax.plots import lines
from eos_jax.plots.axes import (
    Axis,
    axis,
    cell_edges,
    heading,
    lane_dims,
    mark_lanes,
    set_axis,
    thinned,
)
from eos_jax.plots.base import register
from eos_jax.plots.maps import colour_map

ROWS = 400
"""Rows of a picture at most: each at least a pixel or two high, so that no cycle falls between."""

DARKEST_LAST = "magma_r"
"""Shares of an orbit on white: a cycle's few bins stand out, chaos is light."""


@register("density", {"density": ("bin",)}, lanes=1, rank=5)
def density(
    dataset: xr.Dataset,
    ax: Axes,
    cmap: str = DARKEST_LAST,
    limits: tuple[float, float] | None = None,
    whole: xr.Dataset | None = None,
    beside: Sequence[Axes] | None = None,
) -> Axes:
    """Orbit diagram: the share of each settled orbit's points in every bin of a measure.

    Args:
      dataset: of `eos_jax.analysis.orbit_diagram`, of at most one dimension.
      ax: where to draw.
      cmap: matplotlib's name of a colour map.
      limits: shares at the ends of the logarithmic colour scale.
      whole: the dataset of all panels.
      beside: the axes of all panels, beside which the key stands.

    Returns:
      The axes.

    Source: May 1976, "Simple mathematical models with very complicated dynamics".
    """
    data = thinned(dataset, [n for n in ("density", "outside", "outcome") if n in dataset])
    if not lane_dims(data):
        data = data.expand_dims("lane")
    drawn = axis(data, lane_dims(data)[0])
    seen = shares(data)
    norm = LogNorm(*(limits or _ends(seen if whole is None else shares(whole))))
    values = seen.transpose("bin", drawn.name).values[:, drawn.order]
    cells = np.ma.masked_less_equal(values, 0)
    heights = cell_edges(seen["bin"].values)
    colours = colour_map(cmap)
    ax.pcolormesh(drawn.edges, heights, cells, cmap=colours, norm=norm, rasterized=True)
    set_axis(ax, "x", drawn)
    ax.set(ylim=(heights[0], heights[-1]), ylabel=_label(dataset), title=heading(dataset))
    _mark_diverged(ax, data, drawn)
    beside = [ax] if beside is None else beside
    if beside:
        lines.colour_bar(ax.figure, beside, colours, norm, "share of the orbit in a bin")
        lines.legend_below(ax.figure, beside, ax.get_legend_handles_labels()[0])
    return ax


def shares(data: xr.Dataset) -> xr.DataArray:
    """The share of each column's points in each bin; neighbours are added where bins are many."""
    counts = data.density.astype(float)
    total = counts.sum("bin") + (data.outside if "outside" in data else 0)
    together = -(-counts.sizes["bin"] // ROWS)
    counts = counts.coarsen(bin=together, boundary="pad").sum() if together > 1 else counts
    return counts / total.where(total > 0)


def _ends(seen: xr.DataArray) -> tuple[float, float]:
    """From what few bins fall below to a whole orbit in one bin."""
    values = seen.values[seen.values > 0]
    return (min(float(np.quantile(values, 0.02)), 0.5), 1.0) if values.size else (1e-3, 1.0)


def _label(dataset: xr.Dataset) -> str:
    """What stands on the vertical axis, in words, with its units."""
    return lines.label_of(dataset, "bin") if "bin" in dataset.coords else "bin"


def _mark_diverged(ax: Axes, data: xr.Dataset, drawn: Axis) -> None:
    """Columns whose orbit left, along the lower edge."""
    if "outcome" not in data:
        return
    gone = data.outcome.values[drawn.order] == Outcome.DIVERGED
    mark_lanes(ax, drawn, gone, OUTCOME_COLOURS[Outcome.DIVERGED], "diverged")


__all__ = ["density"]
