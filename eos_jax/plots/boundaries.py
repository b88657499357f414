"""How rough a boundary is: counts over scales with the laws that were fitted, and verdicts."""

import json
import textwrap

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from eos_jax.plots.axes import lane_dims
from eos_jax.plots.base import register
from eos_jax.plots.lines import say
from eos_jax.plots.maps import outcome_map
from eos_jax.plots.style import Figure

INSTRUMENTS = {
    "resolution": ("resolution of the map", "#0072B2", "o"),
    "boxes": ("boxes", "#D55E00", "s"),
    "uncertainty": ("pairs of starts", "#009E73", "^"),
}
"""What counted, in words, its colour and mark."""

_NEEDS = {f"{name}_{what}": (f"{name}_scale",)
          for name in INSTRUMENTS for what in ("size", "count", "fitted")}  # fmt: skip


@register("scaling", _NEEDS, rank=6)
def scaling_laws(dataset: xr.Dataset, ax: Axes) -> Axes:
    """Boxes on the boundary over their size, the fitted laws, their dimensions and verdicts.

    Sizes that were not fitted are hollow; a law that is withheld is dotted.

    Args:
      dataset: of `eos_jax.analysis.boundary`.
      ax: where to draw.

    Returns:
      The axes.

    Source: McDonald et al. 1985, "Fractal basin boundaries".
    """
    verdicts = json.loads(dataset.attrs.get("verdicts", "{}"))
    for name, (words, colour, mark) in INSTRUMENTS.items():
        sizes, counts = dataset[f"{name}_size"].values, dataset[f"{name}_count"].values
        counts = np.where(counts > 0, counts, np.nan)
        fitted = (dataset[f"{name}_fitted"].values != 0) & np.isfinite(counts)
        slope, error = float(dataset[f"{name}_slope"]), float(dataset[f"{name}_error"])
        why = verdicts.get(name, "")
        said = f"{slope:.3f} ± {error:.3f}" if not why else f"withheld: {why}"
        label = textwrap.fill(f"{words}: {said}", 40, subsequent_indent="  ")
        ax.plot(sizes[fitted], counts[fitted], mark, ms=5, color=colour, label=label)
        ax.plot(sizes[~fitted], counts[~fitted], mark, ms=5, mfc="none", color=colour)
        if np.isfinite(slope) and fitted.any():
            x = np.log(sizes[fitted])
            middle = np.mean(np.log(counts[fitted])) + slope * x.mean()
            ax.plot(sizes[fitted], np.exp(middle - slope * x), ":" if why else "-", lw=1,
                    color=colour)  # fmt: skip
    ax.set(xlabel="size / size of the plane", ylabel="boxes on the boundary")
    if any(np.isfinite(line.get_ydata()).any() for line in ax.lines):
        ax.set(xscale="log", yscale="log")
    else:
        say(ax, "no boundary")
    ax.set_title(textwrap.fill(f"dimension: {dataset.attrs.get('agreement', '')}", 52))
    ax.legend(loc="upper right")
    return ax


@register("boundary", {"outcome": (), **_NEEDS}, whole=True, rank=5)
def map_and_laws(dataset: xr.Dataset, figure: Figure) -> None:
    """The map of fates beside the laws that its boundary follows.

    Args:
      dataset: of `eos_jax.analysis.boundary`.
      figure: where to draw.

    Raises:
      ValueError: if the map has not two dimensions.
    """
    if len(lane_dims(dataset)) < 2:
        raise ValueError("A boundary needs two dimensions; draw `scaling` of the whole dataset.")
    figure.set_size_inches(8.4, 4.2)
    left, right = figure.subplots(1, 2)
    outcome_map(dataset, left)
    left.set_title("")
    scaling_laws(dataset, right)


__all__ = ["map_and_laws", "scaling_laws"]
