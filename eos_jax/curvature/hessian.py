"""The full Hessian, its products with vectors, and both scaled by a diagonal."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from eos_jax.objectives.base import Objective, Parameters, each_lane, lift


def flat_loss(objective: Objective, params: Parameters) -> tuple[Callable, jax.Array]:
    """The full loss as a function of one vector, and the vector of `params`."""
    full = lift(objective, params)
    # a list, because ravelling a dict would sort its names
    flat, unravel = ravel_pytree([full[name] for name in objective.parameters])
    return lambda v: objective.full_loss(dict(zip(objective.parameters, unravel(v)))), flat


def hessian(objective: Objective, params: Parameters) -> jax.Array:
    """The Hessian of the full-space loss, copies next to each other in the order of parameters.

    Args:
      objective: the objective.
      params: leaves of shape (lanes...) + the parameter's shape.

    Returns:
      Array of shape (lanes..., N, N), N the number of full-space coordinates.

    Raises:
      ValueError: if the names or shapes are not the objective's.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> print(eos.hessian(obj, {"x": 1.0, "y": 1.0})[0])
      [1. 1. 1. 1.]
    """
    return each_lane(_hessian, objective, params)


def _hessian(objective, point):
    function, flat = flat_loss(objective, point)
    return jax.hessian(function)(flat)


def hessian_vector_product(
    objective: Objective, params: Parameters, vector: jax.Array
) -> jax.Array:
    """Hessian times a vector at one point, without building the Hessian.

    Args:
      objective: the objective.
      params: one point.
      vector: shape (N,), full-space coordinates.

    Returns:
      Array of shape (N,).

    Example:
      >>> import eos_jax as eos, jax.numpy as jnp
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> print(eos.hessian_vector_product(obj, {"x": 1.0, "y": 1.0}, jnp.ones(4)))
      [4. 4. 4. 4.]
    """
    function, flat = flat_loss(objective, params)
    return jax.jvp(jax.grad(function), (flat,), (jnp.asarray(vector, flat.dtype),))[1]


def coordinates(objective: Objective) -> int:
    """How many coordinates the full space has."""
    return sum(c * math.prod(shape) for c, shape in zip(objective.copies, objective.shapes))


def full_vector(objective: Objective, values: Mapping[str, Any], dtype: Any) -> jax.Array:
    """A mapping like the parameters as one vector of full-space coordinates."""
    pieces = []
    for name, copies, shape in zip(objective.parameters, objective.copies, objective.shapes):
        pieces += [jnp.broadcast_to(jnp.asarray(values[name], dtype), shape).ravel()] * copies
    return jnp.concatenate(pieces)


def scaled_hessian(
    objective: Objective, params: Parameters, scale: Mapping[str, Any] | None
) -> jax.Array:
    """D^(1/2) H D^(1/2) at one point, D = diag(scale); the Hessian itself without a scale."""
    function, flat = flat_loss(objective, params)
    matrix = jax.hessian(function)(flat)
    if scale is None:
        return matrix
    root = jnp.sqrt(full_vector(objective, scale, flat.dtype))
    return root[:, None] * matrix * root


def operator(
    objective: Objective, params: Parameters, scale: Mapping[str, Any] | None, sign: int = 1
) -> tuple[Callable[[jax.Array], jax.Array], jax.Array]:
    """v -> D^(1/2) H D^(1/2) v, and a vector that gives shape and dtype of v."""
    function, flat = flat_loss(objective, params)
    product = jax.linearize(jax.grad(function), flat)[1]
    if scale is None:
        return (lambda v: sign * product(v)), flat
    root = jnp.sqrt(full_vector(objective, scale, flat.dtype))
    return (lambda v: sign * root * product(root * v)), flat
