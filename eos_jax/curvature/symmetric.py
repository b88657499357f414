"""Eigenvalues of symmetric matrices and operators, in JAX, for one matrix at a time under `vmap`.

Matrices of up to six coordinates are diagonalised by rotations; of larger ones the extremes are
found by reflections and bisection, all vectors by rotations. Operators go to power iteration or
Krylov spaces, where a value counts only with its residual below a tolerance.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from eos_jax.curvature.rotations import MOST_WRITTEN_OUT, axes_of, diagonal_of
from eos_jax.curvature.tridiagonal import extremes_of, top_vector_of, tridiagonal_of

MOST_JACOBI = 64
"""Coordinates up to which a Hessian is built and diagonalised; larger ones go to Lanczos."""


class PowerIteration(NamedTuple):
    """What a power iteration returns.

    Attributes:
      eigenvalue: the Rayleigh quotient at the end.
      vector: the unit vector it belongs to.
      iterations: products with the matrix that were spent.
      converged: whether the residual fell below the tolerance.
    """

    eigenvalue: jax.Array
    vector: jax.Array
    iterations: jax.Array
    converged: jax.Array


def residual_tolerance(dtype: Any) -> float:
    """Largest residual |Hv - s v| / |H| of an eigenvector: the root of the dtype's resolution.

    Args:
      dtype: of the products.

    Returns:
      1.5e-8 in double precision, 3.5e-4 in single.

    Example:
      >>> from eos_jax.curvature import residual_tolerance
      >>> round(residual_tolerance("float64") * 1e8, 2)
      1.49
    """
    return float(jnp.finfo(dtype).eps) ** 0.5


def largest_eigenvalue(matrix: jax.Array) -> jax.Array:
    """Largest eigenvalue of one symmetric matrix.

    By Jacobi rotations of up to six coordinates, else by reflections to a tridiagonal matrix and
    bisection. The number of turns is fixed: a lane's bits do not depend on its neighbours.

    Args:
      matrix: shape (N, N).

    Returns:
      Scalar; NaN if the matrix is not finite.

    Example:
      >>> import jax.numpy as jnp
      >>> from eos_jax.curvature import largest_eigenvalue
      >>> print(largest_eigenvalue(jnp.array([[1.0, 2.0], [2.0, -2.0]])))
      2.0
    """
    return extremes(matrix)[1]


@jax.custom_jvp
def extremes(matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Smallest and largest eigenvalue of one symmetric matrix."""
    size = len(matrix)
    if size > MOST_JACOBI:
        values = jnp.linalg.eigvalsh(matrix)
        return values[0], values[-1]
    if size > MOST_WRITTEN_OUT:
        return extremes_of(*tridiagonal_of(matrix))
    values = diagonal_of(matrix)
    return functools.reduce(jnp.minimum, values), functools.reduce(jnp.maximum, values)


@extremes.defjvp
def _extremes_jvp(primals, tangents):
    """v^T dH v. Through the rotations themselves it would be 0/0 where nothing is left to annul."""
    (matrix,), (tangent,) = primals, tangents
    _, vectors = eigenpairs(matrix)
    slopes = jnp.sum(vectors * (tangent @ vectors), axis=0)
    return extremes(matrix), (slopes[-1], slopes[0])


