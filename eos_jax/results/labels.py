"""The labels of a result: dimensions, coordinates, units, flags.

A sweep in memory and a sweep on disk are described by the same `Layout`, so both open as the same
`xarray.Dataset`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from eos_jax.outcomes import FLAGS
from eos_jax.rules import is_step_size
from eos_jax.run import job
from eos_jax.run.job import Job
from eos_jax.run.lane import Result, fill_of

Coordinate = tuple[tuple[str, ...], np.ndarray, dict[str, Any]]


class Variable(NamedTuple):
    """One array of a result: its dimensions, shape, dtype, value where nothing is known, labels."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype
    fill: float
    attrs: dict[str, Any]


class Layout(NamedTuple):
    """Everything about a result but its values."""

    coords: dict[str, Coordinate]
    variables: dict[str, Variable]
    attrs: dict[str, Any]


def layout(work: Job, attrs: Mapping[str, Any]) -> Layout:
    """The layout of a job's results: `outcome` last, so that writing it says the rest is there."""
    coords = _coordinates(work)
    variables = {}
    results = job.results(work)
    lengths = dict(zip(work.grid.dims, work.grid.shape))
    longest = max((r.shape[r.label.dims.index("step")] for r in results.values() if _is_record(r)),
                  default=0)  # fmt: skip
    for name, result in results.items():
        if name in coords:
            raise ValueError(
                f"Argument `observe` must give results names that no axis has, but got `{name}`; "
                "name the observer."
            )
        rest = len(result.shape) - len(result.label.dims)
        own = (*result.label.dims, *(f"{_stem(name)}_{i}" for i in range(rest)))
        if _is_record(result):  # the longest are along `step`, shorter ones along, say, `step_10`
            length = result.shape[own.index("step")]
            along = "step" if length == longest else f"step_{length}"
            own = tuple(along if dim == "step" else dim for dim in own)
            coords.setdefault(along, _steps(work, along, length))
        for dim, length in zip(own, result.shape):
            if lengths.setdefault(dim, length) != length:
                raise ValueError(
                    f"Dimension `{dim}` must have one length, but it has {length} in `{name}` and "
                    f"{lengths[dim]} elsewhere; give the observer's label another name for it."
                )
        variables[name] = Variable(
            (*work.grid.dims, *own),
            (*work.grid.shape, *result.shape),
            result.dtype,
            fill_of(result, name),
            _labels(name, result),
        )
    # a second place that says whose outcomes these are, should the group's own be lost
    same = {"configuration_sha256": attrs.get("configuration_sha256", "")}
    variables["outcome"] = variables["outcome"]._replace(
        attrs={**variables["outcome"].attrs, **same}
    )
    # folders of a store are listed in any order; readers restore this one
    order = " ".join((*coords, *variables))
    return Layout(coords, variables, {**attrs, "order": order})


def to_dataset(plan: Layout, values: Mapping[str, np.ndarray]) -> xr.Dataset:
    """The labelled dataset of a sweep in memory."""
    return xr.Dataset(
        {name: (v.dims, values[name], v.attrs) for name, v in plan.variables.items()},
        coords=plan.coords,
        attrs=plan.attrs,
    )


def judged(dataset: xr.Dataset) -> str:
    """The variable that the rule compares with its threshold: the sharpness, or a curvature."""
    return "curvature" if "curvature" in dataset else "sharpness"


def _coordinates(work):
    """Starts and hyperparameters; those of a parameter that is no scalar are called `x_start`."""
    coords = {}
    for name, value in work.grid.values.items():
        along = (work.grid.along[name],) if name in work.grid.along else ()
        own = tuple(f"{name}_{i}" for i in range(value.ndim - len(along)))
        words = f"start of {name}"
        if name in work.grid.entries:
            parameter, index = work.grid.entries[name]
            words = f"start of {parameter}[{', '.join(map(str, index))}]"
        elif name in {parameter for parameter, _ in work.grid.entries.values()}:
            words += ", but for entries with axes of their own"
        if name in work.rule.hyperparameters:
            words = "step size" if name == "eta" else name.replace("_", " ")
        if is_step_size(name) and name != "eta":
            words = f"step size of {name.removeprefix('eta_')}"
        coords[f"{name}_start" if own else name] = (
            along + own,
            value,
            {"long_name": words, "units": "1"},
        )
    return coords


def _is_record(result: Result) -> bool:
    return "step" in result.label.dims


def _steps(work, dim, length):
    """The steps of the last samples."""
    samples = work.steps // work.every + 1
    steps = np.arange(samples - length, samples) * work.every
    return (dim,), steps, {"long_name": "step", "units": "steps"}


def _labels(name, result: Result):
    label = result.label
    labels = {"long_name": label.long_name or name, "units": label.units}
    return {"long_name": label.long_name, **FLAGS} if name == "outcome" else labels


def _stem(name):
    """Name of a result's own dimensions: a parameter's are the same at its start and its end."""
    return name.removesuffix("_final").removesuffix("_orbit")
