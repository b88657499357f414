"""From dimensions of a dataset to axes of a picture: order, scale, edges of cells, labels."""

import json
import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

SHOWN = 1500
"""Points along an axis of a picture; larger maps are thinned, which leaves categories alone."""

FIXED = 6
"""Values that a title names at most."""

WHOLE = ("step", "bin")
"""Dimensions that are never thinned: between two places along them lies what is looked for."""


class Axis(NamedTuple):
    """One dimension as an axis of a picture.

    Attributes:
      name: of the dimension.
      order: places along the dimension, from low to high; values seen twice or not finite are
        left out.
      values: where they are drawn.
      edges: of their cells, one more than values.
      log: whether the scale is logarithmic.
      ticks: labels at the values where they are no numbers, or too few to have ticks of their own.
    """

    name: str
    order: np.ndarray
    values: np.ndarray
    edges: np.ndarray
    log: bool
    ticks: tuple[str, ...] | None

    @property
    def even(self) -> bool:
        """Whether all cells are equally wide as they are drawn."""
        steps = np.diff(self.edges)
        return not self.log and bool(np.allclose(steps, steps.mean(), rtol=1e-6, atol=0))


def axis(dataset: xr.Dataset, dim: str) -> Axis:
    """How a dimension is drawn: sorted, on a log scale where its values grow geometrically.

    A coordinate's attribute `scale`, "log" or "linear", decides otherwise.

    Args:
      dataset: with the dimension; without a coordinate of it, places are counted.
      dim: its name.

    Returns:
      The axis.

    Example:
      >>> import xarray as xr
      >>> found = axis(xr.Dataset(coords={"eta": [0.1, 0.001, 0.01]}), "eta")
      >>> found.log, found.values.tolist()
      (True, [0.001, 0.01, 0.1])
    """
    coordinate = dataset[dim]
    values = coordinate.values
    named = values.dtype.kind not in "fiub"
    numbers = np.arange(len(values)) if named else values.astype(float)
    numbers, order = np.unique(numbers, return_index=True)
    finite = np.isfinite(numbers)
    if not finite.any():  # nothing to place them by
        numbers, order = np.arange(len(values), dtype=float), np.arange(len(values))
        named, finite = True, np.ones(len(values), bool)
    numbers, order = numbers[finite], order[finite]
    scale = coordinate.attrs.get("scale")
    log = scale == "log" if scale else not named and is_geometric(numbers)
    log = log and bool((numbers > 0).all())
    few = named or len(numbers) == 1
    ticks = tuple(written(values[place]) for place in order) if few else None
    return Axis(dim, order, numbers, cell_edges(numbers, log), log, ticks)


def is_geometric(values: np.ndarray) -> bool:
    """Whether sorted values grow by one factor, and by enough to be told from even steps.

    Example:
      >>> is_geometric(np.geomspace(0.01, 1, 7)), is_geometric(np.linspace(0.01, 1, 7))
      (True, False)
    """
    if len(values) < 3 or values[0] <= 0 or values[-1] < 1.5 * values[0]:
        return False
    steps = np.diff(np.log(values))
    return bool(np.ptp(steps) < 1e-3 * steps.mean())  # float32 keeps that of 1500 points


def cell_edges(values: np.ndarray, log: bool = False) -> np.ndarray:
    """Edges of the cells around sorted points, half-way between them.

    Example:
      >>> cell_edges(np.array([1.0, 2.0, 4.0])), cell_edges(np.array([1.0, 4.0]), log=True)
      (array([0.5, 1.5, 3. , 5. ]), array([0.5, 2. , 8. ]))
    """
    if len(values) == 1:
        half = abs(values[0]) / 2 or 0.5
        return np.array([values[0] - half, values[0] + half])
    points = np.log(values) if log else values
    inner = (points[1:] + points[:-1]) / 2
    edges = np.concatenate([[2 * points[0] - inner[0]], inner, [2 * points[-1] - inner[-1]]])
    return np.exp(edges) if log else edges


def set_axis(ax: Axes, side: str, drawn: Axis, cells: bool = True) -> None:
    """Give the axis "x" or "y" of an axes its scale, limits, ticks and label.

    Args:
      ax: the axes.
      side: "x" or "y".
      drawn: the dimension.
      cells: whether its values are cells of a map, which fill the axes, and not points.
    """
    target = {"x": ax.xaxis, "y": ax.yaxis}[side]
    if drawn.log:
        ax.set(**{f"{side}scale": "log"})
        set_log_ticks(target, drawn.edges[-1] / drawn.edges[0])
    if cells:
        ax.set(**{f"{side}lim": (drawn.edges[0], drawn.edges[-1])})
    if drawn.ticks is not None:
        some = slice(None, None, math.ceil(len(drawn.values) / 12))
        target.set_ticks(drawn.values[some], drawn.ticks[some])
    ax.set(**{f"{side}label": drawn.name})


