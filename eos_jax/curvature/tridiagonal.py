"""Symmetric tridiagonal matrices: how a symmetric one becomes such a one, and its extremes.

A shift above the spectrum leaves only positive pivots in Gaussian elimination, so bisection closes
in on the largest eigenvalue. It takes a fixed number of turns: a lane's bits do not depend on its
neighbours. Not LAPACK, for the reason given in `eos_jax.curvature.rotations`.

Source: Golub and Van Loan, Matrix Computations, sections 8.3.1 (Householder), 8.4 (bisection).
"""

import jax
import jax.numpy as jnp


def tridiagonal_of(matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A symmetric tridiagonal matrix with the eigenvalues of a symmetric one, by reflections.

    Args:
      matrix: shape (N, N), N at least 2.

    Returns:
      The diagonal, shape (N,), and what is beside it, shape (N - 1,).

    Example:
      >>> import jax.numpy as jnp
      >>> from eos_jax.curvature.tridiagonal import tridiagonal_of
      >>> diagonal, off = tridiagonal_of(jnp.ones((3, 3)))
      >>> print(diagonal.round(4), abs(off).round(4))
      [1. 2. 0.] [1.4142 0.    ]
    """
    places = jnp.arange(len(matrix))
    mantissa, _ = jnp.frexp(jnp.max(jnp.abs(matrix)))
    # a power of 2, which changes no bit; the squares below neither overflow nor underflow
    unit = jnp.where(mantissa > 0, jnp.max(jnp.abs(matrix)) / mantissa, 1)

    def reflect(index, state):
        matrix, off = state
        row = jnp.where(places > index, matrix[index], 0)
        first = row[index + 1]
        length = jnp.sqrt(jnp.sum(row * row))
        length = jnp.where(first > 0, -length, length)
        # Householder's vector v and 2/|v|^2; nothing is turned where the row is empty
        axis = jnp.where(places == index + 1, row - length, row)
        square = length * (length - first)
        weight = jnp.where(square > 0, 1 / jnp.where(square > 0, square, 1), 0)
        image = weight * jnp.sum(matrix * axis, axis=1)
        image = image - (weight * jnp.sum(image * axis) / 2) * axis
        turned = matrix - axis[:, None] * image - image[:, None] * axis
        return turned, off.at[index].set(length)

    off = jnp.zeros(len(matrix) - 1, matrix.dtype)
    matrix, off = jax.lax.fori_loop(0, len(matrix) - 2, reflect, (matrix / unit, off))
    return unit * jnp.diagonal(matrix), unit * off.at[-1].set(matrix[-1, -2])


def extremes_of(diagonal: jax.Array, off: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Smallest and largest eigenvalue of a symmetric tridiagonal matrix.

    Args:
      diagonal: shape (N,).
      off: what is beside it, shape (N - 1,).

    Returns:
      Two scalars; NaN if the matrix is not finite.

    Example:
      >>> import jax.numpy as jnp
      >>> from eos_jax.curvature.tridiagonal import extremes_of
      >>> low, high = extremes_of(jnp.array([1.0, -2.0]), jnp.array([2.0]))
      >>> print(low.round(4), high.round(4))
      -3.0 2.0
    """
    scale = jnp.maximum(jnp.max(jnp.abs(diagonal)), jnp.max(jnp.abs(off)))
    unit = jnp.where(scale > 0, scale, 1)
    ends = jnp.stack([-diagonal, diagonal]) / unit
    low, high = jax.vmap(_top_value, (0, None))(ends, off / unit)
    return -unit * low, unit * high


def top_vector_of(diagonal: jax.Array, off: jax.Array) -> jax.Array:
    """Top eigenvector of a symmetric tridiagonal matrix of norm about 1, not normalised.

    By inverse iteration with a shift just above the spectrum, which needs no pivoting.

    Args:
      diagonal: shape (N,).
      off: what is beside it, shape (N - 1,).

    Returns:
      Array of shape (N,).

    Example:
      >>> import jax.numpy as jnp
      >>> from eos_jax.curvature.tridiagonal import top_vector_of
      >>> print(top_vector_of(jnp.array([0.5, 0.5]), jnp.array([0.5])))
      [1. 1.]
    """
    dtype = diagonal.dtype
    precision = jnp.finfo(dtype)
    beside = jnp.concatenate([jnp.zeros(1, dtype), off])
    _, shift = _bracket(diagonal, off, 2 * precision.nmant // 3)

    def eliminate(pivot, entry):
        value, left = entry
        pivot = shift - value - left * left / pivot
        return pivot, pivot

    _, pivots = jax.lax.scan(eliminate, jnp.ones_like(shift), (diagonal, beside))
    pivots = jnp.maximum(pivots, precision.eps)
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

        _, vector = jax.lax.scan(forward, zero[0], (vector, jnp.concatenate([zero, ratios])))
        entries = vector, pivots, jnp.concatenate([ratios, zero])
        _, vector = jax.lax.scan(backward, zero[0], entries, reverse=True)
        return vector / jnp.max(jnp.abs(vector))

    # nothing of the rows of zeros behind a complete space
    complete = jnp.concatenate([jnp.ones(1, dtype), jnp.cumprod((off > 0).astype(dtype))])
    return jax.lax.fori_loop(0, 3, solve, complete)


def _top_value(diagonal, off):
    return _bracket(diagonal, off, jnp.finfo(diagonal.dtype).nmant + 4)[0]


def _bracket(diagonal, off, halvings):
    """Numbers closely below and above the largest eigenvalue, of a matrix of norm about 1."""
    zero = jnp.zeros(1, off.dtype)
    before, after = jnp.concatenate([zero, off]), jnp.concatenate([off, zero])
    discs = diagonal + jnp.abs(before) + jnp.abs(after)  # of Gershgorin
    squares = before * before

    def above(shift):
        def eliminate(carry, entry):
            pivot, positive = carry
            value, square = entry
            pivot = shift - value - square / pivot
            return (pivot, positive & (pivot > 0)), None

        start = jnp.ones_like(shift), jnp.ones_like(shift, bool)
        return jax.lax.scan(eliminate, start, (diagonal, squares))[0][1]

    def halve(_, bracket):
        low, high = bracket
        middle = (low + high) / 2
        beyond = above(middle)
        return jnp.where(beyond, low, middle), jnp.where(beyond, middle, high)

    start = jnp.max(diagonal), jnp.max(discs) + 8 * jnp.finfo(off.dtype).eps
    return jax.lax.fori_loop(0, halvings, halve, start)
