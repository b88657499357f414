"""Order and chaos over two dimensions: Lyapunov exponents, and periods of cycles."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.ticker import StrMethodFormatter

from eos_jax.colours import OUTCOME_COLOURS
from eos_jax.outcomes import Outcome
from eos_jax.plots import lines
from eos_jax.plots.axes import axis, heading, lane_dims, mark_lanes, set_axis, thinned
from eos_jax.plots.base import matching, register
from eos_jax.plots.maps import Layer, colour_map, mask, paint, present
from eos_jax.plots.style import QUIET

ORDER_AND_CHAOS = "RdBu_r"
"""Blue where neighbours approach, red where they part, white between."""

LEFT = "#BBBBBB"
"""Lanes that left, which have no exponent and no period."""

# Tol's muted colours, which colour-blind readers tell apart
PERIODS = ("#332288", "#88CCEE", "#44AA99", "#117733", "#DDCC77", "#CC6677", "#882255", "#AA4499")
"""Cycles of period 1, 2, 3, ..."""

LONGER = "#999933"
"""Cycles of longer periods."""

BESIDE_PERIODS = {
    Outcome.APERIODIC: "#000000",
    Outcome.DIVERGED: LEFT,
    Outcome.UNDECIDED: "#F0EAD6",
    Outcome.STATIONARY: "#FFFFFF",
}
"""Fates beside the periods."""


@register("exponent", {"outcome": (), "*exponent": ()}, rank=7)
def exponent_map(
    dataset: xr.Dataset,
    ax: Axes,
    variable: str = "",
    limits: tuple[float, float] | None = None,
    whole: xr.Dataset | None = None,
    beside: Sequence[Axes] | None = None,
) -> Axes:
    """Lyapunov exponents: blue where neighbouring orbits approach, red where they part.

    Args:
      dataset: of a sweep that `eos_jax.observers.lyapunov` observed, of two dimensions, or of one
        for a curve.
      ax: where to draw.
      variable: name of the exponent, if there are several.
      limits: exponents at the ends of the colour scale, one on either side of 0.
      whole: the dataset of all panels.
      beside: the axes of all panels, beside which the key stands.

    Returns:
      The axes.

    Raises:
      ValueError: if limits do not lie on either side of 0.

    Source: Markus and Hess 1989, "Lyapunov exponents of the logistic map with periodic forcing".
    """
    lanes = set(lane_dims(dataset))
    name = variable or next(
        n for n in matching(dataset, "*exponent") if set(dataset[n].dims) <= lanes
    )
    if limits and not limits[0] < 0 < limits[1]:
        raise ValueError(f"Argument `limits` must have 0 between them, but got {limits}.")
    if dataset[lines.one_of(dataset, name, "exponent")].ndim < 2:
        ax = lines.curves(dataset, ax, name, limits=limits, whole=whole, beside=beside)
        ax.axhline(0, color=QUIET, lw=0.8, zorder=0)
        return ax

    def layers(data: xr.Dataset) -> list[Layer]:
        values = data[name].astype(float)
        # where lanes are not decided, those that left are known by having no exponent
        gone = (data.outcome == Outcome.DIVERGED) | values.isnull()
        gone &= data.outcome != Outcome.PENDING
        values = values.where(~gone)
        low, high = limits or _around_zero(values.values)
        values = xr.where(values == -np.inf, low, values)  # superstable
        norm = TwoSlopeNorm(0, low, high)
        scale = Layer(lines.label_of(data, name), values, colour_map(ORDER_AND_CHAOS), norm)
        return [scale, Layer("diverged: no exponent", mask(gone), LEFT)]

    return paint(ax, dataset, [name, "outcome"], layers, whole, beside, "nothing known")


def _around_zero(values: np.ndarray) -> tuple[float, float]:
    """Ends of a scale on either side of 0 that leave out the few values far below.

    Example:
      >>> _around_zero(np.array([-0.4, 0.2])), _around_zero(np.array([-3.0]))
      ((-0.388, 0.2), (-3.0, 3.0))
    """
    values = values[np.isfinite(values)]
    low = float(np.quantile(values, 0.02)) if values.size else 0.0
    high = float(values.max()) if values.size else 0.0
    if low >= 0 or high <= 0:  # one side only: the other is as wide
        size = max(abs(low), abs(high)) or 1.0
        return -size, size
    return low, high


@register("period", {"outcome": (), "period": ()}, rank=8)
def period_map(
    dataset: xr.Dataset,
    ax: Axes,
    whole: xr.Dataset | None = None,
    beside: Sequence[Axes] | None = None,
) -> Axes:
    """Periods of the cycles that orbits end on: an isoperiodic diagram.

    Args:
      dataset: of a sweep with `Stop(longest_period=...)`, of two dimensions, or of one for points.
      ax: where to draw.
      whole: the dataset of all panels.
      beside: the axes of all panels, beside which the key stands.

    Returns:
      The axes.

    Source: Gallas 1993, "Structure of the parameter space of the Henon map".
    """
    if len(lane_dims(dataset)) < 2:
        return _period_points(dataset, ax, [ax] if beside is None else beside)

    def layers(data: xr.Dataset) -> list[Layer]:
        many = len(PERIODS)
        found = [
            Layer(f"period {p}", mask(data.period == p), colour)
            for p, colour in enumerate(PERIODS, 1)
        ]
        found.append(Layer(f"longer than {many}", mask(data.period > many), LONGER))
        rest = data.period <= 0
        return found + [
            Layer(kind.name.lower(), mask(rest & (data.outcome == kind)), colour)
            for kind, colour in BESIDE_PERIODS.items()
        ]

    return paint(ax, dataset, present(dataset, "outcome", "period"), layers, whole, beside)


def _period_points(dataset: xr.Dataset, ax: Axes, beside: Sequence[Axes]) -> Axes:
    """Periods along one dimension, and along the lower edge the fates of lanes without one."""
    data = thinned(dataset, ["outcome", "period"])
    data = data if lane_dims(data) else data.expand_dims("lane")
    drawn = axis(data, lane_dims(data)[0])
    periods, outcome = data.period.values[drawn.order], data.outcome.values[drawn.order]
    some = periods > 0
    ax.plot(drawn.values[some], periods[some], ".", ms=4, color=PERIODS[0], label="cycles")
    for kind in Outcome:
        mine = ~some & (outcome == kind)
        mark_lanes(ax, drawn, mine, OUTCOME_COLOURS[kind], kind.name.lower())
    set_axis(ax, "x", drawn, cells=False)
    if periods.max(initial=0) > 1:
        ax.set_yscale("log", base=2)
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.set(ylabel="period (steps)", title=heading(dataset))
    lines.legend_below(ax.figure, beside, ax.get_legend_handles_labels()[0])
    return ax


__all__ = ["exponent_map", "period_map"]
