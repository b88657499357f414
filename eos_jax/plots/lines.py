"""Curves: a variable, the final sharpness or the fate of lanes along one dimension."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, LogNorm, Normalize

from eos_jax.colours import OUTCOME_COLOURS
from eos_jax.outcomes import Outcome
from eos_jax.plots.axes import (
    Axis,
    axis,
    heading,
    labels_along,
    lane_dims,
    mark_lanes,
    ordered,
    set_axis,
    set_log_ticks,
    thinned,
)
from eos_jax.plots.base import register
from eos_jax.plots.edge import band_label, has_threshold
from eos_jax.plots.style import BAND, POINTS, colours
from eos_jax.results.labels import judged

LEGEND = 8
"""Entries of a legend at most; more colours are told by a colour bar."""


@register("curves", {"outcome": ()}, rank=40)
def curves(
    dataset: xr.Dataset,
    ax: Axes,
    variable: str = "",
    along: str | None = None,
    log: bool = False,
    limits: tuple[float, float] | None = None,
    whole: xr.Dataset | None = None,
    beside: Sequence[Axes] | None = None,
) -> Axes:
    """Any variable along one dimension, one curve for each place along a second.

    Args:
      dataset: with the variable along at most two dimensions.
      ax: where to draw.
      variable: its name.
      along: the dimension of the horizontal axis; by default the longest.
      log: whether the vertical scale is logarithmic.
      limits: of the vertical axis.
      whole: the dataset of all panels.
      beside: the axes of all panels, beside which the key stands.

    Returns:
      The axes.

    Raises:
      ValueError: if the dataset has no such variable or dimension, or the variable more than two.
    """
    variable = one_of(dataset, variable, "curves")
    data = thinned(dataset, [n for n in (variable, "outcome") if n in dataset])
    dims = tuple(str(dim) for dim in data[variable].dims)
    if len(dims) > 2:
        raise ValueError(
            f"Curves are of at most two dimensions, but `{variable}` has {', '.join(dims)}; "
            f"select first, e.g. dataset.isel({dims[0]}=0)."
        )
    if along is not None and along not in dims:
        raise ValueError(f"Argument `along` must be one of {', '.join(dims)}, but got {along!r}.")
    values = known(data[variable])
    if not dims:
        values, data = values.expand_dims("lane"), data.expand_dims("lane")
        dims = ("lane",)
    along = along or max(dims, key=lambda dim: data.sizes[dim])
    other = [dim for dim in dims if dim != along]
    drawn = axis(data, along)
    mark = "." if len(drawn.values) < 40 else ""
    if not limits:
        every = data if whole is None else whole
        limits = _worth_seeing(every, known(every[variable]), log)
    entries: list[tuple[Any, str | None, xr.DataArray]] = [(POINTS, None, values)]
    if other:
        entries = list(coloured(values, data, other[0]))
    for colour, label, one in entries:
        height = one.values[drawn.order].astype(float)
        height = np.where(height > 0, height, np.nan) if log else height
        ax.plot(drawn.values, height, "-", marker=mark, ms=4, lw=0.9, color=colour, label=label)
    set_axis(ax, "x", drawn, cells=False)
    ax.set(ylabel=label_of(data, variable), yscale="log" if log else "linear")
    if limits:
        ax.set_ylim(limits)
    ax.set_title(heading(dataset))
    if not any(np.isfinite(line.get_ydata()).any() for line in ax.lines):
        say(ax, "nothing known")
    beside = [ax] if beside is None else beside
    if other and beside:
        legend_below(ax.figure, beside, ax.get_legend_handles_labels()[0])
        bar_along(ax.figure, data, other[0], beside)
    return ax


def _worth_seeing(data: xr.Dataset, values: xr.DataArray, log: bool) -> tuple[float, float] | None:
    """Limits without diverged lanes, where these would hide all else."""
    kept = not_diverged(data, values).values
    kept, everything = (v[np.isfinite(v) & ((v > 0) | (not log))] for v in (kept, values.values))
    if not kept.size or (everything.min() == kept.min() and everything.max() == kept.max()):
        return None
    low, high = float(kept.min()), float(kept.max())
    if log:
        hidden = everything.max() > 1e3 * high or everything.min() < 1e-3 * low
        return (low / 2, high * 2) if hidden else None
    if np.ptp(everything) < 10 * (high - low):
        return None
    room = (high - low) / 20 or 1.0
    return low - room, high + room


def sharpness_curve(
    dataset: xr.Dataset,
    ax: Axes,
    band: float = 0.01,
    relative: bool = True,
    threshold_label: str = "the threshold",
    whole: xr.Dataset | None = None,
    beside: Sequence[Axes] | None = None,
) -> Axes:
    """Final sharpness of converged orbits, the threshold dashed, other fates along the bottom.

    Args:
      dataset: of `eos_jax.sweep`, of at most one dimension.
      ax: where to draw.
      band: width of the band below the threshold.
      relative: whether that is a part of the threshold, or in units of it.
      threshold_label: what the threshold is called.
      whole: the dataset of all panels.
      beside: the axes of all panels, beside which the key stands.

    Returns:
      The axes.
    """
    bend = judged(dataset)
    names = [name for name in ("outcome", bend, "threshold") if name in dataset]
    data, drawn = _line(dataset, names)
    outcome = data.outcome.values[drawn.order]
    converged = outcome == Outcome.CONVERGED
    values = np.where(converged, data[bend].values[drawn.order], np.nan)
    big = 6 if len(drawn.values) < 40 else 3
    if converged.any():
        ax.plot(drawn.values, values, ".", ms=big, color=POINTS, label="converged")
    else:
        say(ax, "no orbit converged")
    if has_threshold(data):
        if not converged.any():
            ax.set_ylim(0, 1.2 * float(np.nanmax(data.threshold.values)))
        limit = data.threshold.values[drawn.order]
        lower = limit * (1 - band) if relative else limit - band
        style: Any = (
            {"ls": "--", "lw": 1} if len(limit) > 1 else {"ls": "", "marker": "_", "ms": 24}
        )
        words = threshold_label.removeprefix("the ")
        ax.plot(drawn.values, limit, color=BAND, label=words, **style)
        if len(limit) > 1:
            ax.fill_between(drawn.values, lower, limit, color=BAND, alpha=0.2, lw=0,
                            label=band_label(band, relative, threshold_label))  # fmt: skip
    for kind in Outcome:
        if kind != Outcome.CONVERGED:
            mark_lanes(ax, drawn, outcome == kind, OUTCOME_COLOURS[kind], kind.name.lower())
    set_axis(ax, "x", drawn, cells=False)
    ax.set(ylabel=f"final {bend}", title=heading(dataset))
    _legend_of_points(ax, beside)
    return ax


def outcome_curve(
    dataset: xr.Dataset,
    ax: Axes,
    whole: xr.Dataset | None = None,
    beside: Sequence[Axes] | None = None,
) -> Axes:
    """The step at which each lane was decided, coloured by its fate.

    Args:
      dataset: of `eos_jax.sweep`, of at most one dimension.
      ax: where to draw.
      whole: the dataset of all panels.
      beside: the axes of all panels, beside which the key stands.

    Returns:
      The axes.
    """
    data, drawn = _line(dataset, [name for name in ("outcome", "steps") if name in dataset])
    outcome = data.outcome.values[drawn.order]
    steps = data.steps.values[drawn.order] if "steps" in data else np.zeros(len(outcome))
    big = 6 if len(drawn.values) < 40 else 3
    for kind in Outcome:
        mine = outcome == kind
        if mine.any():
            ax.plot(drawn.values[mine], steps[mine], ".", ms=big, color=OUTCOME_COLOURS[kind],
                    label=kind.name.lower())  # fmt: skip
    set_axis(ax, "x", drawn, cells=False)
    ax.set(ylabel="steps until decided", title=heading(dataset))
    if steps.max() > 10 * max(1, steps.min()):
        ax.set_yscale("symlog", linthresh=1)
    if (steps == 0).any():
        ax.set_ylim(bottom=-0.2)
    _legend_of_points(ax, beside)
    return ax


def _line(dataset: xr.Dataset, names: Sequence[str]) -> tuple[xr.Dataset, Axis]:
    """The variables along the one dimension of lanes there is, or along one made of a lane."""
    data = thinned(dataset, names)
    dims = lane_dims(data)
    if len(dims) > 1:
        raise ValueError(
            f"Points are of one dimension, but the lanes have {', '.join(dims)}; select first, "
            f"e.g. dataset.isel({dims[0]}=0)."
        )
    if not dims:
        data, dims = data.expand_dims("lane"), ("lane",)
    return data, axis(data, dims[0])


def coloured(
    values: Any, dataset: xr.Dataset, dim: str
) -> Iterator[tuple[tuple[float, ...], str | None, Any]]:
    """Colour, label and part for each place along a dimension.

    Few are in the order of the dataset, which may have its reasons; many from low to high.

    Args:
      values: what to take parts of.
      dataset: with the dimension's coordinate.
      dim: its name.

    Yields:
      Triples of a colour, a label (None where they are too many for a legend), and the part.
    """
    order = axis(dataset, dim).order
    few = len(order) <= LEGEND
    labels = labels_along(dataset, dim)
    for colour, place in zip(colours(len(order)), np.sort(order) if few else order):
        label = labels[place] if few else None
        yield colour, label, values.isel({dim: place})


def bar_along(figure: Any, dataset: xr.Dataset, dim: str, beside: Sequence[Axes]) -> None:
    """A colour bar of the colours along a dimension, if they are too many for a legend."""
    drawn = axis(dataset, dim)
    if len(drawn.values) <= LEGEND:
        return
    colour_map = LinearSegmentedColormap.from_list("along", colours(256))
    ends = drawn.values[0], drawn.values[-1]
    norm = LogNorm(*ends) if drawn.log else Normalize(*ends)
    colour_bar(figure, beside, colour_map, norm, dim)


def colour_bar(
    figure: Any,
    beside: Sequence[Axes],
    colour_map: Colormap,
    norm: Normalize,
    label: str,
    shown: tuple[float, float] | None = None,
    beyond: str = "neither",
) -> None:
    """A colour bar beside axes.

    Args:
      figure: that the axes are in.
      beside: the axes.
      colour_map: its colours.
      norm: its scale.
      label: what it is of.
      shown: numbers of steps that it goes from and to, if not all.
      beyond: where it has a tip, for values beyond its ends: "neither", "min", "max", "both".
    """
    place = beside[0] if len(beside) == 1 else list(beside)
    extra: Any = {"extend": beyond}
    if shown:
        extra |= {"ticks": _whole_ticks(*shown), "format": "%g"}
    bar = figure.colorbar(
        ScalarMappable(norm, colour_map), ax=place, label=label, shrink=0.9, pad=0.02, **extra
    )
    if shown:
        bar.ax.set_ylim(shown)
        bar.minorticks_off()
    elif isinstance(norm, LogNorm):
        set_log_ticks(bar.ax.yaxis, float(norm.vmax or 1) / float(norm.vmin or 1))


def legend_below(figure: Any, beside: Sequence[Axes], handles: Sequence[Artist]) -> None:
    """A legend below one axes, or below the figure where there are several."""
    if not handles or not beside:
        return
    if len(beside) == 1:
        beside[0].legend(
            handles=handles,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.14),
            ncols=min(3, len(handles)),
        )
    else:
        figure.legend(handles=handles, loc="outside lower center", ncols=4)


def _legend_of_points(ax: Axes, beside: Sequence[Axes] | None) -> None:
    """A legend of what the axes show, each label once."""
    beside = [ax] if beside is None else beside
    entries = {}
    for one in beside:
        for handle, label in zip(*one.get_legend_handles_labels()):
            entries.setdefault(label, handle)
    legend_below(ax.figure, beside, list(entries.values()))


def _whole_ticks(low: float, high: float) -> list[float]:
    """A few numbers of steps from low to high, of two digits where that is exact enough."""
    ticks = (float(f"{tick:.2g}") for tick in np.geomspace(low, high, 4))
    return sorted({float(np.clip(round(tick), np.ceil(low), np.floor(high))) for tick in ticks})


def known(values: xr.DataArray) -> xr.DataArray:
    """Values as numbers, NaN where nothing is known: infinities, and -1 of signed integers."""
    if values.dtype.kind not in "fiub":
        raise ValueError(f"Variable `{values.name}` holds no numbers, so it cannot be drawn.")
    found = values.astype(float)
    if values.dtype.kind == "i":
        found = found.where(values != -1)
    return found.where(np.isfinite(found))


def one_of(dataset: xr.Dataset, variable: str, kind: str) -> str:
    """The name of a variable that there is.

    Raises:
      ValueError: if there is none of this name.
    """
    if variable not in dataset.data_vars:
        names = ", ".join(name for name, _ in ordered(dataset.data_vars))
        given = f"got {variable!r}" if variable else "none was given"
        raise ValueError(f"A picture `{kind}` needs a `variable`, one of {names}, but {given}.")
    return variable


def label_of(dataset: xr.Dataset, variable: str) -> str:
    """What a variable is, in words, with its units."""
    attrs = dataset[variable].attrs
    words = str(attrs.get("long_name") or variable)
    units = str(attrs.get("units", "1"))
    return words if units in ("1", words, "") else f"{words} ({units})"


def not_diverged(dataset: xr.Dataset, values: xr.DataArray) -> xr.DataArray:
    """Values without those of diverged lanes, where anything is left."""
    if "outcome" not in dataset or not set(dataset.outcome.dims) <= set(values.dims):
        return values
    kept = values.where(dataset.outcome != Outcome.DIVERGED)
    return kept if bool(kept.notnull().any()) else values


def say(ax: Axes, words: str) -> None:
    """A remark in the middle of an axes in which there is nothing to see."""
    ax.text(0.5, 0.5, words, transform=ax.transAxes, ha="center", va="center", color="#444444",
            bbox={"fc": "white", "ec": "none", "alpha": 0.8})  # fmt: skip


__all__ = ["LEGEND", "curves", "outcome_curve", "sharpness_curve"]
