"""Curvature over the unit ball of a norm, and the steepest direction in it.

The norms are those of the full space: `euclidean`; `max`, the largest modulus of a coordinate;
`spectral`, the largest singular value of a parameter's matrix, the largest over parameters (a
vector is one column, a scalar one entry).
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from eos_jax.curvature.rotations import polar_factor
from eos_jax.objectives.base import Objective, lift

NORMS = ("euclidean", "max", "spectral")

_STARTS, _TURNS = 8, 64


def steepest(tree: Any, norm: str) -> tuple[Any, jax.Array]:
    """The direction of the unit ball with the largest inner product with a tree, and that product.

    Args:
      tree: a gradient, a pytree of arrays, none empty.
      norm: one of `NORMS`.

    Returns:
      A tree like it, and the dual norm, a scalar: |g|, the sum of moduli, the sum of singular
      values.

    Example:
      >>> import jax.numpy as jnp
      >>> from eos_jax.curvature.norm_balls import steepest
      >>> direction, dual = steepest(jnp.array([3.0, -4.0]), "max")
      >>> print(direction, dual)
      [ 1. -1.] 7.0

    Source: Bernstein and Newhouse 2024, "Old optimizer, new norm".
    """
    if norm == "euclidean":
        length = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(tree)))
        whole = jnp.where(length > 0, length, 1)
        return jax.tree.map(lambda leaf: leaf / whole, tree), length
    direction = jax.tree.map(jnp.sign if norm == "max" else polar_factor, tree)
    products = jax.tree.map(lambda leaf, d: jnp.sum(leaf * d), tree, direction)
    return direction, sum(jax.tree.leaves(products))


def generalised_sharpness_at(
    objective: Objective, params: Mapping[str, Any], norm: str = "euclidean"
) -> jax.Array:
    """max d^T H d over the unit ball of a norm, at one point.

    By d <- argmax <H d, .> from eight random directions and the gradient's, 64 turns each, the
    best value seen: never above the maximum, and at it where the Hessian has one dominant
    direction. In the Euclidean norm it is the power iteration.

    Args:
      objective: the objective.
      params: one point.
      norm: one of `NORMS`.

    Returns:
      Scalar.

    Example:
      >>> import eos_jax as eos
      >>> from eos_jax.curvature.norm_balls import generalised_sharpness_at
      >>> obj = eos.objectives.from_function(lambda a, b: (a + b) ** 2 / 2)
      >>> print(generalised_sharpness_at(obj, {"a": 1.0, "b": 1.0}, "max"))  # 2 times the sharpness
      4.0

    Source: Islamov et al. 2026, "Non-Euclidean gradient descent operates at the edge of stability".
    """
    dtype = jnp.result_type(float, *params.values())
    full = lift(objective, {n: jnp.asarray(params[n], dtype) for n in objective.parameters})
    slope, product = jax.linearize(jax.grad(objective.full_loss), full)

    def turn(_, carry):
        direction, best = carry
        image = product(direction)
        bend = sum(jax.tree.leaves(jax.tree.map(lambda u, v: jnp.sum(u * v), direction, image)))
        return steepest(image, norm)[0], jnp.maximum(best, bend)

    def climb(direction):
        start = steepest(direction, norm)[0], jnp.full((), -jnp.inf, dtype)
        return jax.lax.fori_loop(0, _TURNS, turn, start)[1]

    leaves, structure = jax.tree.flatten(full)
    keys = jax.random.split(jax.random.key(0), len(leaves))
    random = [
        jax.random.normal(key, (_STARTS, *leaf.shape), dtype) for key, leaf in zip(keys, leaves)
    ]
    found = jax.vmap(climb)(jax.tree.unflatten(structure, random))
    return jnp.maximum(jnp.max(found), climb(slope))
