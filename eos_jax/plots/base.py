"""The registry of pictures, and `draw`, which picks one and applies it.

A picture is a function of a dataset and an axes that draws into the axes and returns it. It says
with `@register` which variables it needs, so that `kinds` can tell what a dataset can be drawn as.
A picture of several axes is a function of a dataset and a figure.
"""

import fnmatch
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from eos_jax.plots.axes import (
    SHOWN,
    heading,
    labels_along,
    lane_dims,
    select,
    sorted_along,
    thin,
)
from eos_jax.plots.style import Figure, new_figure, style, subplots

PANELS = 12
"""Panels of a figure at most; of more values along a dimension, evenly spread ones are shown."""


class Picture(NamedTuple):
    """One kind of picture.

    Attributes:
      kind: its name.
      function: draws a dataset into an axes, or into a figure where `whole`.
      needs: for each variable it needs, the dimensions that this must have besides lanes; a name
        such as `*exponent` stands for any that ends so.
      lanes: dimensions of lanes that one axes shows at most.
      whole: whether it fills a figure by itself.
      rank: `draw` picks the picture of the lowest.
    """

    kind: str
    function: Callable[..., Any]
    needs: Mapping[str, tuple[str, ...]]
    lanes: int
    whole: bool
    rank: float

    @property
    def title(self) -> str:
        """What it shows, one line."""
        return (self.function.__doc__ or "").strip().splitlines()[0]

    @property
    def options(self) -> tuple[str, ...]:
        """Names of what can be said about it besides the dataset and where to draw."""
        hidden = ("whole", "beside")
        return tuple(n for n in list(inspect.signature(self.function).parameters)[2:]
                     if n not in hidden)  # fmt: skip


registry: dict[str, Picture] = {}
"""Pictures by kind; filled by `register`."""


def register(
    kind: str,
    needs: Mapping[str, tuple[str, ...]],
    lanes: int = 2,
    whole: bool = False,
    rank: float = 50,
) -> Callable[[Callable], Callable]:
    """Register a picture.

    Args:
      kind: its name.
      needs: for each variable it needs, the dimensions that this must have besides lanes; for
        example `{"outcome": (), "loss": ("step",)}`, or `{"*exponent": ()}` for any that ends so.
      lanes: dimensions of lanes that one axes shows at most. Over one more `draw` makes panels;
        then a picture that has the arguments `whole`, the dataset of all panels, and `beside`, the
        axes that its key stands beside (none before the last panel), shares its scale.
      whole: for a function of a dataset and a figure.
      rank: `draw` picks the picture of the lowest rank that a dataset can be drawn as.

    Returns:
      A decorator.

    Example:
      >>> @register("number of lanes", {"outcome": ()}, rank=99)
      ... def number_of_lanes(dataset, ax):
      ...     ax.text(0.5, 0.5, str(dataset.outcome.size))
      ...     return ax
      >>> registry.pop("number of lanes").lanes
      2
    """

    def decorate(function: Callable) -> Callable:
        registry[kind] = Picture(kind, function, needs, lanes, whole, rank)
        return function

    return decorate


def kinds(dataset: xr.Dataset) -> list[str]:
    """What a dataset can be drawn as, the default first.

    Args:
      dataset: of `eos_jax.sweep` or `eos_jax.orbits`, or one with such variables.

    Returns:
      Names for the argument `kind` of `draw`.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> kinds(eos.sweep(obj, {"x": [2.0, 2.5], "y": 0.4, "eta": 0.2}, 10, keep=["loss"]))
      ['outcome', 'map', 'curves']
    """
    fitting = [picture for picture in registry.values() if not _lacks(picture, dataset)]
    return [picture.kind for picture in sorted(fitting, key=lambda picture: picture.rank)]


