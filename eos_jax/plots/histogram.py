"""How far below the threshold orbits end."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from eos_jax.outcomes import Outcome
from eos_jax.plots import edge
from eos_jax.plots.axes import heading
from eos_jax.plots.base import register
from eos_jax.plots.lines import say
from eos_jax.plots.maps import sharpness_map
from eos_jax.plots.style import BAND, POINTS, Figure, legend_outside, style, subplots
from eos_jax.results.labels import judged

BINS = 50


@register("histogram", {"outcome": (), "sharpness": (), "threshold": ()}, lanes=64, rank=35)
def sharpness_histogram(
    dataset: xr.Dataset,
    ax: Axes,
    band: float = 0.01,
    relative: bool = True,
    top: float | None = None,
    threshold_label: str = "threshold",
) -> Axes:
    """How far below the threshold the converged orbits of a sweep end, as shares of them.

    Args:
      dataset: of `eos_jax.sweep`, of any dimensions.
      ax: where to draw.
      band: width of the band just below the threshold, shown in its own colour.
      relative: whether distances are parts of the threshold, or in units of it.
      top: the largest distance shown, from 0; by default ten bands.
      threshold_label: what the threshold is called.

    Returns:
      The axes.
    """
    top = 10 * band if top is None else top
    gap = edge.gap(dataset, relative).values[dataset.outcome == Outcome.CONVERGED]
    edges = np.linspace(0, top, BINS + 1)
    shares = 100 * np.histogram(gap[np.isfinite(gap)], edges)[0] / max(1, gap.size)
    near = edges[1:] <= band + 1e-9 * top
    ax.stairs(np.where(near, 0, shares), edges, fill=True, color=POINTS)
    ax.stairs(np.where(near, shares, 0), edges, fill=True, color=BAND)
    words = f"{threshold_label} - final {judged(dataset)}"
    if relative:
        words = f"1 - final {judged(dataset)} / {threshold_label}"
    ax.set(xlabel=words, ylabel="% of converged orbits", xlim=(0, top))
    lines = [heading(dataset), _left_out(gap, top)]
    ax.set_title("\n".join(line for line in lines if line))
    if not gap.size:
        say(ax, "no orbit converged")
    return ax


def _left_out(gap: np.ndarray, top: float) -> str:
    """What a histogram from 0 to `top` does not show, in words; nothing if it shows all.

    Example:
      >>> _left_out(np.array([0.1, 0.2, 3.0, -0.1]), 1.0)
      'not shown: 25 % further below, 25 % above'
      >>> _left_out(np.array([0.1]), 1.0)
      ''
    """
    parts = {
        "further below": gap > top,
        "above": gap < 0,
        "without a gap": ~np.isfinite(gap),
    }
    words = [
        f"{_percent(int(mine.sum()), gap.size)} {where}"
        for where, mine in parts.items()
        if mine.any()
    ]
    return f"not shown: {', '.join(words)}" if words else ""


def _percent(part: int, whole: int) -> str:
    """A share in words that is never rounded to nothing or to all.

    Example:
      >>> _percent(1, 3), _percent(1, 100_000), _percent(99_999, 100_000)
      ('33.3 %', 'under 0.1 %', 'over 99.9 %')
    """
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "under 0.1 %"
    return "over 99.9 %" if 99.9 < share < 100 else f"{share:.3g} %"


def sharpness_map_and_histogram(
    dataset: xr.Dataset,
    band: float = 0.01,
    relative: bool = True,
    top: float | None = None,
    threshold_label: str = "the threshold",
) -> Figure:
    """The map of final sharpness beside the histogram of how far below the threshold orbits end.

    Args:
      dataset: of `eos_jax.sweep`, of two dimensions.
      band: as in `sharpness_map`.
      relative: as in `sharpness_map`.
      top: as in `sharpness_histogram`.
      threshold_label: as in `sharpness_map`.

    Returns:
      The figure.
    """
    with style():
        figure, axes = subplots(1, 2, width=7.2, height=3.5, width_ratios=(1.6, 1))
        sharpness_map(dataset, axes[0, 0], band, relative, threshold_label)
        words = threshold_label.removeprefix("the ")
        beside = sharpness_histogram(dataset, axes[0, 1], band, relative, top, words)
        beside.set_title(beside.get_title().removeprefix(heading(dataset)).strip())
        key = axes[0, 0].get_legend()
        if key is not None:  # below both
            legend_outside(figure, axes, extra=key.legend_handles)
    return figure
