"""Objectives, one file per family: a file put here that registers a function is found by itself."""

import importlib
import pkgutil

from eos_jax.objectives.base import (
    Family,
    Objective,
    Parameters,
    gradient,
    lift,
    loss,
    make,
    register,
    registry,
)
from eos_jax.objectives.own import from_function
from eos_jax.objectives.pytrees import flatten, from_pytree, unflatten


def discover() -> None:
    """Import every module of this folder, so that the families in it are registered."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")


discover()
# a family's function takes the place of the module it is defined in, which has the same name
deep_linear_network = registry["deep_linear_network"].make
fully_connected = registry["fully_connected"].make
function_of_product = registry["function_of_product"].make
quadratic_regression = registry["quadratic_regression"].make
rank_one_factorization = registry["rank_one_factorization"].make
scalar_product = registry["scalar_product"].make
self_stabilization = registry["self_stabilization"].make
uv_model = registry["uv_model"].make

__all__ = [
    "Family",
    "Objective",
    "Parameters",
    "deep_linear_network",
    "discover",
    "flatten",
    "from_function",
    "from_pytree",
    "fully_connected",
    "function_of_product",
    "gradient",
    "lift",
    "loss",
    "make",
    "quadratic_regression",
    "rank_one_factorization",
    "register",
    "registry",
    "scalar_product",
    "self_stabilization",
    "unflatten",
    "uv_model",
]
