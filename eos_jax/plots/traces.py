"""Orbits step by step: loss, sharpness with its threshold, any other record, and the plane."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import matplotlib.figure
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from eos_jax.outcomes import ESCAPE
from eos_jax.plots.axes import (
    heading,
    hyperparameters,
    labels_along,
    lane_dims,
    ordered,
    sorted_along,
)
from eos_jax.plots.base import register, spread
from eos_jax.plots.lines import bar_along, coloured, label_of, legend_below, one_of, say
from eos_jax.plots.style import QUIET, Figure, colours, legend_outside, new_figure, style
from eos_jax.results.labels import judged

FAR = 1e30
"""Modulus beyond which an orbit is not drawn: axes cannot hold what has diverged."""

ROWS = 6
"""Rows of panels at most."""

Label = Callable[[Any], str]
Curve = Callable[[np.ndarray], np.ndarray]
Place = Callable[[xr.Dataset], tuple[float, float]]


@register("loss_trace", {"loss": ("step",)}, lanes=1, rank=2)
def loss_trace(
    dataset: xr.Dataset,
    ax: Axes,
    colour: str | None = None,
    label: Label | None = None,
    whole: xr.Dataset | None = None,
    beside: Sequence[Axes] | None = None,
) -> Axes:
    """Loss against step, one curve for each lane.

    Args:
      dataset: of `eos_jax.orbits`, or any with `loss` along `step`.
      ax: where to draw.
      colour: the dimension that colours tell apart; by default a hyperparameter's.
      label: from a value along it to words in the legend.
      whole: the dataset of all panels.
      beside: the axes of all panels, beside which the key stands.

    Returns:
      The axes.
    """
    for shade, words, one in _lanes(dataset, colour, label):
        ax.plot(one.step, one.loss, lw=0.8, color=shade, label=words, **_dots(one.loss))
    values = dataset.loss.values[np.isfinite(dataset.loss.values)]
    ax.set(xlabel="step", ylabel="loss", title=heading(dataset))
    # a loss may go below zero, where its logarithm says nothing
    if (values > 0).any() and not (values < 0).any():
        ax.set_yscale("log", nonpositive="mask")
    _key(ax, dataset, colour, beside)
    return ax


@register("sharpness_trace", {"sharpness": ("step",)}, lanes=1, rank=3)
def sharpness_trace(
    dataset: xr.Dataset,
    ax: Axes,
    colour: str | None = None,
    label: Label | None = None,
    threshold_label: str = "threshold",
    whole: xr.Dataset | None = None,
    beside: Sequence[Axes] | None = None,
) -> Axes:
    """Sharpness against step, every second one joined, and the threshold dashed.

    Where the rule judges by another curvature than the sharpness, it is that.

    Args:
      dataset: of `eos_jax.orbits`, or any with `sharpness` along `step`; the threshold may be
        along `step` or not.
      ax: where to draw.
      colour: as in `loss_trace`.
      label: as in `loss_trace`.
      threshold_label: what the threshold is called.
      whole: the dataset of all panels.
      beside: the axes of all panels, beside which the key stands.

    Returns:
      The axes.
    """
    bend = judged(dataset)
    highest, limits = 0.0, []
    for shade, words, one in _lanes(dataset, colour, label):
        for parity, half in enumerate(_halves(one)):
            ax.plot(half.step, half[bend], lw=0.8, color=shade, label=None if parity else words,
                    **_dots(half[bend]))  # fmt: skip
        highest = max(highest, float(np.nanmax(one[bend].values, initial=0)))
        if "threshold" not in one or not np.isfinite(one.threshold).any():
            continue
        if one.threshold.ndim == 0 or float(one.threshold.max() - one.threshold.min()) == 0:
            limits.append(float(one.threshold.max()))
            ax.axhline(limits[-1], color=shade, lw=1, ls="--")
        else:
            limits.append(float(one.threshold.median()))
            ax.plot(one.step, one.threshold, color=shade, lw=1, ls="--")
    if limits:
        ax.plot([], [], "--", color="#666666", lw=1, label=threshold_label)
        if highest > 100 * max(limits) > 0:  # an orbit that goes to infinity
            ax.set_yscale("log", nonpositive="mask")
    ax.set(xlabel="step", ylabel=bend, title=heading(dataset))
    _key(ax, dataset, colour, beside)
    return ax


@register("trace", {"loss": ("step",)}, lanes=1, rank=5)
def trace(
    dataset: xr.Dataset,
    ax: Axes,
    variable: str = "",
    colour: str | None = None,
    log: bool = False,
    label: Label | None = None,
    whole: xr.Dataset | None = None,
    beside: Sequence[Axes] | None = None,
) -> Axes:
    """Any record against step.

    Args:
      dataset: with the variable along `step`.
      ax: where to draw.
      variable: its name.
      colour: as in `loss_trace`.
      log: whether the vertical scale is logarithmic.
      label: as in `loss_trace`.
      whole: the dataset of all panels.
      beside: the axes of all panels, beside which the key stands.

    Returns:
      The axes.

    Raises:
      ValueError: if the variable is not one number for each step.
    """
    variable = one_of(dataset, variable, "trace")
    if set(dataset[variable].dims) - set(lane_dims(dataset)) != {"step"}:
        raise ValueError(f"Variable `{variable}` is not one number for each step of a lane.")
    for shade, words, one in _lanes(dataset, colour, label):
        for parity, half in enumerate(_halves(one)):
            ax.plot(half.step, half[variable], lw=0.8, color=shade, label=None if parity else words)
    if log:
        ax.set_yscale("log", nonpositive="mask")
    ax.set(xlabel="step", ylabel=label_of(dataset, variable), title=heading(dataset))
    _key(ax, dataset, colour, beside)
    return ax


@register("orbit", {"loss": ("step",)}, lanes=1, rank=4)
def orbit(
    dataset: xr.Dataset,
    ax: Axes,
    parameters: Sequence[str] | None = None,
    colour: str | None = None,
    label: Label | None = None,
    minima: Curve | None = None,
    mark: Place | None = None,
    mark_label: str = "",
    whole: xr.Dataset | None = None,
    beside: Sequence[Axes] | None = None,
) -> Axes:
    """The orbit in the plane of two parameters: its points, every second one joined.

    Args:
      dataset: of `eos_jax.orbits`.
      ax: where to draw.
      parameters: names of the two; by default the first two.
      colour: as in `loss_trace`.
      label: as in `loss_trace`.
      minima: the second parameter at the minima, from the first; None not to draw it.
      mark: from a lane's dataset to a point that is marked with a star.
      mark_label: what it is.
      whole: the dataset of all panels.
      beside: the axes of all panels, beside which the key stands.

    Returns:
      The axes.
    """
    first, second = _two(dataset, parameters)
    names = [f"{first}_orbit", f"{second}_orbit"]
    reach = [_reach(dataset[name].values) for name in names]
    for shade, words, one in _lanes(dataset, colour, label):
        for name, far in zip(names, reach):
            one = one.assign({name: one[name].where(abs(one[name]) <= far)})
        ax.plot(*(one[name] for name in names), ".", ms=1.5, color=shade, alpha=0.5)
        for parity, half in enumerate(_halves(one)):
            ax.plot(*(half[name] for name in names), lw=0.8, color=shade,
                    label=None if parity else words)  # fmt: skip
        if mark:
            ax.plot(*mark(one), "*", ms=9, mec="white", mew=0.6, color=shade, zorder=3)
    limits = ax.get_xlim(), ax.get_ylim()
    if minima:
        line = np.linspace(max(limits[0][0], 1e-3), limits[0][1], 400)
        ax.plot(line, minima(line), color=QUIET, lw=0.8, zorder=0, label="minima")
    if mark:
        ax.plot([], [], "*", ms=9, mec="white", color="#666666", label=mark_label)
    ax.set(xlim=limits[0], ylim=limits[1], xlabel=first, ylabel=second, title=heading(dataset))
    _key(ax, dataset, colour, beside)
    return ax


@register("orbits", {"loss": ("step",)}, whole=True, rank=1)
def orbits(
    dataset: xr.Dataset,
    figure: matplotlib.figure.Figure,
    parameters: Sequence[str] | None = None,
    colour: str | None = None,
    facet: str | None = None,
    label: Label | None = None,
    threshold_label: str = "threshold",
    minima: Curve | None = None,
    mark: Place | None = None,
    mark_label: str = "",
) -> matplotlib.figure.Figure:
    """Loss, sharpness and orbit side by side, each where the dataset has it.

    Args:
      dataset: of `eos_jax.orbits`, of one dimension of lanes, or two for rows of panels.
      figure: an empty one.
      parameters: names of the two whose plane is shown; by default the first two, where they are
        numbers; () for no plane.
      colour: as in `loss_trace`.
      facet: the dimension over which rows are made.
      label: as in `loss_trace`.
      threshold_label: as in `sharpness_trace`.
      minima: as in `orbit`.
      mark: as in `orbit`.
      mark_label: as in `orbit`.

    Returns:
      The figure.

    Source: Zhu et al. 2023, figure 2a.
    """
    colour, facet = _colour_and_facet(dataset, colour, facet)
    common: Any = {"colour": colour, "label": label}
    panels: list[tuple[Callable, dict]] = [(loss_trace, common)]
    if "sharpness" in dataset and "step" in dataset.sharpness.dims:
        panels.append((sharpness_trace, {**common, "threshold_label": threshold_label}))
    if (parameters is not None and len(parameters)) or (
        parameters is None and _scalars(dataset)[1:]
    ):
        plane = {"parameters": parameters, "minima": minima, "mark": mark, "mark_label": mark_label}
        panels.append((orbit, {**common, **plane}))
    rows = _rows(dataset, facet)
    width, height = {1: 4.2, 2: 6.4, 3: 7.2}[len(panels)], {1: 3.2, 2: 2.8, 3: 2.9}[len(panels)]
    figure.set_size_inches(width, height + (len(rows) - 1) * 2.3)
    axes = figure.subplots(len(rows), len(panels), squeeze=False)
    for row, (words, part) in zip(axes, rows):
        for ax, (function, options) in zip(row, panels):
            function(part, ax, **options, beside=[])
            ax.set_title("")
        row[0].set_title(words, loc="left")
    if colour:
        bar_along(figure, dataset, colour, list(axes.flat))
    legend_outside(figure, axes)
    return figure


def loss_and_sharpness(dataset: xr.Dataset, **options: Any) -> Figure:
    """Loss and sharpness side by side.

    Args:
      dataset: as in `orbits`.
      **options: as in `orbits`.

    Returns:
      The figure.
    """
    with style():
        figure = new_figure()
        orbits(dataset, figure, parameters=(), **options)
    return figure


def _lanes(
    dataset: xr.Dataset, colour: str | None, label: Label | None
) -> Iterator[tuple[Any, str | None, xr.Dataset]]:
    """Colour, label and data of each lane, what has diverged left out."""
    dataset = _near(dataset)
    dim = _colour_dim(dataset, colour)
    entries = [(colours(1)[0], None, dataset)] if dim is None else coloured(dataset, dataset, dim)
    for shade, words, group in entries:
        words = label(group) if label else words
        others = [d for d in lane_dims(group) if d in group.dims]
        lanes = (
            group.stack({_OTHERS: others}, create_index=False)
            if others
            else group.expand_dims(_OTHERS)
        )
        for place in range(lanes.sizes[_OTHERS]):
            yield shade, words if place == 0 else None, lanes.isel({_OTHERS: place})


_OTHERS = "lanes of one colour"


def _near(dataset: xr.Dataset) -> xr.Dataset:
    """The records of floats with what has diverged as NaN."""
    names = [n for n, v in dataset.data_vars.items() if v.dtype.kind in "fiu"]
    part = dataset[names]
    return part.where(abs(part) < FAR)


def _colour_dim(dataset: xr.Dataset, colour: str | None) -> str | None:
    dims = lane_dims(dataset)
    if colour is not None:
        if colour not in dims:
            raise ValueError(
                f"Argument `colour` must be one of {', '.join(dims) or 'no dimension'}, but got "
                f"{colour!r}."
            )
        return colour
    known = hyperparameters(dataset)
    return next((dim for dim in dims if dim in known), dims[0] if dims else None)


def _colour_and_facet(
    dataset: xr.Dataset, colour: str | None, facet: str | None
) -> tuple[str | None, str | None]:
    """The dimension of colours, and that of rows if there is one more."""
    dims = lane_dims(dataset)
    if facet is not None and facet not in dims:
        raise ValueError(f"Argument `facet` must be one of {', '.join(dims)}, but got {facet!r}.")
    if colour is None:
        rest = [dim for dim in dims if dim != facet]
        known = [dim for dim in rest if dim in hyperparameters(dataset)]
        colour = next(iter(known + rest), None)
    else:
        colour = _colour_dim(dataset, colour)
    others = [dim for dim in dims if dim != colour]
    if facet is None:
        facet = others[0] if others else None
    if len(others) > 1:
        raise ValueError(
            f"Orbits are shown over two dimensions at most, but got {', '.join(dims)}; select "
            f"first, e.g. isel={{{others[-1]!r}: 0}}."
        )
    return colour, facet


def _rows(dataset: xr.Dataset, facet: str | None) -> list[tuple[str, xr.Dataset]]:
    """Words and data of each row of panels."""
    if facet is None:
        return [("", dataset)]
    dataset = sorted_along(dataset, facet)
    labels = labels_along(dataset, facet)
    chosen = spread(dataset.sizes[facet], ROWS)
    return [(labels[place], dataset.isel({facet: place})) for place in chosen]


def _dots(values: xr.DataArray) -> dict[str, Any]:
    """Dots where a line has too few points to be seen."""
    return {"marker": ".", "ms": 4} if int(np.isfinite(values).sum()) < 3 else {}


def _halves(lane: xr.Dataset) -> list[xr.Dataset]:
    """Even and odd steps apart: an oscillation is then two curves, not a filled area.

    Samples that are all of one parity are one curve.
    """
    steps = lane.step.values
    if len(steps) > 1 and (steps[1] - steps[0]) % 2 == 0:
        return [lane]
    return [lane.isel(step=slice(parity, None, 2)) for parity in (0, 1)]


def _scalars(dataset: xr.Dataset) -> list[str]:
    """Names of the parameters that are numbers and recorded at every step."""
    dims = {*lane_dims(dataset), "step"}
    return [
        name.removesuffix("_orbit")
        for name, values in ordered(dataset.data_vars)
        if name.endswith("_orbit") and set(values.dims) == dims
    ]


def _two(dataset: xr.Dataset, parameters: Sequence[str] | None) -> tuple[str, str]:
    """The two parameters of a plane."""
    there = _scalars(dataset)
    wanted = tuple(there[:2] if parameters is None else parameters)
    if len(wanted) != 2 or not set(wanted) <= set(there):
        raise ValueError(
            "An orbit is drawn in the plane of two parameters that are numbers and recorded at "
            f"every step, of {', '.join(there) or 'which there are none'}, but got "
            f"{', '.join(map(str, wanted)) or 'none'}."
        )
    return wanted[0], wanted[1]


def _reach(values: np.ndarray) -> float:
    """How far out a parameter is shown: an orbit that escapes would hide all others."""
    size = np.abs(values)
    stays = ~(size[..., -1:] > ESCAPE) & np.isfinite(size[..., -1:])
    counted = np.where(stays, size, 0).max(initial=0), size[..., 0].max(initial=0)
    return float(10 * np.nanmax([*counted, 0])) or 1.0


def _key(ax: Axes, dataset: xr.Dataset, colour: str | None, beside: Sequence[Axes] | None) -> None:
    """The legend of an axes that stands alone, or the key of panels with the last of them."""
    dim = _colour_dim(dataset, colour)
    if beside is None:
        if ax.get_legend_handles_labels()[0]:
            ax.legend()
        beside = [ax]
    elif beside:
        legend_below(ax.figure, beside, ax.get_legend_handles_labels()[0])
    if dim is not None and beside:
        bar_along(ax.figure, dataset, dim, beside)
    if not any(np.isfinite(np.asarray(line.get_ydata(), float)).any() for line in ax.lines):
        say(ax, "nothing finite")
