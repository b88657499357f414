"""Maps: a variable, the final sharpness or the fate of lanes over two dimensions.

A map is made of layers, a pure function of a dataset. Panels take the scales of the layers of
all panels together, and the values of their own.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap, LogNorm, Normalize
from matplotlib.patches import Patch

from eos_jax.colours import BESIDE_SHARPNESS, OUTCOME_COLOURS, SHADED, shades
from eos_jax.outcomes import Outcome
from eos_jax.plots import lines
from eos_jax.plots.axes import Axis, axis, heading, lane_dims, set_axis, thinned
from eos_jax.plots.base import register
from eos_jax.plots.edge import band_label, has_threshold, in_band
from eos_jax.plots.style import BAND, SHARPNESS
from eos_jax.results.labels import judged


class Layer(NamedTuple):
    """One colour or one scale of colours of a map.

    Attributes:
      label: in the key.
      values: by which cells are coloured; NaN where they are left alone.
      colours: one colour, or a colour map.
      norm: of a colour map.
      shown: least and greatest value that the colour bar shows, if not all.
    """

    label: str
    values: xr.DataArray
    colours: str | Colormap
    norm: Normalize | None = None
    shown: tuple[float, float] | None = None


@register("sharpness", {"outcome": (), "sharpness": ()}, rank=10)
def sharpness_map(
    dataset: xr.Dataset,
    ax: Axes,
    band: float = 0.01,
    relative: bool = True,
    threshold_label: str = "the threshold",
    cmap: str = SHARPNESS,
    limits: tuple[float, float] | None = None,
    whole: xr.Dataset | None = None,
    beside: Sequence[Axes] | None = None,
) -> Axes:
    """Final sharpness, and the band just below the threshold in one colour.

    Where the rule judges by another curvature than the sharpness, it is that.

    Args:
      dataset: of `eos_jax.sweep`, of two dimensions, or of one for points with the threshold.
      ax: where to draw.
      band: width of the band.
      relative: whether that is a part of the threshold, or in units of it.
      threshold_label: what the threshold is called.
      cmap: matplotlib's name of a colour map.
      limits: values at the ends of the colour scale.
      whole: the dataset of all panels.
      beside: the axes of all panels, beside which the key stands.

    Returns:
      The axes.

    Source: Zhu et al. 2023, figure 2b.
    """
    if len(lane_dims(dataset)) < 2:
        return lines.sharpness_curve(
            dataset, ax, band, relative, threshold_label, whole=whole, beside=beside
        )
    names = present(dataset, "outcome", judged(dataset), "threshold")

    def layers(data: xr.Dataset) -> list[Layer]:
        bend = judged(data)
        converged = data[bend].where(data.outcome == Outcome.CONVERGED)
        found = []
        if bool(np.isfinite(converged).any()):
            norm = Normalize(*(limits or _ends(converged.values)))
            label = f"{bend} of converged orbits"
            found.append(Layer(label, converged, colour_map(cmap), norm))
        if has_threshold(data):
            words = band_label(band, relative, threshold_label)
            found.append(Layer(words, mask(in_band(data, band, relative)), BAND))
        return found + [
            Layer(kind.name.lower(), mask(data.outcome == kind), BESIDE_SHARPNESS[kind])
            for kind in Outcome
            if kind != Outcome.CONVERGED
        ]

    return paint(ax, dataset, names, layers, whole, beside, "no orbit converged")


@register("outcome", {"outcome": ()}, rank=20)
def outcome_map(
    dataset: xr.Dataset,
    ax: Axes,
    whole: xr.Dataset | None = None,
    beside: Sequence[Axes] | None = None,
) -> Axes:
    """Fate, lighter or darker by the step at which it was decided.

    Args:
      dataset: of `eos_jax.sweep`, of two dimensions, or of one for points.
      ax: where to draw.
      whole: the dataset of all panels.
      beside: the axes of all panels, beside which the key stands.

    Returns:
      The axes.

    Source: Zhu et al. 2023, figure 7a (6a in the published version).
    """
    if len(lane_dims(dataset)) < 2:
        return lines.outcome_curve(dataset, ax, whole=whole, beside=beside)

    def layers(data: xr.Dataset) -> list[Layer]:
        return [_fate(data, kind) for kind in Outcome]

    return paint(ax, dataset, present(dataset, "outcome", "steps"), layers, whole, beside)


def _fate(data: xr.Dataset, kind: Outcome) -> Layer:
    """The lanes of one fate, shaded by the step where that says something."""
    mine, name = data.outcome == kind, kind.name.lower()
    if kind not in SHADES or "steps" not in data or not bool(mine.any()):
        return Layer(name, mask(mine), OUTCOME_COLOURS[kind])
    steps = np.maximum(data.steps, 1).where(mine)
    low, high = np.nanquantile(steps.values, [0.005, 0.995])
    high = max(high, low * 1.1)
    return Layer(f"steps until {name}", steps, SHADES[kind], LogNorm(low, high), (low, high))


SHADES = {kind: ListedColormap(shades(kind)) for kind in SHADED}
"""Colours of fates by the step at which they were decided."""


@register("map", {"outcome": ()}, rank=30)
def variable_map(
    dataset: xr.Dataset,
    ax: Axes,
    variable: str = "",
    cmap: str = SHARPNESS,
    limits: tuple[float, float] | None = None,
    log: bool = False,
    whole: xr.Dataset | None = None,
    beside: Sequence[Axes] | None = None,
) -> Axes:
    """Any variable; cells of which nothing is known stay white.

    Args:
      dataset: with the variable along two dimensions, or along one for a curve.
      ax: where to draw.
      variable: its name.
      cmap: matplotlib's name of a colour map.
      limits: values at the ends of the colour scale.
      log: whether the scale is logarithmic; values that are not positive stay white then.
      whole: the dataset of all panels.
      beside: the axes of all panels, beside which the key stands.

    Returns:
      The axes.
    """
    variable = lines.one_of(dataset, variable, "map")
    if dataset[variable].ndim < 2:
        return lines.curves(dataset, ax, variable, log=log, whole=whole, beside=beside)

    def layers(data: xr.Dataset) -> list[Layer]:
        values = lines.known(data[variable])
        values = values.where(values > 0) if log else values
        if not bool(np.isfinite(values).any()):
            return []
        low, high = limits or _ends(lines.not_diverged(data, values).values, log)
        norm = LogNorm(low, high) if log else Normalize(low, high)
        return [Layer(lines.label_of(data, variable), values, colour_map(cmap), norm)]

    names = [variable, *present(dataset, "outcome")]
    return paint(ax, dataset, names, layers, whole, beside, "nothing known")


def paint(
    ax: Axes,
    dataset: xr.Dataset,
    names: Sequence[str],
    layers: Callable[[xr.Dataset], list[Layer]],
    whole: xr.Dataset | None,
    beside: Sequence[Axes] | None,
    without_scale: str = "",
) -> Axes:
    """Paint a panel, and with the last one the key of all."""
    data = thinned(dataset, names)
    first, second = (axis(data, str(dim)) for dim in data[names[0]].dims)
    own = layers(data)
    everything = own if whole is None else layers(thinned(whole, names))
    shown = [layer for layer in everything if bool(layer.values.notnull().any())]
    shared = {layer.label: layer.norm for layer in shown}
    for layer in own:
        if layer.label in shared:
            _image(ax, first, second, layer._replace(norm=shared[layer.label]))
    set_axis(ax, "x", first)
    set_axis(ax, "y", second)
    ax.set_title(heading(dataset))
    if without_scale and not any(layer.norm for layer in shown):
        lines.say(ax, without_scale)
    _key(ax.figure, [ax] if beside is None else beside, shown)
    return ax


_MANY = 2**16  # cells; a mesh of a million takes half a second to draw, an image nothing


def _image(ax: Axes, first: Axis, second: Axis, layer: Layer) -> None:
    """Cells of the values, the first dimension along the horizontal axis."""
    values = layer.values.transpose(first.name, second.name).values
    values = values[np.ix_(first.order, second.order)].astype(float)
    flat = isinstance(layer.colours, str)
    colours: dict[str, Any] = {
        "cmap": ListedColormap([layer.colours]) if flat else layer.colours,
        "norm": Normalize(0, 1) if flat else layer.norm,
    }
    cells = np.ma.masked_invalid(values).T
    if cells.size > _MANY and first.even and second.even:
        ends = first.edges[0], first.edges[-1], second.edges[0], second.edges[-1]
        shown: dict[str, Any] = {"extent": ends, "origin": "lower", "interpolation": "nearest"}
        ax.imshow(cells, aspect="auto", **shown, **colours)
    else:
        ax.pcolormesh(first.edges, second.edges, cells, rasterized=True, **colours)


def _key(figure: Any, beside: Sequence[Axes], layers: Sequence[Layer]) -> None:
    """A colour bar for each scale, and a legend below of the flat colours."""
    if not beside:
        return
    for layer in layers:
        if layer.norm is not None and isinstance(layer.colours, Colormap):
            values: Any = layer.values.values
            above = layer.shown is None and bool((values > layer.norm.vmax).any())
            below = layer.shown is None and bool((values < layer.norm.vmin).any())
            beyond = _BEYOND[below, above]
            lines.colour_bar(
                figure, beside, layer.colours, layer.norm, layer.label, layer.shown, beyond
            )
    handles = [
        Patch(facecolor=layer.colours, edgecolor="#666666", label=layer.label)
        for layer in layers
        if isinstance(layer.colours, str)
    ]
    lines.legend_below(figure, beside, handles)


_BEYOND = {
    (False, False): "neither",
    (True, False): "min",
    (False, True): "max",
    (True, True): "both",
}  # by whether there are values below and above a scale: its bar has a tip there


def present(dataset: xr.Dataset, *names: str) -> list[str]:
    """Those of some names that a dataset has."""
    return [name for name in names if name in dataset]


def mask(chosen: xr.DataArray) -> xr.DataArray:
    """1 where chosen, NaN elsewhere."""
    return xr.where(chosen, 1.0, np.nan)


def _ends(values: np.ndarray, log: bool = False) -> tuple[float, float]:
    """The least and the greatest value, apart so that a scale can lie between them."""
    finite = values[np.isfinite(values)]
    low, high = float(finite.min()), float(finite.max())
    if low < high:
        return low, high
    return (low / 2, high * 2) if log else (low - (abs(low) / 20 or 1), high + (abs(low) / 20 or 1))


def colour_map(name: str) -> Colormap:
    """Matplotlib's colour map of a name.

    Raises:
      ValueError: if there is none.
    """
    if name not in matplotlib.colormaps:
        raise ValueError(f"Argument `cmap` must be a colour map of matplotlib, but got {name!r}.")
    return matplotlib.colormaps[name]
