"""What the closed forms share: types, checks of arguments, and NumPy or JAX by the arguments."""

import numbers
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

Array = Any  # a Python number, a NumPy array or a JAX array


class Point(NamedTuple):
    """A point (x, y) of the coupled model."""

    x: Array
    y: Array


class Interval(NamedTuple):
    """An open interval (lower, upper)."""

    lower: Array
    upper: Array


def require(name: str, value: Array, holds: Callable[[np.ndarray], Array], condition: str) -> None:
    """Raise unless every value holds; traced and symbolic values cannot be looked at and pass."""
    concrete = isinstance(value, numbers.Number | np.generic | np.ndarray | jax.Array)
    if not concrete or isinstance(value, Tracer):
        return
    values = np.asarray(value)
    bad = values[~np.asarray(holds(values))]
    if bad.size:
        raise ValueError(f"Argument `{name}` must {condition}, but got {bad[0]}.")


def require_positive(name: str, value: Array) -> None:
    """Raise unless value > 0."""
    require(name, value, lambda v: v > 0, "be positive")


def require_eos_exists(eta: Array) -> None:
    """Raise unless some minimum of the coupled model has sharpness 2/eta: 0 < eta < 1/2."""
    require("eta", eta, lambda v: (v > 0) & (v < 0.5), "lie in (0, 1/2)")


def require_momentum(name: str, beta: Array, least: float = 0) -> None:
    """Raise unless 0 <= beta < 1; with least = -1 unless -1 < beta < 1."""
    if least < 0:
        require(name, beta, lambda v: (v > -1) & (v < 1), "lie in (-1, 1)")
    else:
        require(name, beta, lambda v: (v >= 0) & (v < 1), "lie in [0, 1)")


def namespace(*values: Array) -> ModuleType:
    """JAX if any argument is a JAX array, else NumPy, which keeps float64 whatever JAX's switch."""
    return jnp if any(isinstance(value, jax.Array) for value in values) else np


def elementwise(name: str, value: Array) -> Array:
    """A NumPy or JAX function; a Python number stays one, so that it cannot widen an array."""
    result = getattr(namespace(value), name)(value)
    return float(result) if type(value) in (int, float) else result


def eos_c(eta: Array) -> Array:
    """Coordinate c of the minimum of sharpness 2/eta: (eta^-2 - 4)^(1/4)."""
    # Factored, because eta^-2 - 4 cancels as eta approaches 1/2.
    return ((1 / eta - 2) * (1 / eta + 2)) ** 0.25
