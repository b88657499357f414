"""Axes to lanes to tiles: which starts and step sizes a sweep runs, and in which order.

Lanes are numbered in C order of the dataset's dimensions. A tile is a block of the dataset that
is also a contiguous range of lanes, so that what is computed at once is what is written at once.
What a lane starts from depends on its number alone.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from eos_jax.objectives.base import Objective, check_names

RESERVED = ("eta", "lane", "step", "outcome", "steps", "loss", "sharpness")
"""Names of a result that parameters cannot have."""


class Grid(NamedTuple):
    """The lanes of a sweep.

    Attributes:
      dims: names of the dataset's dimensions, in the order of the axes given.
      shape: their lengths.
      values: for each parameter and eta, its values: shape (n,) + the parameter's shape along its
        dimension, or the parameter's shape alone where it is the same for every lane.
      along: the dimension that each name varies along; names that do not vary are absent.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    values: dict[str, np.ndarray]
    along: dict[str, str]

    @property
    def lanes(self) -> int:
        """How many lanes there are."""
        return math.prod(self.shape)


class Tile(NamedTuple):
    """A block of the dataset: `start[d] <= index[d] < stop[d]` along every dimension."""

    start: tuple[int, ...]
    stop: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the block."""
        return tuple(b - a for a, b in zip(self.start, self.stop))

    @property
    def slices(self) -> tuple[slice, ...]:
        """The block as an index."""
        return tuple(map(slice, self.start, self.stop))


def make_grid(objective: Objective, axes: Mapping[str, Any], dtype, combine: str) -> Grid:
    """The grid of a sweep's axes; raises ValueError on names, shapes and values that do not fit.

    Args:
      objective: the objective.
      axes: a scalar or an array for each parameter and for eta.
      dtype: dtype of the lanes.
      combine: "product" for every combination of the axes, "zip" for arrays of one length taken
        together, along one dimension `lane`.
    """
    if combine not in ("product", "zip"):
        raise ValueError(f"Argument `combine` must be product or zip, but got {combine!r}.")
    if "eta" not in axes:
        raise ValueError("Argument `axes` must give the step size `eta`.")
    for name in objective.parameters:
        if name in RESERVED:
            raise ValueError(f"A parameter cannot be named `{name}`, a name that results use.")
        if not name.isidentifier():  # it becomes a folder of a store
            raise ValueError(f"The name of a parameter must be an identifier, but got {name!r}.")
    check_names(objective, {n: v for n, v in axes.items() if n != "eta"}, "axes")
    shapes = {**dict(zip(objective.parameters, objective.shapes)), "eta": ()}
    values, along = {}, {}
    for name, given in axes.items():
        value = _numbers(name, given, dtype)
        own = shapes[name]
        varies = value.ndim - len(own)
        if varies not in (0, 1) or value.shape[varies:] != own:
            raise ValueError(
                f"Argument `axes` must give `{name}` with shape {own} or (n, *{own}), "
                f"but got {value.shape}."
            )
        if varies and len(value) == 0:
            raise ValueError(f"Axis `{name}` must have at least one value, but it is empty.")
        if varies:
            along[name] = name if combine == "product" else "lane"
        values[name] = value
    if not np.all((values["eta"] > 0) & (values["eta"] < np.inf)):
        bad = values["eta"][~((values["eta"] > 0) & (values["eta"] < np.inf))]
        raise ValueError(f"Axis `eta` must be positive and finite, but got {bad.flat[0]}.")
    lengths = {name: len(values[name]) for name in along}
    if combine == "product":
        dims, shape = tuple(lengths), tuple(lengths.values())
    else:
        if len(set(lengths.values())) > 1:
            raise ValueError(
                "Axes combined by zip must have one length, but got "
                f"{', '.join(f'{n}: {k}' for n, k in lengths.items())}."
            )
        dims, shape = (("lane",), (next(iter(lengths.values())),)) if lengths else ((), ())
    return Grid(dims, shape, values, along)


def _numbers(name, given, dtype):
    """An axis as an array; NumPy alone would take text for numbers and None for NaN."""
    try:
        value = np.asarray(given)
    except (TypeError, ValueError):  # rows of different lengths
        value = np.asarray(None)
    if value.dtype.kind not in "iuf" and value.size:
        raise ValueError(f"Argument `axes` must give `{name}` as numbers, but got {given!r}.")
    with np.errstate(over="ignore"):  # too large for the dtype: infinite, an invalid start
        return value.astype(dtype)


def tile_shape(shape: tuple[int, ...], lanes: int) -> tuple[int, ...]:
    """The largest block of at most `lanes` lanes that is a contiguous range of them.

    Example:
      >>> tile_shape((100, 1000), 16_384)
      (16, 1000)
      >>> tile_shape((100, 1000), 256)
      (1, 256)
    """
    block = [1] * len(shape)
    for axis in reversed(range(len(shape))):
        block[axis] = max(1, min(shape[axis], lanes // math.prod(block)))
        if block[axis] < shape[axis]:
            break
    return tuple(block)


def tiles(shape: tuple[int, ...], block: tuple[int, ...]) -> Iterator[Tile]:
    """The blocks in order of their lanes; those at the far edges may be smaller."""
    for index in np.ndindex(*(-(-n // b) for n, b in zip(shape, block))):
        start = tuple(i * b for i, b in zip(index, block))
        yield Tile(start, tuple(min(a + b, n) for a, b, n in zip(start, block, shape)))


def starts(grid: Grid, tile: Tile) -> dict[str, np.ndarray]:
    """What the lanes of one tile start from: leaves of shape (lanes,) + the parameter's shape."""
    lanes = math.prod(tile.shape)
    result = {}
    for name, value in grid.values.items():
        if name not in grid.along:
            result[name] = np.broadcast_to(value, (lanes, *value.shape))
            continue
        axis = grid.dims.index(grid.along[name])
        own = value.shape[1:]
        piece = value[tile.slices[axis]]
        ones = [1] * len(tile.shape)
        ones[axis] = len(piece)
        piece = np.broadcast_to(piece.reshape(*ones, *own), (*tile.shape, *own))
        result[name] = piece.reshape(lanes, *own)
    return result