def set_log_ticks(target: XAxis | YAxis, ratio: float) -> None:
    """Plain numbers at 1, 2, 5 of each decade where a logarithmic scale has few decades."""
    if ratio < 1000:
        target.set_major_locator(LogLocator(subs=(1, 2, 5)))
        target.set_major_formatter(StrMethodFormatter("{x:g}"))
        target.set_minor_formatter(NullFormatter())


def mark_lanes(ax: Axes, drawn: Axis, which: np.ndarray, colour: str, label: str) -> None:
    """Mark lanes along the lower edge of an axes, whatever its scale; none, and no label, if none.

    Args:
      ax: the axes.
      drawn: the dimension of its x axis.
      which: booleans, one for each of its values, in the order drawn.
      colour: of the marks.
      label: for the legend.
    """
    if which.any():
        ax.plot(drawn.values[which], np.full(which.sum(), 0.02), "|", ms=6, color=colour,
                transform=ax.get_xaxis_transform(), label=label)  # fmt: skip


def lane_dims(dataset: xr.Dataset) -> tuple[str, ...]:
    """The dimensions of lanes: those of `outcome`, or where there is none of the loss."""
    if "outcome" in dataset:
        return tuple(str(dim) for dim in dataset.outcome.dims)
    for name in ("loss", *dataset.data_vars):
        if name in dataset:
            return tuple(str(dim) for dim in dataset[name].dims if dim not in ("step", "point"))
    return ()


def hyperparameters(dataset: xr.Dataset) -> list[str]:
    """Names of the coordinates that are no starts and no steps: those of the rule."""
    return [
        name
        for name, values in ordered(dataset.coords)
        if not str(values.attrs.get("long_name", "")).startswith("start of ")
        and (values.ndim == 0 or set(values.dims) <= set(lane_dims(dataset)))
    ]


def ordered(variables: Mapping[Hashable, xr.DataArray]) -> list[tuple[str, xr.DataArray]]:
    """Names and variables in an order of ours: a store gives them in any.

    Step sizes come first, and w after x, y, z.
    """

    def place(name: str) -> tuple:
        return (not name.startswith("eta"), name[:1] == "w", name)

    return sorted(((str(n), v) for n, v in variables.items()), key=lambda item: place(item[0]))


def thinned(dataset: xr.Dataset, names: Sequence[str]) -> xr.Dataset:
    """The variables named, in memory, thinned."""
    return thin(dataset[list(names)], SHOWN).load()


def thin(dataset: xr.Dataset, most: int) -> xr.Dataset:
    """A dataset with at most so many values of each dimension but `step` and `bin`."""
    sizes = {dim: size for dim, size in dataset.sizes.items() if dim not in WHOLE}
    return dataset.isel({dim: slice(None, None, math.ceil(n / most)) for dim, n in sizes.items()})


def sorted_along(dataset: xr.Dataset, dim: str) -> xr.Dataset:
    """The dataset with a dimension from low to high."""
    return dataset.isel({dim: axis(dataset, dim).order})


def select(
    dataset: xr.Dataset,
    sel: Mapping[str, Any],
    isel: Mapping[str, Any] = {},
) -> xr.Dataset:
    """Part of a dataset: the places nearest to values, or within slices of values.

    Args:
      dataset: of any kind.
      sel: for each dimension a value, or a slice of values with both ends.
      isel: for each dimension an index, or a slice of indices.

    Returns:
      The part.

    Raises:
      ValueError: if there is no such dimension, or the axis does not reach that value.

    Example:
      >>> import xarray as xr
      >>> dataset = xr.Dataset(coords={"eta": [0.3, 0.1, 0.2]})
      >>> float(select(dataset, {"eta": 0.19}).eta)
      0.2
      >>> select(dataset, {"eta": slice(0.15, None)}).eta.values
      array([0.3, 0.2])
    """
    known = dict.fromkeys((*(dataset.outcome.dims if "outcome" in dataset else ()), *dataset.dims))
    for dim in [*sel, *isel]:
        if dim not in known:
            raise ValueError(
                "Arguments `sel` and `isel` must name dimensions among "
                f"{', '.join(map(str, known)) or 'none'}, but got `{dim}`."
            )
    places = {dim: _places(dataset[dim].values, wanted, dim) for dim, wanted in sel.items()}
    for dim, wanted in isel.items():
        size = dataset.sizes[dim]
        if not isinstance(wanted, slice) and not -size <= wanted < size:
            raise ValueError(f"Dimension `{dim}` has {size} values, but got the index {wanted}.")
        places[dim] = wanted
    part = dataset.isel(places)
    if any(part.sizes.get(dim) == 0 for dim in (*places, *lane_dims(dataset))):
        raise ValueError("Nothing is left of the dataset after the selection.")
    if "trust" in part.attrs and part.sizes != dataset.sizes:
        part = part.assign_attrs(trust=f"of all lanes together, {part.attrs['trust']}")
    return part