def eigenpairs(matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Eigenvalues of one symmetric matrix from the largest down, and their vectors as columns."""
    if len(matrix) > MOST_JACOBI:
        values, vectors = jnp.linalg.eigh(matrix)
        return values[::-1], vectors[:, ::-1]
    values, vectors = axes_of(matrix)
    order = jnp.argsort(-values)
    return values[order], vectors[:, order]


def power_iteration(
    product: Callable[[jax.Array], jax.Array],
    like: jax.Array,
    tolerance: float | None = None,
    max_iterations: int = 100_000,
    seed: int | jax.Array = 0,
) -> PowerIteration:
    r"""The largest eigenvalue of a symmetric operator, by power iteration on H + |H|.

    Some plain iterations measure the spectral radius |H|; adding it makes every eigenvalue
    non-negative, so that the largest, whatever its sign, is what the iteration converges to.

    Args:
      product: v -> H v.
      like: array of shape (N,) that gives shape and dtype of v.
      tolerance: largest residual |Hv - lambda v| / |H| that counts as converged.
      max_iterations: products after which it gives up.
      seed: of the random start.

    Returns:
      A `PowerIteration`.

    Example:
      >>> import jax.numpy as jnp
      >>> from eos_jax.curvature import power_iteration
      >>> result = power_iteration(lambda v: jnp.array([1.0, -3.0]) * v, jnp.ones(2))
      >>> print(round(float(result.eigenvalue), 5), bool(result.converged))
      1.0 True

    Source: Golub and Van Loan, Matrix Computations, section 8.2; the shift is there because
    `optax.power_iteration` returns the eigenvalue largest in modulus.
    """
    dtype = like.dtype
    tolerance = residual_tolerance(dtype) if tolerance is None else tolerance

    def unit(vector):
        norm = jnp.linalg.norm(vector)
        return vector / jnp.where(norm == 0, 1, norm), norm

    # a fixed random start: nearly orthogonal to the eigenvector with probability zero
    start, _ = unit(jax.random.normal(jax.random.key(seed), like.shape, dtype))
    _, radius = jax.lax.fori_loop(
        0, 32, lambda _, state: unit(product(state[0])), (start, jnp.zeros((), dtype))
    )

    def measure(vector):
        image = product(vector)
        value = jnp.vdot(vector, image)
        return image, value, jnp.linalg.norm(image - value * vector)

    def undecided(state):
        _, _, _, residual, iterations = state
        return (residual > tolerance * radius) & (iterations < max_iterations)

    def step(state):
        vector, image, _, _, iterations = state
        vector, _ = unit(image + radius * vector)
        return vector, *measure(vector), iterations + 1

    vector, _, value, residual, iterations = jax.lax.while_loop(
        undecided, step, (start, *measure(start), jnp.asarray(33))
    )
    return PowerIteration(value, vector, iterations, residual <= tolerance * radius)


def dot(first: jax.Array, second: jax.Array) -> jax.Array:
    """Sum of products, not a call of a matrix library, whose bits may depend on the batch."""
    return jnp.sum(first * second)


def lanczos(
    product: Callable[[jax.Array], jax.Array],
    like: jax.Array,
    tolerance: float | None,
    max_products: int,
    krylov: int,
    seed: int = 0,
) -> PowerIteration:
    """The largest eigenvalue from Krylov spaces, each started from the Ritz vector of the last.

    The first has `krylov` dimensions, few, because under `vmap` every lane pays for what one of
    them needs; where its residual is too large, those that follow have eight times as many, or all
    N, in which any spectrum is exact. What is not finite stops at once.
    """
    tolerance = residual_tolerance(like.dtype) if tolerance is None else tolerance
    first = min(krylov, like.size)
    space = min(8 * krylov, like.size)
    # a fixed random start: nearly orthogonal to the eigenvector with probability zero
    start = jax.random.normal(jax.random.key(seed), like.shape, like.dtype)
    # a product more than the space has dimensions, for the residual
    state = (*_ritz(product, start, first), jnp.asarray(first + 1))

    def undecided(state):
        _, _, residual, radius, products = state
        return (residual > tolerance * radius) & (products < max_products)

    def longer(state):
        _, vector, _, _, products = state
        return (*_ritz(product, vector, space), products + space + 1)

    value, vector, residual, radius, products = jax.lax.while_loop(undecided, longer, state)
    return PowerIteration(value, vector, products, residual <= tolerance * radius)


def _ritz(product, start, dimension):
    """Largest Ritz value of one Krylov space, its unit vector, its residual, and about |H|."""
    rows, diagonal, off, radius = _krylov(product, start, dimension)
    unit = jnp.where(radius == 0, 1, radius)
    weights = top_vector_of(diagonal / unit, off[:-1] / unit)
    vector = jnp.sum(weights[:, None] * rows, axis=0)
    vector = vector / jnp.sqrt(dot(vector, vector))
    image = product(vector)
    value = dot(vector, image)
    difference = image - value * vector
    return value, vector, jnp.sqrt(dot(difference, difference)), radius


def _krylov(product, start, dimension):
    """Orthonormal rows that span a Krylov space, H in them (diagonal, beside it), and about |H|.

    Rounding brings directions back that have converged, and a Ritz vector is then made of several
    near copies that may cancel; so each new row is made orthogonal to all.

    An invariant space shows as a vanishing length. It is complete: rows of zeros follow, and on
    the diagonal an entry that is no larger than the eigenvalue sought.
    """
    resolution = 1e3 * jnp.finfo(start.dtype).eps

    def step(index, state):
        rows, diagonal, off, vector, length, radius = state
        before = rows[index - 1]  # zeros at the first step
        rows = rows.at[index].set(vector)
        image = product(vector)
        radius = jnp.maximum(radius, jnp.sqrt(dot(image, image)))
        value = dot(vector, image)
        diagonal = diagonal.at[index].set(
            jnp.where((index == 0) | (length > 0), value, diagonal[0])
        )
        image = image - value * vector - length * before
        image = image - jnp.sum(jnp.sum(rows * image, axis=1)[:, None] * rows, axis=0)
        length = jnp.sqrt(dot(image, image))
        grows = length > resolution * radius
        vector = jnp.where(grows, image / jnp.where(grows, length, 1), 0)
        length = jnp.where(grows, length, 0)
        return rows, diagonal, off.at[index].set(length), vector, length, radius

    zero = jnp.zeros((), start.dtype)
    zeros = jnp.zeros(dimension, start.dtype)
    unit = start / jnp.sqrt(dot(start, start))
    state = (jnp.zeros((dimension, start.size), start.dtype), zeros, zeros, unit, zero, zero)
    rows, diagonal, off, _, _, radius = jax.lax.fori_loop(0, dimension, step, state)
    return rows, diagonal, off, radius
