"""eos_jax: gradient-descent dynamics at and beyond the edge of stability, millions at once."""

import importlib
from typing import Any

import eos_jax.signals  # noqa: F401  before all that takes long to import

# isort: split
from eos_jax import measures, objectives, observers, rules
from eos_jax.curvature import hessian, hessian_vector_product, sharpness
from eos_jax.machine import set_process_flags
from eos_jax.objectives import gradient, loss
from eos_jax.outcomes import Outcome, Stop
from eos_jax.results.provenance import package_version as _package_version
from eos_jax.results.store import open_dataset as open
from eos_jax.run.grid import along
from eos_jax.simulate import iterate, simulate
from eos_jax.sweep import orbits, sweep

__version__ = _package_version("eos_jax")

# imported when first used: they bring more packages
_LATER = ("analysis", "flows", "plots", "theory")


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return importlib.import_module(f"eos_jax.{name}")
    if name == "explore":
        return importlib.import_module("eos_jax.explorer.notebook").explore
    raise AttributeError(f"module 'eos_jax' has no attribute {name!r}")


__all__ = [
    "Outcome",
    "Stop",
    "__version__",
    "along",
    "analysis",
    "explore",
    "flows",
    "gradient",
    "hessian",
    "hessian_vector_product",
    "iterate",
    "loss",
    "measures",
    "objectives",
    "observers",
    "open",
    "orbits",
    "plots",
    "rules",
    "set_process_flags",
    "sharpness",
    "simulate",
    "sweep",
    "theory",
]
