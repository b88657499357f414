"""Axes to lanes to tiles: which starts and hyperparameters a sweep runs, and in which order.

Lanes are numbered in C order of the dataset's dimensions. A tile is a block of the dataset that
is also a contiguous range of lanes, so that what is computed at once is what is written at once.
What a lane starts from depends on its number alone.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from jax.core import Tracer

from eos_jax.checks import check_choice
from eos_jax.objectives.base import Objective
from eos_jax.rules import Rule, check_hyper, complete_hyper

RESERVED = ("lane", "step", "outcome", "steps", "loss", "sharpness", "curvature", "threshold",
            "sharpness_minimum")  # fmt: skip
"""Names of a result that parameters cannot have."""


class Along(NamedTuple):
    """Values of one name along a dimension that others may vary along too."""

    dim: str
    values: Any


def along(dim: str, values: Mapping[str, Any]) -> dict[str, Along]:
    """Axes that vary together, along one dimension of the dataset.

    Args:
      dim: name of the dimension.
      values: for each name an array of shape (n,) + its own shape, n the same for all.

    Returns:
      A part of the axes of `sweep`.

    Example:
      >>> import eos_jax as eos, numpy as np
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> starts = eos.along("start", {"x": [2.0, 2.5, 3.0], "y": [0.5, 0.4, 0.3]})
      >>> ds = eos.sweep(obj, {**starts, "eta": [0.1, 0.2]}, steps=1000)
      >>> dict(ds.sizes)
      {'start': 3, 'eta': 2}
    """
    return {name: Along(dim, value) for name, value in values.items()}


class Grid(NamedTuple):
    """The lanes of a sweep.

    Attributes:
      dims: names of the dataset's dimensions, in the order of the axes given.
      shape: their lengths.
      values: for each parameter and hyperparameter, its values: shape (n,) + the parameter's shape
        along its dimension, or the parameter's shape alone where it is the same for every lane.
        A `seed` that is the lane's number is absent.
      along: the dimension that each name varies along; names that do not vary are absent.
      entries: for each name that is an entry of a parameter, the parameter and the index.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    values: dict[str, np.ndarray]
    along: dict[str, str]
    entries: Mapping[str, tuple[str, tuple[int, ...]]] = {}

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


def make_grid(
    objective: Objective, rule: Rule, axes: Mapping[str, Any], dtype: Any, combine: str
) -> Grid:
    """The grid of a sweep's axes; raises ValueError on names, shapes and values that do not fit.

    Args:
      objective: the objective.
      rule: the rule.
      axes: a scalar or an array for each parameter and hyperparameter, and for entries of
        parameters, see `entry_of`; see `along`.
      dtype: dtype of the lanes.
      combine: "product" for every combination of the axes, "zip" for arrays of one length taken
        together, along one dimension `lane`.
    """
    check_choice("combine", combine, ("product", "zip"))
    found = {name: entry_of(objective, name) for name in axes}
    entries = {name: place for name, place in found.items() if place is not None}
    _check_names(objective, rule, axes, entries)
    complete = {**axes, **_completed(objective, rule, axes)}
    shapes = {**dict(zip(objective.parameters, objective.shapes)),
              **dict.fromkeys((*rule.hyperparameters, *entries), ())}  # fmt: skip
    values, along, lengths = {}, {}, {}
    for name, given in complete.items():
        dim = given.dim if isinstance(given, Along) else name if combine == "product" else "lane"
        given = given.values if isinstance(given, Along) else given
        value = _seeds(given) if name == "seed" else _numbers(name, given, dtype)
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
            if lengths.setdefault(dim, len(value)) != len(value):
                raise ValueError(
                    f"Axes along one dimension must have one length, but `{name}` has "
                    f"{len(value)} along `{dim}`, which has {lengths[dim]}."
                )
            along[name] = dim
        if name in rule.hyperparameters:
            check_hyper(name, value, "Axis", rule)
        values[name] = value
    return Grid(tuple(lengths), tuple(lengths.values()), values, along, entries)


def entry_of(objective: Objective, name: str) -> tuple[str, tuple[int, ...]] | None:
    """The parameter and the index that the name of an axis stands for, such as `W_at_0_2`.

    Args:
      objective: whose parameters are meant.
      name: of an axis.

    Returns:
      The pair; None where the name is a parameter's own, or no entry's.

    Example:
      >>> import eos_jax as eos
      >>> net = eos.objectives.deep_linear_network((2, 1, 2), singular_values=(2.0, 1.0))
      >>> entry_of(net, "W1_at_0_1"), entry_of(net, "W1"), entry_of(net, "W1_at_1_0")
      (('W1', (0, 1)), None, None)
    """
    parameter, at, text = name.rpartition("_at_")
    if not at or name in objective.parameters or parameter not in objective.parameters:
        return None
    shape, parts = objective.shapes[objective.parameters.index(parameter)], text.split("_")
    if len(parts) != len(shape) or not all(p.isascii() and p.isdigit() for p in parts):
        return None
    index = tuple(map(int, parts))
    return (parameter, index) if all(i < n for i, n in zip(index, shape)) else None


