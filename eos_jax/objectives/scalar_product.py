"""The paper's family: 1/2 (1 - product of scalars)^2, any number of scalars, any coupling.

Written so that automatic differentiation reaches the fewest operations a step can take: the
product is a balanced tree over interleaved copies, whose equal subtrees the compiler computes
once, and the half square has its residual, exactly, as derivative.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax.checks import is_count
from eos_jax.objectives.base import Objective, Parameters, register

MOST_SCALARS = 1024
"""Scalars of the full space at most; each is an operation of every step."""


@jax.custom_jvp
def half_square(residual: jax.Array) -> jax.Array:
    """r^2 / 2, whose derivative is r without a factor to multiply back."""
    return 0.5 * residual * residual


@half_square.defjvp
def _half_square_jvp(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    (residual,), (tangent,) = primals, tangents
    return half_square(residual), residual * tangent


@register(
    examples=(
        {"multiplicities": (2, 2)},
        {"multiplicities": 4},
        {"multiplicities": (1, 2)},
        {"multiplicities": (4,)},
        {"multiplicities": (1, 1)},
        {"multiplicities": (2, 3)},
        {"multiplicities": 7},
        {"multiplicities": (2, 1, 1)},
    )
)
def scalar_product(multiplicities: int | Sequence[int]) -> Objective:
    r"""1/2 (1 - prod_i x_i^m_i)^2 on the space of all sum(m_i) scalars.

    Parameters are named x, y, z, w; from five on x1, x2, ...

    Args:
      multiplicities: copies of each parameter, or a number of free scalars:
        (2, 2) is the paper's model, 4 its uncoupled form, (1, 2) its degree 3, (4,) the line on
        which all four are equal.

    Returns:
      The objective; its data are `target`, the 1 that the product is compared with.

    Raises:
      ValueError: if a multiplicity is not a positive integer, or they sum to more than 1024.

    Example:
      >>> import eos_jax as eos
      >>> eos.objectives.scalar_product((2, 2))
      Objective(scalar_product(multiplicities=(2, 2)): x x2, y x2)
      >>> eos.objectives.scalar_product(4).parameters
      ('x', 'y', 'z', 'w')

    Source: Zhu et al. 2023, equation (1) and section 4.
    """
    copies = _checked_copies(multiplicities)
    names = tuple("xyzw"[: len(copies)]) if len(copies) <= 4 else numbered(len(copies))

    def product(full: dict[str, tuple]) -> jax.Array:
        factors = [full[n][c] for c in range(max(copies)) for n in names if c < len(full[n])]
        return tree_product(factors)

    return Objective(
        name="scalar_product",
        full_loss=lambda full: half_square(product(full) - 1),
        parameters=names,
        copies=copies,
        shapes=((),) * len(copies),
        floor=0.0,
        eigenvalues=_closed_eigenvalues(names, copies) if len(copies) <= 2 else None,
        data={"target": np.asarray(1.0)},
        loss_with_data=lambda full, data: half_square(product(full) - data["target"]),
    )


def numbered(count: int) -> tuple[str, ...]:
    """The names x1 ... xn."""
    return tuple(f"x{i + 1}" for i in range(count))


def tree_product(factors: Sequence[jax.Array]) -> jax.Array:
    """The product as a balanced tree."""
    factors = list(factors)
    while len(factors) > 1:
        pairs = [a * b for a, b in zip(factors[::2], factors[1::2])]
        factors = pairs + factors[len(factors) - len(factors) % 2 :]
    return factors[0]


def _checked_copies(multiplicities: Any) -> tuple[int, ...]:
    """Copies of each parameter."""
    free = is_count(multiplicities)
    copies = (multiplicities,) if free else multiplicities
    if not isinstance(copies, tuple) or not copies or not all(map(is_count, copies)):
        raise ValueError(
            "Argument `multiplicities` must be a positive integer or a sequence of them, "
            f"but got {multiplicities!r}."
        )
    if sum(copies) > MOST_SCALARS:  # refused before anything of that size is made
        raise ValueError(
            f"Argument `multiplicities` must give at most {MOST_SCALARS} scalars in all, "
            f"but got {multiplicities!r}."
        )
    return (1,) * copies[0] if free else copies


def _closed_eigenvalues(
    names: tuple[str, ...], copies: tuple[int, ...]
) -> Callable[[Parameters], tuple[jax.Array, ...]]:
    r"""Eigenvalues of the full Hessian at a coupled point with one or two parameters.

    Directions that pull two copies of x_i apart have eigenvalue -r P / x_i^2 (m_i - 1 of them);
    the rest is the Hessian on the coupled plane in orthonormal coordinates,
    m_i (P/x_i)^2 + (m_i - 1) r P/x_i^2 on its diagonal and
    sqrt(m_i m_j) (P^2 + r P)/(x_i x_j) off it. P/x_i and P/x_i^2 are formed from powers, so zero
    coordinates are no exception.
    """

    def eigenvalues(params: Parameters) -> tuple[jax.Array, ...]:
        values = [jnp.asarray(params[n]) for n in names]
        residual = tree_product([v for v, m in zip(values, copies) for _ in range(m)]) - 1

        def product_without(*left_out: int) -> jax.Array:
            powers = [m - left_out.count(i) for i, m in enumerate(copies)]
            factors = [v for v, m in zip(values, powers) for _ in range(m)]
            return tree_product(factors) if factors else jnp.ones_like(values[0])

        apart, diagonal = [], []
        for i, m in enumerate(copies):
            once = product_without(i) ** 2
            twice = residual * product_without(i, i) if m > 1 else 0.0
            apart += [-twice] * (m - 1)
            diagonal.append(m * once + (m - 1) * twice)
        if len(copies) == 1:
            return (diagonal[0], *apart)
        mixed = (copies[0] * copies[1]) ** 0.5 * (
            product_without(0) * product_without(1) + residual * product_without(0, 1)
        )
        mean, half = (diagonal[0] + diagonal[1]) / 2, (diagonal[0] - diagonal[1]) / 2
        spread = jnp.sqrt(half * half + mixed * mixed)
        return (mean + spread, mean - spread, *apart)

    return eigenvalues
