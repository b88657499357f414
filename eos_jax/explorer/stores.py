"""Pieces of a stored result: what a page looks at, and no more, is read."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import xarray as xr

from eos_jax.config import Configuration
from eos_jax.explorer import questions
from eos_jax.explorer.messages import described as labels
from eos_jax.explorer.messages import packed

_SAID = 1024
"""Values along a dimension that are sent one by one, for a dimension that is held, at most."""


def described(dataset: xr.Dataset) -> dict[str, Any]:
    """What a page needs to know of a store: dimensions, ends of their values, variables.

    Args:
      dataset: of `eos_jax.open`, not yet read.

    Returns:
      Plain data.

    Raises:
      ValueError: unless it has lanes along two dimensions or more.
    """
    check(dataset)
    return labels(dataset) | {
        "sizes": {str(d): dataset.sizes[d] for d in dataset.outcome.dims},
        "axes": {str(d): _ends(dataset, str(d)) for d in dataset.outcome.dims},
        "fixed": {str(n): v.values.tolist() for n, v in dataset.coords.items() if not v.dims},
    }


def check(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset; raises ValueError unless it can be shown as a map."""
    if "outcome" not in dataset or dataset.outcome.ndim < 2:
        raise ValueError(
            "A store to explore has lanes along two dimensions or more; see `eos-jax plot`."
        )
    return dataset


def _ends(dataset, dim) -> dict[str, Any]:
    """Ends of a dimension, whether it is even in the logarithm, and its values if they are few."""
    if dim not in dataset.coords:
        return {"start": 0, "stop": dataset.sizes[dim] - 1, "log": False}
    values = dataset[dim].values.astype(float)
    first, last, count = float(values[0]), float(values[-1]), len(values)
    log = first > 0 and last > 0 and not np.allclose(values, np.linspace(first, last, count))
    log = log and np.allclose(values, np.geomspace(first, last, count))
    ends = {"start": first, "stop": last, "log": bool(log)}
    return ends | ({"values": values.tolist()} if count <= _SAID else {})


def piece(
    dataset: xr.Dataset | None, asked: questions.Piece, stopped: Callable[[float], Any]
) -> bytes:
    """A rectangle of a store, every so many lanes.

    Args:
      dataset: of `eos_jax.open`.
      asked: which part.
      stopped: called between reads; what it raises stops them.

    Returns:
      A message of `messages.packed`, as a window's.

    Raises:
      ValueError: if there is no such part, or it is too large.
    """
    part = chosen(dataset, asked)
    arrays = {f"axis:{name}": _coordinate(part, name) for name in asked.ranges}
    for name in dict.fromkeys(["outcome", *asked.variables]):
        stopped(0.0)
        if name not in part or set(part[name].dims) != set(asked.ranges):
            raise ValueError(f"The store has no map of `{name}`.")
        arrays[name] = part[name].transpose(*asked.ranges).values
    head = labels(part) | {"dims": list(asked.ranges), "ranges": asked.ranges}
    return packed(head, arrays)


def chosen(dataset: xr.Dataset | None, asked: questions.Piece) -> xr.Dataset:
    """The part asked for, not yet read; raises ValueError if there is none, or it is too large."""
    if dataset is None:
        raise ValueError("No store was opened.")
    dims = [str(d) for d in dataset.outcome.dims]
    if len(asked.ranges) != 2 or not {*asked.ranges, *asked.fixed} <= set(dims):
        raise ValueError(f"A piece names two dimensions among {', '.join(dims)}.")
    where: dict[str, Any] = {d: asked.fixed.get(d, 0) for d in dims}
    pixels = 1
    for dim, (first, last, stride) in asked.ranges.items():
        if not 0 <= first < last <= dataset.sizes[dim] or stride < 1:
            raise ValueError(f"Dimension `{dim}` has {dataset.sizes[dim]} values; got "
                             f"{first} to {last} by {stride}.")  # fmt: skip
        where[dim] = slice(first, last, stride)
        pixels *= -(-(last - first) // stride)
    for dim, index in asked.fixed.items():
        if not 0 <= index < dataset.sizes[dim]:
            raise ValueError(f"Dimension `{dim}` has {dataset.sizes[dim]} values; got {index}.")
    if pixels > questions.PIXELS:
        raise ValueError(f"A window has at most {questions.PIXELS:,} pixels, but {pixels:,} "
                         "were asked for.")  # fmt: skip
    return dataset.isel(where)


def _coordinate(chosen, dim) -> np.ndarray:
    if dim in chosen.coords:
        return chosen[dim].values.astype(float)
    return np.arange(chosen.sizes[dim], dtype=float)


def system_of(dataset: xr.Dataset) -> Configuration | None:
    """The configuration to compute a store's orbits with, where registries know its names."""
    recorded = json.loads(dataset.attrs.get("configuration", "{}"))
    try:
        objective, rule = (
            {n: v for n, v in recorded[key].items() if n != "floor" and v is not None}
            for key in ("objective", "rule")
        )
        axes = {
            name: dataset[f"{name}_start"].values.tolist()
            if f"{name}_start" in dataset
            else float(dataset[name].values.ravel()[0])
            for name in recorded["axes"]
        }
        stop = recorded["stop"] or False
        asked = {"steps": recorded["steps"], "axes": axes, "objective": objective,
                 "rule": rule, "dtype": recorded["dtype"], "stop": stop}  # fmt: skip
        found = msgspec.convert(asked, Configuration)
        questions.arguments_of_point(found, None)
    except (KeyError, TypeError, ValueError, msgspec.ValidationError):
        return None
    return found