def _check_names(objective, rule, axes, entries) -> None:
    for name in objective.parameters:
        if name in RESERVED or name in rule.hyperparameters or name == "seed":
            raise ValueError(
                "Argument `objective` must have parameters whose names no result has, but got "
                f"`{name}`."
            )
        if not name.isidentifier():  # it becomes a folder of a store
            raise ValueError(
                "Argument `objective` must have parameters whose names are identifiers, but got "
                f"{name!r}."
            )
    for given in axes.values():
        if isinstance(given, Along) and (given.dim in RESERVED or not given.dim.isidentifier()):
            raise ValueError(
                "Argument `axes` must name dimensions by identifiers that no result has, but got "
                f"`{given.dim}`."
            )
    wanted = (*objective.parameters, *rule.hyperparameters)
    optional = {*rule.defaults, "seed"}
    missing = [name for name in wanted if name not in axes and name not in optional]
    unknown = [name for name in axes if name not in wanted and name not in entries]
    if missing or unknown:
        names = ", ".join(f"`{n}`" for n in objective.parameters)
        hyper = ", ".join(f"`{n}`" for n in rule.hyperparameters)
        raise ValueError(
            f"Argument `axes` must give the parameters {names} of {objective.name} and the "
            f"hyperparameters {hyper} of {rule.name}, but "
            + (f"lacks {', '.join(f'`{n}`' for n in missing)}" if missing else "")
            + (" and " if missing and unknown else "")
            + (f"has {', '.join(f'`{n}`' for n in unknown)}" if unknown else "")
            + "."
        )


def _completed(objective, rule, axes):
    """The hyperparameters that are not given; a seed is then the lane's number."""
    given = {name: value for name, value in axes.items() if name in rule.hyperparameters}
    complete = complete_hyper(rule, given)
    return {n: v for n, v in complete.items() if n not in axes and n != "seed"}


def _seeds(given):
    value = np.asarray(given)
    if value.dtype.kind not in "iu" or (value.size and (value.min() < 0 or value.max() >= 2**32)):
        raise ValueError(
            f"Axis `seed` must be whole numbers from 0 to 2^32 - 1, but got {given!r}."
        )
    return value.astype(np.uint32)


def _numbers(name, given, dtype):
    """An axis as an array; NumPy alone would take text for numbers and None for NaN."""
    if isinstance(given, Tracer):
        raise ValueError(
            f"Argument `axes` must give `{name}` as numbers, but it is traced: a sweep runs "
            "outside of jit, vmap and grad; within them use eos.simulate or eos.iterate."
        )
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


def tiles(
    shape: tuple[int, ...], block: tuple[int, ...], numbers: Iterable[int] | None = None
) -> Iterator[Tile]:
    """The blocks in order of their lanes, or those of some numbers; at the far edges smaller ones.

    Example:
      >>> [tile.start for tile in tiles((5, 4), (2, 4), [0, 2])]
      [(0, 0), (4, 0)]
    """
    counts = _counts(shape, block)
    for number in range(math.prod(counts)) if numbers is None else numbers:
        index = np.unravel_index(number, counts) if counts else ()
        start = tuple(int(i) * b for i, b in zip(index, block))
        yield Tile(start, tuple(min(a + b, n) for a, b, n in zip(start, block, shape)))


def number_of_tiles(shape: tuple[int, ...], block: tuple[int, ...]) -> int:
    """How many blocks there are."""
    return math.prod(_counts(shape, block))


def lanes_of(shape: tuple[int, ...], block: tuple[int, ...], numbers: np.ndarray) -> int:
    """How many lanes the blocks of these numbers hold together.

    Example:
      >>> lanes_of((5, 4), (2, 4), np.array([0, 2]))
      12
    """
    index = np.unravel_index(numbers, _counts(shape, block)) if shape else ()
    sizes = np.ones(len(numbers), np.int64)
    for n, b, i in zip(shape, block, index):
        sizes *= np.minimum(b, n - i * b)
    return int(sizes.sum())


def _counts(shape, block) -> tuple[int, ...]:
    return tuple(-(-n // b) for n, b in zip(shape, block))


def starts(grid: Grid, tile: Tile, hyperparameters: tuple[str, ...]) -> dict[str, np.ndarray]:
    """What the lanes of one tile start from: leaves of shape (lanes,) + each one's own shape."""
    lanes = math.prod(tile.shape)
    result = {}
    if "seed" in hyperparameters and "seed" not in grid.values:
        result["seed"] = lane_numbers(grid, tile)
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
    return _with_entries(grid, result)


def _with_entries(grid, result):
    """Starts in which the entries that have axes of their own are put into their parameters."""
    for name, (parameter, index) in grid.entries.items():
        whole = result[parameter].copy()
        whole[(slice(None), *index)] = result.pop(name)
        result[parameter] = whole
    return result


def starts_of(
    grid: Grid, numbers: np.ndarray, hyperparameters: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """What the lanes of these numbers start from, as `starts` gives it for a tile."""
    place = np.unravel_index(numbers, grid.shape) if grid.shape else ()
    result = {}
    if "seed" in hyperparameters and "seed" not in grid.values:
        result["seed"] = numbers.astype(np.uint32)
    for name, value in grid.values.items():
        varies = name in grid.along
        found = value[place[grid.dims.index(grid.along[name])]] if varies else value
        own = value.shape[1:] if varies else value.shape
        result[name] = np.broadcast_to(found, (len(numbers), *own))
    return _with_entries(grid, result)


def lane_numbers(grid: Grid, tile: Tile) -> np.ndarray:
    """Numbers of a tile's lanes in the whole grid, uint32."""
    if not grid.shape:
        return np.zeros(1, np.uint32)
    index = np.indices(tile.shape).reshape(len(tile.shape), -1)
    place = index + np.reshape(tile.start, (-1, 1))
    return np.ravel_multi_index(tuple(place), grid.shape).astype(np.uint32)