def draw(
    dataset: xr.Dataset,
    kind: str | None = None,
    *,
    sel: Mapping[str, Any] | None = None,
    isel: Mapping[str, Any] | None = None,
    facet: str | None = None,
    title: str | None = None,
    **options: Any,
) -> Figure:
    """The figure of a dataset.

    Args:
      dataset: of `eos_jax.sweep` or `eos_jax.orbits`.
      kind: one of `kinds(dataset)`; by default the first, or, where a `variable` is given, a map
        of it or curves.
      sel: for each dimension of lanes, the value to keep (the nearest one is taken) or a slice of
        values.
      isel: for each dimension, the index to keep or a slice of indices.
      facet: dimension over which panels are made; by default that with the fewest values, where
        there is one more dimension than an axes can show.
      title: in place of the rule and what is fixed; "" for none.
      **options: of the picture, such as `variable`, `cmap`, `limits`, `log`, `band`.

    Returns:
      The figure; `save` writes it, a notebook shows it.

    Raises:
      ValueError: if there is no such picture, or the dataset lacks what it needs.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> ds = eos.sweep(obj, {"x": [2.0, 2.5], "y": [0.3, 0.4], "eta": 0.2}, 1000)
      >>> eos.plots.draw(ds).axes[0].get_title()
      'eta = 0.2'
    """
    dataset = select(dataset, sel or {}, isel or {})
    picture = find(dataset, kind, options)
    _check_options(picture, options)
    with style():
        if picture.whole:
            figure = new_figure()
            given = {"facet": facet} if "facet" in picture.options else {}
            if facet is not None and not given:
                raise ValueError(f"A picture `{picture.kind}` has no panels to make over a facet.")
            picture.function(dataset, figure, **given, **options)
            figure.suptitle(heading(dataset) if title is None else title)
            return figure
        over = _facet(picture, dataset, facet, options)
        if over is None:
            figure, axes = subplots()
            ax = picture.function(dataset, axes[0, 0], **options)
            if title is not None:
                ax.set_title(title)
            return figure
        return _panels(picture, dataset, over, title, options)


def find(dataset: xr.Dataset, kind: str | None, options: Mapping[str, Any] = {}) -> Picture:
    """The picture of a kind that a dataset can be drawn as.

    Args:
      dataset: to be drawn.
      kind: its name; None for the default.
      options: of the picture; a variable among them decides the default.

    Returns:
      The picture.

    Raises:
      ValueError: if there is none.
    """
    possible = kinds(dataset)
    if kind is None and not possible:
        raise ValueError(
            "The dataset has nothing to draw: none of "
            f"{', '.join(sorted({name for p in registry.values() for name in p.needs}))}."
        )
    if kind is None:
        return registry[_kind_for(dataset, options.get("variable")) or possible[0]]
    if kind not in registry:
        raise ValueError(
            f"Argument `kind` must be one of {', '.join(possible)} for this dataset, but got "
            f"{kind!r}."
        )
    lacking = _lacks(registry[kind], dataset)
    if lacking:
        raise ValueError(
            f"A picture `{kind}` needs {lacking}, which this dataset does not have; it can be "
            f"drawn as {', '.join(possible) or 'nothing'}."
        )
    return registry[kind]


def _kind_for(dataset: xr.Dataset, variable: str | None) -> str | None:
    """The kind that suits a variable asked for."""
    if variable is None or variable not in dataset:
        return None if variable is None else "map"  # which says what there is
    dims = dataset[variable].dims
    if "step" in dims:
        return "trace"
    if "point" in dims:
        return "branch"
    return "map" if len(dims) > 1 else "curves"


def _lacks(picture: Picture, dataset: xr.Dataset) -> str:
    """The first variable that a picture needs and a dataset has not, in words."""
    lanes = lane_dims(dataset)
    for name, dims in picture.needs.items():
        along = f" along {', '.join(dims)}" if dims else ""
        found = matching(dataset, name)
        if not found:
            return f"`{name}`{along}"
        if not any(set(dataset[one].dims) - set(lanes) == set(dims) for one in found):
            return f"`{name}`{along or ' of lanes alone'}"
    return ""


def matching(dataset: xr.Dataset, name: str) -> list[str]:
    """The variables of a name, or of any name that ends as in "*exponent"."""
    return fnmatch.filter(map(str, dataset.data_vars), name)