def _places(values: np.ndarray, wanted: Any, dim: str) -> Any:
    """Where along a dimension a value or a slice of values is."""
    if values.dtype.kind not in "fiub":
        found = np.flatnonzero(values.astype(str) == str(wanted))
        if not found.size:
            raise ValueError(f"Dimension `{dim}` has {', '.join(map(str, values))}, not {wanted}.")
        return int(found[0])
    if isinstance(wanted, str):
        raise ValueError(f"Dimension `{dim}` has numbers, but got {wanted!r}.")
    low, high = np.nanmin(values), np.nanmax(values)
    if isinstance(wanted, slice):
        low = low if wanted.start is None else wanted.start
        high = high if wanted.stop is None else wanted.stop
        return np.flatnonzero((values >= low) & (values <= high))
    room = (float(high) - float(low)) / max(1, 2 * (len(values) - 1)) + 1e-6 * abs(float(high))
    if not low - room <= wanted <= high + room:
        raise ValueError(f"Dimension `{dim}` goes from {low:g} to {high:g}, but got {wanted}.")
    return int(np.nanargmin(abs(values.astype(float) - wanted)))


def heading(dataset: xr.Dataset) -> str:
    r"""The rule and what is fixed, and below it how far fates can be trusted, where that is known.

    Example:
      >>> import xarray as xr
      >>> heading(xr.Dataset(coords={"eta": 0.2}, attrs={"trust": "trusted: 99 % of lanes (ulp)"}))
      'eta = 0.2\ntrusted: 99 % of lanes (ulp)'
    """
    lines = (_settings(dataset), str(dataset.attrs.get("trust", "")))
    return "\n".join(line for line in lines if line)


def _settings(dataset: xr.Dataset) -> str:
    """The rule, unless it is gradient descent, and what is fixed: eta = 0.2, momentum = 0.9."""
    fixed = [n for n in hyperparameters(dataset) if dataset[n].ndim == 0 and n != "step"]
    starts = [n for n, v in ordered(dataset.coords) if v.ndim == 0 and n not in fixed]
    shown = fixed + (starts if len(starts) <= 3 else [])
    parts = [f"{name} = {written(dataset[name].values[()])}" for name in shown[:FIXED]]
    if len(shown) > FIXED:
        parts.append("...")
    rule = rule_name(dataset)
    words = ", ".join(parts)
    if rule in ("", "gradient descent"):
        return words
    return f"{rule}: {words}" if words else rule


def rule_name(dataset: xr.Dataset) -> str:
    """What made a dataset, in words; empty where it does not say."""
    settings = json.loads(dataset.attrs.get("configuration", "{}"))
    rule = settings.get("rule", {})
    name = rule.get("name", "") if isinstance(rule, dict) else str(rule)
    return (name or str(dataset.attrs.get("rule", ""))).replace("_", " ")


def labels_along(dataset: xr.Dataset, dim: str) -> list[str]:
    """What each place along a dimension is, as eta = 0.2; of zipped axes what varies."""
    if dim in dataset.coords:
        return [f"{dim} = {written(value)}" for value in dataset[dim].values]
    along = [n for n, v in ordered(dataset.coords) if v.dims == (dim,)]
    varying = [n for n in along if len(np.unique(dataset[n].values)) > 1][:3]
    if not varying:
        return [f"{dim} {place}" for place in range(dataset.sizes[dim])]
    rows = zip(*(dataset[name].values for name in varying))
    return [", ".join(f"{n} = {written(v)}" for n, v in zip(varying, row)) for row in rows]


def written(value: Any) -> str:
    """A coordinate's value as text.

    Example:
      >>> written(0.1 + 0.2), written(np.str_("adam")), written(np.int64(100_000))
      ('0.3', 'adam', '100000')
    """
    if isinstance(value, int | np.integer):
        return str(int(value))
    return f"{float(value):.4g}" if isinstance(value, float | np.floating) else str(value)
