"""Where a result comes from: its configuration as plain data, hashes, versions and machine.

Equal configurations give equal results. The mathematics of objective, rule and observers, which
may be a user's own code, enters by the hash of the traced step with all that is measured, every
constant included, so that a result of other data is told apart.
"""

import functools
import hashlib
import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import jax
import numpy as np

from eos_jax import fingerprint
from eos_jax.run import job, lane
from eos_jax.run.engine import Choice
from eos_jax.run.job import Job

RECORDED_PACKAGES = ("eos_jax", "jax", "jaxlib", "numpy")

MATCHING = ("configuration", "dtype", "platform", "device", "engine", "xla_flags",
            "eos_jax_version", "jax_version", "jaxlib_version")  # fmt: skip
"""What has to agree for a resumed sweep to continue bit for bit."""


def describe(work: Job) -> dict[str, Any]:
    """The whole configuration of a sweep, as plain data; equal ones give equal results."""
    objective, rule, grid = work.objective, work.rule, work.grid
    return {
        "objective": {"name": objective.name, **objective.settings, "floor": objective.floor},
        "data_sha256": {n: fingerprint.of_arrays({n: v}) for n, v in objective.data.items()},
        "rule": {"name": rule.name, **rule.settings},
        "mathematics_sha256": lane.meaning(job.bare_program(work), work.dtype).sha256,
        "axes": {
            name: {"along": grid.along.get(name), **_summary(value)}
            for name, value in grid.values.items()
        },
        "dims": list(grid.dims),
        "steps": work.steps,
        "stop": _deciding(work.stop),
        "dtype": work.dtype,
        "observe": sorted(name for name, _ in work.observers),
        "every": work.every if work.observers else None,
        "sharpness": work.sharpness,
        "keep": sorted(work.keep) if work.keep is not None else None,
    }


def _deciding(stop):
    """When lanes are decided; cycles only where they are looked for."""
    if stop is None:
        return None
    cycles = ("longest_period", "period_of")
    return {n: v for n, v in stop._asdict().items() if stop.longest_period or n not in cycles}


def attributes(
    configuration: dict[str, Any],
    device: jax.Device,
    title: str,
    remark: str = "",
    choice: Choice = Choice("plain", "by default"),  # noqa: B008  an immutable default
) -> dict[str, Any]:
    """Attributes of the dataset: the configuration and what ran it."""
    text = json.dumps(configuration, sort_keys=True, default=_plain)
    return {  # what a reader wants first: of many, xarray prints the first and the last
        "title": title,
        "rule": named(configuration["rule"]),
        **({"rule_remark": remark} if remark else {}),
        "dtype": configuration["dtype"],
        "engine": choice.engine,
        "engine_reason": choice.why,
        "device": device.device_kind,
        "platform": f"{device.platform} {platform.machine()}",
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "Conventions": "CF-1.11",
        "configuration": text,
        "configuration_sha256": hashlib.sha256(text.encode()).hexdigest(),
        **{f"{name}_version": package_version(name) for name in RECORDED_PACKAGES},
    }


def named(settings: dict[str, Any]) -> str:
    """A name with its settings, as in `fully_connected(sizes=(2, 1))`."""
    given = {k: v for k, v in settings.items() if k != "name" and v is not None}
    inner = ", ".join(f"{key}={value}" for key, value in given.items())
    return f"{settings['name']}({inner})" if inner else settings["name"]


@functools.cache
def package_version(package: str) -> str:
    """The installed version of a package."""
    try:
        return version(package)
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "unknown"


def _plain(value):
    """Settings that JSON does not know, by their content."""
    if isinstance(value, np.ndarray | jax.Array):
        return fingerprint.of_arrays({"": np.asarray(value)})
    return str(value)


def _summary(value):
    """Few values in full, many by their ends, number and hash; the coordinates hold them all."""
    if value.size <= 16:
        return {"values": value.tolist()}
    digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
    return {"first": value.flat[0].item(), "last": value.flat[-1].item(), "num": len(value),
            "sha256": digest}  # fmt: skip
