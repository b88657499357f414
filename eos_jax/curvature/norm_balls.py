"""Curvature over the unit ball of a norm, and the steepest direction in it.

The norms are those of the full space: `euclidean`; `max`, the largest modulus of a coordinate;
`spectral`, the largest singular value of a parameter's matrix, the largest over parameters (a
vector is one column, a scalar one entry).
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from eos_jax.curvature.rotations import contraction, polar_factor
from eos_jax.curvature.spectrum import extreme_eigenvalues_at
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

    By d <- P(d + H d/c), P to the nearest point of the ball, from eight random directions and the
    gradient's, 64 turns each, the best value seen. With c above half the most negative curvature no
    turn loses, and where nothing is negative it is d <- argmax <H d, .>. Never above the maximum,
    and at it where the Hessian has one dominant direction. In the Euclidean norm it is the
    sharpness, or 0 where that is negative.

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
    lowest, highest = extreme_eigenvalues_at(objective, params)
    if norm == "euclidean":
        return jnp.maximum(highest, 0)
    falls = 0.75 * jnp.maximum(-lowest, 0)
    dtype = jnp.result_type(float, *params.values())
    full = lift(objective, {n: jnp.asarray(params[n], dtype) for n in objective.parameters})
    slope, product = jax.linearize(jax.grad(objective.full_loss), full)

    def turn(_, carry):
        direction, best = carry
        image = product(direction)
        bend = sum(jax.tree.leaves(jax.tree.map(lambda u, v: jnp.sum(u * v), direction, image)))
        size = jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(image)]))
        least = jnp.maximum(falls, size * jnp.finfo(dtype).eps ** 0.5)
        pace = 1 / jnp.where(least > 0, least, 1)
        ahead = jax.tree.map(lambda d, i: d + pace * i, direction, image)
        return jax.tree.map(nearest, ahead), jnp.maximum(best, bend)

    def climb(direction):
        start = steepest(direction, norm)[0], jnp.zeros((), dtype)
        return jax.lax.fori_loop(0, _TURNS, turn, start)[1]

    nearest = contraction if norm == "spectral" else lambda leaf: jnp.clip(leaf, -1, 1)
    leaves, structure = jax.tree.flatten(full)
    keys = jax.random.split(jax.random.key(0), len(leaves))
    random = [
        jax.random.normal(key, (_STARTS, *leaf.shape), dtype) for key, leaf in zip(keys, leaves)
    ]
    found = jax.vmap(climb)(jax.tree.unflatten(structure, random))
    return jnp.maximum(jnp.max(found), climb(slope))
