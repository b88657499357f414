"""eos_jax: gradient-descent dynamics at and beyond the edge of stability, millions at once."""

import importlib
from typing import TYPE_CHECKING, Any

import eos_jax.signals  # noqa: F401  before all that takes long to import

# isort: split
from eos_jax import measures, objectives, observers, rules
from eos_jax.curvature import hessian, hessian_vector_product, sharpness
from eos_jax.machine import set_process_flags
from eos_jax.objectives import gradient, loss
from eos_jax.outcomes import Outcome, Stop
from eos_jax.results.provenance import package_version as _package_version
from eos_jax.run.grid import along
from eos_jax.simulate import iterate, simulate
from eos_jax.sweep import orbits, sweep

if TYPE_CHECKING:
    from eos_jax import analysis, flows, plots, theory
    from eos_jax.explorer.notebook import explore
    from eos_jax.results.store import open_dataset as open

__version__ = _package_version("eos_jax")

# imported when first used: they bring more packages
_LATER = {
    "analysis": "eos_jax.analysis",
    "explore": "eos_jax.explorer.notebook:explore",
    "flows": "eos_jax.flows",
    "open": "eos_jax.results.store:open_dataset",
    "plots": "eos_jax.plots",
    "theory": "eos_jax.theory",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'eos_jax' has no attribute {name!r}")
    module, _, inside = _LATER[name].partition(":")
    found = importlib.import_module(module)
    return getattr(found, inside) if inside else found


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
