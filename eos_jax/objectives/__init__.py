"""Objectives, one file per family: a file put here that registers a function is found by itself."""

import importlib
import pkgutil

from eos_jax.objectives.base import (
    Family,
    Objective,
    Parameters,
    from_function,
    gradient,
    lift,
    loss,
    make,
    register,
    registry,
)


def discover() -> None:
    """Import every module of this folder, so that the families in it are registered."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")


discover()
scalar_product = registry["scalar_product"].make

__all__ = [
    "Family",
    "Objective",
    "Parameters",
    "discover",
    "from_function",
    "gradient",
    "lift",
    "loss",
    "make",
    "register",
    "registry",
    "scalar_product",
]
