"""Eigenvalues of symmetric matrices and operators, in JAX, for one matrix at a time under `vmap`.

Small matrices are diagonalised by Jacobi rotations; operators by power iteration or in Krylov
spaces, where a value counts only with its residual below a tolerance. No LAPACK inside: two
programs that run side by side on a CPU and both call its batched routines wait for each other's
threads for ever (jaxlib 0.10.1), and sweeps run programs side by side.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

MOST_JACOBI = 64
"""Coordinates up to which Jacobi rotations diagonalise a Hessian; larger ones go to Lanczos."""

_MOST_UNROLLED = 6  # rotations written out one by one; above it a round of them is a matrix


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
    """Largest eigenvalue of one symmetric matrix, by whole sweeps of Jacobi rotations if small.

    The entries are scalars here, so under `vmap` each becomes one array over lanes. The number of
    sweeps is fixed: a lane's bits do not depend on its neighbours.

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
    if size > _MOST_UNROLLED:
        values = jnp.diag(_jacobi_rounds(matrix))
        return jnp.min(values), jnp.max(values)
    upper = {(i, j): matrix[i, j] for i in range(size) for j in range(i, size)}
    sweeps = 0 if size == 1 else 1 if size == 2 else 4 + size // 2
    upper = jax.lax.fori_loop(0, sweeps, lambda _, entries: _jacobi_sweep(entries, size), upper)
    values = [upper[i, i] for i in range(size)]
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
    rotated, vectors = _jacobi_rounds(matrix, with_vectors=True)
    values = jnp.diag(rotated)
    order = jnp.argsort(-values)
    return values[order], vectors[:, order]


def _jacobi_sweep(entries, size):
    """One rotation for every pair of axes, each annulling that pair's entry."""
    entries = dict(entries)
    at = lambda i, j: (min(i, j), max(i, j))  # noqa: E731
    for p in range(size):
        for q in range(p + 1, size):
            off, difference = entries[p, q], entries[q, q] - entries[p, p]
            tangent = _tangent(off, difference)
            cosine = jax.lax.rsqrt(1 + tangent * tangent)
            sine = tangent * cosine
            # without the barrier each entry would compute the angles anew
            tangent, cosine, sine = jax.lax.optimization_barrier((tangent, cosine, sine))
            entries[p, p] -= tangent * off
            entries[q, q] += tangent * off
            entries[p, q] = off * 0
            for k in set(range(size)) - {p, q}:
                first, second = entries[at(k, p)], entries[at(k, q)]
                entries[at(k, p)] = cosine * first - sine * second
                entries[at(k, q)] = sine * first + cosine * second
            entries = jax.lax.optimization_barrier(entries)
    return entries


def _jacobi_rounds(matrix, with_vectors=False):
    """Ten sweeps of rotations of disjoint pairs of axes at once, each round a product of matrices.

    Not LAPACK: two programs that run side by side on a CPU and both call its batched routines
    wait for each other's threads for ever (jaxlib 0.10.1), and sweeps run programs side by side.
    """
    size = len(matrix)
    even = size + size % 2  # an axis of zeros changes no rotation
    matrix = jnp.pad(matrix, (0, even - size))
    # a tournament: in even - 1 rounds every axis meets every other once
    circle = np.arange(even)
    rounds = []
    for _ in range(even - 1):
        rounds.append((circle[: even // 2], circle[: even // 2 - 1 : -1]))
        circle = np.concatenate([circle[:1], np.roll(circle[1:], 1)])
    schedule = jnp.asarray(rounds)

    def rotation_of(index, matrix):
        p, q = schedule[index % (even - 1)]
        tangent = _tangent(matrix[p, q], matrix[q, q] - matrix[p, p])
        cosine = jax.lax.rsqrt(1 + tangent * tangent)
        sine = tangent * cosine
        rotation = jnp.zeros_like(matrix).at[p, p].set(cosine).at[q, q].set(cosine)
        return rotation.at[p, q].set(sine).at[q, p].set(-sine)

    def rotate(index, matrix):
        rotation = rotation_of(index, matrix)
        return rotation.T @ matrix @ rotation

    def rotate_both(index, state):
        matrix, vectors = state
        rotation = rotation_of(index, matrix)
        return rotation.T @ matrix @ rotation, vectors @ rotation

    turns = 10 * (even - 1)
    if with_vectors:
        start = matrix, jnp.eye(even, dtype=matrix.dtype)
        matrix, vectors = jax.lax.fori_loop(0, turns, rotate_both, start)
        return matrix[:size, :size], vectors[:size, :size]
    return jax.lax.fori_loop(0, turns, rotate, matrix)[:size, :size]


def _tangent(off, difference):
    """Tangent of the smaller angle that annuls `off`; 0 where nothing is left to annul."""
    root = jnp.abs(difference) + jnp.sqrt(difference * difference + 4 * off * off)
    ratio = jnp.where(difference < 0, -2.0, 2.0) * off / root
    return jnp.where(root > 0, ratio, 0.0)  # the root may underflow


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
    weights = _top_of_tridiagonal(diagonal / unit, off[:-1] / unit)
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


def _top_of_tridiagonal(diagonal, off):
    """Top eigenvector of a symmetric tridiagonal matrix of norm about 1, not normalised.

    A shift above the spectrum leaves only positive pivots in Gaussian elimination, so 63 shifts at
    a time close in on the largest eigenvalue, and inverse iteration there needs no pivoting. Not
    LAPACK, for the reason given at `_jacobi_rounds`.
    """
    dtype = diagonal.dtype
    precision = jnp.finfo(dtype)
    beside = jnp.concatenate([jnp.zeros(1, dtype), off])

    def pivots_of(shift):
        def eliminate(pivot, entry):
            value, left = entry
            pivot = shift - value - left * left / pivot
            return pivot, pivot

        return jax.lax.scan(eliminate, jnp.ones_like(shift), (diagonal, beside), unroll=4)[1]

    def narrower(_, bracket):
        low, high = bracket
        width = (high - low) / 64
        positive = jnp.all(pivots_of(low + width * jnp.arange(1, 64, dtype=dtype)) > 0, axis=0)
        below = jnp.sum(~positive, dtype=dtype)
        return low + width * below, low + width * (below + 1)

    reach = diagonal + beside + jnp.concatenate([off, jnp.zeros(1, dtype)])  # discs of Gershgorin
    bracket = jnp.max(diagonal), jnp.max(reach) + 8 * precision.eps
    _, shift = jax.lax.fori_loop(0, 2 + precision.nmant // 11, narrower, bracket)
    pivots = jnp.maximum(pivots_of(shift), precision.eps)
    ratios = beside[1:] / pivots[:-1]
    zero = jnp.zeros(1, dtype)

    def solve(_, vector):
        def forward(last, entry):
            value, ratio = entry
            last = value + ratio * last
            return last, last

        def backward(last, entry):
            value, pivot, ratio = entry
            last = value / pivot + ratio * last
            return last, last

        _, vector = jax.lax.scan(
            forward, zero[0], (vector, jnp.concatenate([zero, ratios])), unroll=4
        )
        _, vector = jax.lax.scan(
            backward,
            zero[0],
            (vector, pivots, jnp.concatenate([ratios, zero])),
            reverse=True,
            unroll=4,
        )
        return vector / jnp.max(jnp.abs(vector))

    # nothing of the rows of zeros behind a complete space
    complete = jnp.concatenate([jnp.ones(1, dtype), jnp.cumprod((off > 0).astype(dtype))])
    return jax.lax.fori_loop(0, 3, solve, complete)
