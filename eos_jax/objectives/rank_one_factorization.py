"""Rank-one factorisation of an isotropic matrix: 1/4 || I - x y^T x y^T ||_F^2, x and y in R^d.

The loss depends on the three inner products alone: with s = x.y it is
1/4 (d - 2 s^2 + s^2 |x|^2 |y|^2), and by Cauchy-Schwarz at least 1/4 (d - 1 + (1 - s^2)^2). So its
floor is (d - 1)/4, reached where x and y are parallel and s = 1 or -1; aligned x and y stay
aligned, and their lengths then move as the coupled scalars of `scalar_product((2, 2))`.

For d >= 2 there are other minima: where x.y = 0 the loss is d/4 and stationary, and where besides
|x| |y| > sqrt 2 no direction leads down. Unaligned starts may end there, 1/4 above the floor.
"""

import jax
import jax.numpy as jnp

from eos_jax.checks import check_count
from eos_jax.objectives.base import Objective, register


@register(examples=({"dimension": 2}, {"dimension": 3}))
def rank_one_factorization(dimension: int) -> Objective:
    r"""1/4 || I - x y^T x y^T ||_F^2 over vectors x and y.

    Args:
      dimension: d, the length of x and of y.

    Returns:
      The objective; parameters x and y of shape (d,), floor (d - 1)/4.

    Raises:
      ValueError: if the dimension is not a positive integer.

    Example:
      >>> import eos_jax as eos, jax.numpy as jnp
      >>> obj = eos.objectives.rank_one_factorization(3)
      >>> obj, obj.floor
      (Objective(rank_one_factorization(dimension=3): x (3,), y (3,)), 0.5)
      >>> print(eos.loss(obj, {"x": jnp.array([2.0, 0, 0]), "y": jnp.array([0.5, 0, 0])}))
      0.5

    Source: Zhu et al. 2023, theorem 3.2.
    """
    check_count("dimension", dimension)
    floor = (dimension - 1) / 4

    def full_loss(full: dict[str, tuple]) -> jax.Array:
        (x,), (y,) = full["x"], full["y"]
        square = jnp.sum(x * y) ** 2
        # each bracket vanishes at a minimum: no large terms cancel but in the misalignment
        misalignment = square * (jnp.sum(x * x) * jnp.sum(y * y) - square)
        return floor + ((1 - square) ** 2 + misalignment) / 4

    return Objective(
        name="rank_one_factorization",
        full_loss=full_loss,
        parameters=("x", "y"),
        copies=(1, 1),
        shapes=((dimension,), (dimension,)),
        floor=floor,
    )
