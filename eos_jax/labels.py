"""The labels of a result: dimensions, coordinates, units, flags, and the whole configuration.

A sweep in memory and a sweep on disk are described by the same `Layout`, so both open as the same
`xarray.Dataset`.
"""

import hashlib
import json
import math
import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import jax
import numpy as np
import xarray as xr

from eos_jax.grid import Grid
from eos_jax.objectives.base import Objective
from eos_jax.outcomes import FLAGS, Stop
from eos_jax.updates import Update

RECORDED_PACKAGES = ("eos_jax", "jax", "jaxlib", "numpy")


class Variable(NamedTuple):
    """One array of a result: its dimensions, shape, dtype, value where nothing is known, labels."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype
    fill: float
    attrs: dict[str, Any]


class Layout(NamedTuple):
    """Everything about a result but its values."""

    coords: dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, Any]]]
    variables: dict[str, Variable]
    attrs: dict[str, Any]


def layout(objective: Objective, grid: Grid, dtype, attrs: dict[str, Any]) -> Layout:
    """The layout of a sweep over a grid."""
    dtype = np.dtype(dtype)
    shapes = {**dict(zip(objective.parameters, objective.shapes)), "eta": ()}
    coords = {}
    for name, value in grid.values.items():
        own = tuple(f"{name}_{i}" for i in range(len(shapes[name])))
        dims = ((grid.along[name],) if name in grid.along else ()) + own
        labels = {"long_name": "step size" if name == "eta" else f"start of {name}", "units": "1"}
        coords[f"{name}_start" if own else name] = (dims, value, labels)

    def floats(long_name, own=(), shape=()):
        return Variable(
            grid.dims + own,
            grid.shape + shape,
            dtype,
            math.nan,
            {"long_name": long_name, "units": "1"},
        )

    variables = {
        "steps": Variable(
            grid.dims,
            grid.shape,
            np.dtype(np.int32),
            0,
            {"long_name": "steps until decided", "units": "steps"},
        ),
        "loss": floats("loss at the last point"),
        "sharpness": floats("sharpness at the last point"),
        **{
            f"{name}_final": floats(
                f"{name} at the last point", tuple(f"{name}_{i}" for i in range(len(shape))), shape
            )
            for name, shape in zip(objective.parameters, objective.shapes)
        },
        # last, so that a written outcome means that the rest is there
        "outcome": Variable(
            grid.dims,
            grid.shape,
            np.dtype(np.uint8),
            0,
            {"long_name": "fate of the orbit", **FLAGS},
        ),
    }
    return Layout(coords, variables, attrs)


def to_dataset(plan: Layout, values: dict[str, np.ndarray]) -> xr.Dataset:
    """The labelled dataset of a sweep in memory."""
    return xr.Dataset(
        {name: (v.dims, values[name], v.attrs) for name, v in plan.variables.items()},
        coords=plan.coords,
        attrs=plan.attrs,
    )


def describe(
    objective: Objective, grid: Grid, steps: int, rule: Update, stop: Stop | None, dtype
) -> dict[str, Any]:
    """The whole configuration of a sweep, as plain data; equal ones give equal results.

    The mathematics of objective and update rule, which may be a user's own code, enters through
    the hash of the traced step.
    """
    return {
        "objective": {"name": objective.name, **objective.settings, "floor": objective.floor},
        "step_sha256": _fingerprint(objective, rule, dtype),
        "axes": {
            name: {"along": grid.along.get(name), **_summary(value)}
            for name, value in grid.values.items()
        },
        "dims": list(grid.dims),
        "steps": steps,
        "stop": stop._asdict() if stop is not None else None,
        "dtype": np.dtype(dtype).name,
    }


def attributes(configuration: dict[str, Any], device: jax.Device) -> dict[str, Any]:
    """Attributes of the dataset: the configuration and what ran it."""
    text = json.dumps(configuration, sort_keys=True)
    return {
        "Conventions": "CF-1.11",
        "title": f"Gradient-descent orbits of {configuration['objective']['name']}",
        "configuration": text,
        "configuration_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "dtype": configuration["dtype"],
        "device": device.device_kind,
        "platform": f"{device.platform} {platform.machine()}",
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        **{f"{name}_version": package_version(name) for name in RECORDED_PACKAGES},
    }


def package_version(package: str) -> str:
    """The installed version of a package."""
    try:
        return version(package)
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "unknown"


def _summary(value):
    """Few values in full, many by their ends, number and hash; the coordinates hold them all."""
    if value.size <= 16:
        return {"values": value.tolist()}
    digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
    return {"first": value.flat[0].item(), "last": value.flat[-1].item(), "num": len(value),
            "sha256": digest}  # fmt: skip


def _fingerprint(objective, rule, dtype):
    point = {
        name: jax.ShapeDtypeStruct(shape, dtype)
        for name, shape in zip(objective.parameters, objective.shapes)
    }
    eta = jax.ShapeDtypeStruct((), dtype)

    def first_step(params, eta):
        start = rule.init(objective, params, eta)
        return rule.step(objective, params, start, eta), rule.threshold(eta)

    traced = str(jax.make_jaxpr(first_step)(point, eta))
    return hashlib.sha256(re.sub(r" at 0x[0-9a-f]+", "", traced).encode()).hexdigest()