def _check_options(picture: Picture, options: Mapping[str, Any]) -> None:
    unknown = [name for name in options if name not in picture.options]
    if unknown:
        known = ", ".join(picture.options) or "none"
        raise ValueError(
            f"A picture `{picture.kind}` has no option `{unknown[0]}`; its options are {known}."
        )
    if options.get("limits") is not None:
        low, high = options["limits"]
        if not low < high:
            raise ValueError(f"Argument `limits` must be low and high, but got {low}, {high}.")
        if options.get("log") and low <= 0:
            raise ValueError(
                f"Argument `limits` must be positive on a logarithmic scale, but got {low}."
            )


def _facet(
    picture: Picture, dataset: xr.Dataset, facet: str | None, options: Mapping[str, Any]
) -> str | None:
    """The dimension to make panels over, if any."""
    variable = options.get("variable")
    dims = lane_dims(dataset)
    if variable in dataset:
        every = tuple(str(dim) for dim in dataset[variable].dims)
        dims = tuple(dim for dim in every if picture.lanes > 1 or dim in dims)
    if facet is not None:
        if facet not in dims:
            raise ValueError(
                f"Argument `facet` must be one of {', '.join(dims) or 'no dimension'}, but got "
                f"{facet!r}."
            )
        dims = tuple(dim for dim in dims if dim != facet)
    if len(dims) > picture.lanes + (facet is None):
        raise ValueError(
            f"A picture `{picture.kind}` shows at most {picture.lanes} dimensions and panels over "
            f"one more, but got {', '.join(dims)}; select first, e.g. isel={{{dims[0]!r}: 0}}."
        )
    if facet is None and len(dims) > picture.lanes:
        return min(reversed(dims), key=lambda dim: dataset.sizes[dim])
    return facet


def _panels(
    picture: Picture,
    dataset: xr.Dataset,
    facet: str,
    title: str | None,
    options: Mapping[str, Any],
) -> Figure:
    """Small multiples over one dimension, with one scale for all."""
    size = dataset.sizes[facet]
    chosen = spread(size, PANELS)
    columns = min(4, math.ceil(math.sqrt(len(chosen))))
    needed = [name for pattern in picture.needs for name in matching(dataset, pattern)]
    names = [*needed, *_USEFUL, options.get("variable", "")]
    shown = thin(sorted_along(dataset, facet).isel({facet: chosen}), SHOWN // columns)
    for name in {*names} & {*shown.data_vars}:
        shown[name].load()  # once, not for each panel
    labels = labels_along(shown, facet)
    rows = math.ceil(len(chosen) / columns)
    figure, axes = subplots(
        rows,
        columns,
        width=min(7.2, 1.6 + 2.6 * columns),
        height=1.2 + 2.1 * rows,
        sharex=True,
        sharey=True,
    )
    used: Sequence[Axes] = list(axes.flat[: len(chosen)])
    shares = "whole" in inspect.signature(picture.function).parameters
    for place, ax in enumerate(used):
        shared = {"whole": shown, "beside": used if ax is used[-1] else []} if shares else {}
        picture.function(shown.isel({facet: place}), ax, **options, **shared)
        ax.set_title(labels[place])
        ax.label_outer()
    for ax in axes.flat[len(chosen) :]:
        ax.remove()
    if len(chosen) % columns:  # the last of a column may stand above an empty place
        for ax in used[len(chosen) - columns :]:
            ax.tick_params(labelbottom=True)
    if title is None:
        few = f"{len(chosen)} of {size} values of {facet}" if len(chosen) < size else ""
        title = "; ".join(part for part in (heading(shown), few) if part)
    figure.suptitle(title)
    return figure


_USEFUL = ("outcome", "steps", "sharpness", "curvature", "threshold")  # if they are there


def spread(size: int, most: int) -> list[int]:
    """Indices of at most so many of `size` places, evenly spread, with both ends.

    Example:
      >>> spread(3, 12), spread(33, 5)
      ([0, 1, 2], [0, 8, 16, 24, 32])
    """
    return np.unique(np.linspace(0, size - 1, min(size, most)).round().astype(int)).tolist()
