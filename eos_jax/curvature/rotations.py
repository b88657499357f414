"""Small matrices by Jacobi rotations: the axes of symmetric ones, the polar factor of any.

A rotation turns two axes so that what they have in common vanishes; after some sweeps over all
pairs only rounding is left. The number of sweeps is fixed: a lane's bits do not depend on its
neighbours. Up to six axes everything is written out in scalars, so that under `vmap` each is one
array over lanes, and on a CPU all of them stay in registers; of more axes disjoint pairs are turned
at once. But for the polar factor of more than six columns there is no LAPACK inside: two programs
that run side by side on a CPU and both call its batched routines wait for each other's threads for
ever (jaxlib 0.10.1), and sweeps run programs side by side.

Source: Golub and Van Loan, Matrix Computations, section 8.5, and 8.6.3 for one-sided rotations.
"""

import jax
import jax.numpy as jnp
import numpy as np

MOST_WRITTEN_OUT = 6
"""Axes up to which rotations are written out one by one."""

_SWEEPS = 10  # of more axes than that


def diagonal_of(matrix: jax.Array) -> list[jax.Array]:
    """The eigenvalues of one small symmetric matrix, in no order.

    Args:
      matrix: shape (N, N), N up to `MOST_WRITTEN_OUT`.

    Returns:
      N scalars.

    Example:
      >>> import jax.numpy as jnp
      >>> from eos_jax.curvature.rotations import diagonal_of
      >>> print(*diagonal_of(jnp.array([[1.0, 2.0], [2.0, -2.0]])))
      2.0 -3.0
    """
    return _written_out(matrix, [[] for _ in range(len(matrix))])[0]


def axes_of(matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Eigenvalues of one symmetric matrix in no order, and their unit vectors as columns.

    Args:
      matrix: shape (N, N).

    Returns:
      Arrays of shapes (N,) and (N, N).

    Example:
      >>> import jax.numpy as jnp
      >>> from eos_jax.curvature.rotations import axes_of
      >>> values, vectors = axes_of(jnp.array([[1.0, 2.0], [2.0, -2.0]]))
      >>> print(values, (vectors * values @ vectors.T).round(4))
      [ 2. -3.] [[ 1.  2.]
       [ 2. -2.]]
    """
    size = len(matrix)
    if size > MOST_WRITTEN_OUT:
        turned, axes = _in_rounds(matrix)
        return jnp.diagonal(turned), axes
    values, axes = _written_out(matrix, _columns(jnp.eye(size, dtype=matrix.dtype)))
    return jnp.stack(values), _matrix(axes)


@jax.custom_jvp
def polar_factor(leaf: jax.Array) -> jax.Array:
    """U V^T of a matrix U S V^T: its singular values set to 1, those that are rounding to 0.

    Args:
      leaf: shape (rows, columns); a vector is one column, a scalar one entry.

    Returns:
      Array of the same shape.

    Example:
      >>> import jax.numpy as jnp
      >>> from eos_jax.curvature.rotations import polar_factor
      >>> print(polar_factor(jnp.array([[0.0, -3.0], [2.0, 0.0]])))
      [[ 0. -1.]
       [ 1.  0.]]

    Source: Golub and Van Loan, Matrix Computations, section 9.4.3.
    """
    if leaf.ndim < 2 or leaf.shape[-1] == 1:
        length = jnp.sqrt(jnp.sum(leaf**2))
        return leaf / jnp.where(length > 0, length, 1)
    left, _, right = _singular(leaf)
    return _shaped(left @ right.T, leaf)


@polar_factor.defjvp
def _polar_factor_jvp(primals, tangents):
    """U ((W - W^T)/(s_i + s_j)) V^T + (1 - U U^T) dA V/S V^T, W = U^T dA V.

    Through the rotations themselves it would be 0/0 where nothing is left to annul.
    """
    (leaf,), (tangent,) = primals, tangents
    left, values, right = _singular(leaf)
    move = _upright(tangent) @ right
    along = left.T @ move
    kept = values > 0
    both = kept[:, None] & kept
    sums = jnp.where(both, values[:, None] + values, 1)
    inside = left @ jnp.where(both, (along - along.T) / sums, 0)
    outside = (move - left @ along) * jnp.where(kept, 1 / jnp.where(kept, values, 1), 0)
    return polar_factor(leaf), _shaped((inside + outside) @ right.T, leaf)


def contraction(leaf: jax.Array) -> jax.Array:
    """The nearest matrix to a parameter with no singular value above 1.

    Args:
      leaf: as in `polar_factor`.

    Returns:
      Array of the same shape.

    Example:
      >>> import jax.numpy as jnp
      >>> from eos_jax.curvature.rotations import contraction
      >>> print(contraction(jnp.array([[0.0, -3.0], [0.5, 0.0]])))
      [[ 0.  -1. ]
       [ 0.5  0. ]]
    """
    left, values, right = _singular(leaf)
    return _shaped((left * jnp.minimum(values, 1)) @ right.T, leaf)


def _upright(leaf):
    """A parameter as a matrix with at least as many rows as columns."""
    matrix = leaf.reshape(-1, leaf.shape[-1]) if leaf.ndim > 1 else leaf.reshape(-1, 1)
    return matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T


def _shaped(matrix, leaf):
    """The inverse of `_upright`."""
    wide = leaf.ndim > 1 and leaf.size < leaf.shape[-1] ** 2
    return (matrix.T if wide else matrix).reshape(leaf.shape)


def _singular(leaf):
    """U, S, V of a parameter, upright; values that are rounding are 0, and so is U there."""
    matrix = _upright(leaf)
    if matrix.shape[1] > MOST_WRITTEN_OUT:
        finite = jnp.isfinite(jnp.sum(matrix))
        # LAPACK may look for the singular values of what is not finite for ever
        left, values, right = jnp.linalg.svd(jnp.where(finite, matrix, 0), full_matrices=False)
        kept = jnp.where(finite, _beyond_rounding(values, matrix), jnp.nan)
        return left * kept, values * kept, right.T
    size = jnp.max(jnp.abs(matrix))
    unit = matrix / jnp.where(size > 0, size, 1)  # its squares neither overflow nor underflow
    turned, right = _orthogonal_columns(unit)
    values = jnp.sqrt(jnp.sum(turned * turned, axis=0))
    kept = _beyond_rounding(values, matrix)
    left = turned / jnp.where(kept, values, 1) * kept  # what is not finite stays so
    return left, size * values * kept, right


def _beyond_rounding(values, matrix):
    return values > jnp.max(values) * len(matrix) * jnp.finfo(values.dtype).eps


def _orthogonal_columns(matrix):
    """A V and V, the columns of A V orthogonal to one another; A has at least as many rows."""
    rows, size = matrix.shape
    rounds = tournament(size)

    def inner(first, second):
        return sum(a * b for a, b in zip(first[:rows], second))

    def sweep(_, columns):
        columns = list(columns)
        for p, q in (pair for turn in rounds for pair in turn):
            first, second = columns[p], columns[q]
            difference = inner(second, second) - inner(first, first)
            angle = jax.lax.optimization_barrier(_angle(inner(first, second), difference))
            columns[p], columns[q] = _rotated(first, second, *angle[1:])
            columns = jax.lax.optimization_barrier(columns)
        return columns

    both = jnp.concatenate([matrix, jnp.eye(size, dtype=matrix.dtype)])
    turned = _matrix(jax.lax.fori_loop(0, 4 + size // 2, sweep, _columns(both)))
    return turned[:rows], turned[rows:]


def _columns(matrix):
    return [list(column) for column in matrix.T]


def _matrix(columns):
    return jnp.stack([jnp.stack(column) for column in columns], axis=1)


def tournament(size: int) -> list[list[tuple[int, int]]]:
    """Rounds of disjoint pairs in which each of some players meets every other once.

    Args:
      size: how many players.

    Example:
      >>> from eos_jax.curvature.rotations import tournament
      >>> tournament(3)
      [[(1, 2)], [(0, 2)], [(0, 1)]]
    """
    even = size + size % 2
    circle = list(range(even))
    rounds = []
    for _ in range(even - 1):
        pairs = zip(circle[: even // 2], circle[: even // 2 - 1 : -1])
        rounds.append(sorted((min(p), max(p)) for p in pairs if max(p) < size))
        circle = [circle[0], circle[-1], *circle[1:-1]]
    return rounds


def _written_out(matrix, axes):
    """The diagonal that rotations leave of a symmetric matrix, and axes turned by them."""
    size = len(matrix)
    upper = {(i, j): matrix[i, j] for i in range(size) for j in range(i, size)}
    rounds = tournament(size)
    sweeps = 0 if size == 1 else 1 if size == 2 else 4 + size // 2

    def sweep(_, state):
        entries, axes = dict(state[0]), list(state[1])
        for p, q in (pair for turn in rounds for pair in turn):
            entries, angle = _annulled(entries, size, p, q)
            axes[p], axes[q] = _rotated(axes[p], axes[q], *angle)
            entries, axes = jax.lax.optimization_barrier((entries, axes))
        return entries, axes

    upper, axes = jax.lax.fori_loop(0, sweeps, sweep, (upper, axes))
    return [upper[i, i] for i in range(size)], axes


def _annulled(entries, size, p, q):
    """An upper triangle turned so that its entry p, q vanishes; the angle's cosine and sine."""
    at = lambda i, j: (min(i, j), max(i, j))  # noqa: E731
    off = entries[p, q]
    angle = _angle(off, entries[q, q] - entries[p, p])
    # without the barrier each entry would compute the angle anew
    tangent, cosine, sine = jax.lax.optimization_barrier(angle)
    entries |= {
        (p, p): entries[p, p] - tangent * off,
        (q, q): entries[q, q] + tangent * off,
        (p, q): off * 0,
    }
    for k in set(range(size)) - {p, q}:
        pair = [entries[at(k, p)]], [entries[at(k, q)]]
        (entries[at(k, p)],), (entries[at(k, q)],) = _rotated(*pair, cosine, sine)
    return entries, (cosine, sine)


def _angle(off, difference):
    """Tangent, cosine and sine of the smaller angle that annuls `off`."""
    root = jnp.abs(difference) + jnp.sqrt(difference * difference + 4 * off * off)
    ratio = jnp.where(difference < 0, -2.0, 2.0) * off / root
    tangent = jnp.where(root > 0, ratio, 0.0)  # nothing is left to annul, or the root underflows
    cosine = jax.lax.rsqrt(1 + tangent * tangent)
    return tangent, cosine, tangent * cosine


def _rotated(first, second, cosine, sine):
    """Two columns, turned in their plane."""
    return (
        [cosine * a - sine * b for a, b in zip(first, second)],
        [sine * a + cosine * b for a, b in zip(first, second)],
    )


def _in_rounds(matrix):
    """A symmetric matrix in its axes, and these: disjoint pairs turned at once, by products."""
    size = len(matrix)
    even = size + size % 2  # an axis of zeros changes no rotation
    matrix = jnp.pad(matrix, (0, even - size))
    schedule = jnp.asarray(np.array(tournament(even)).transpose(0, 2, 1))

    def rotate(index, state):
        matrix, axes = state
        p, q = schedule[index % (even - 1)]
        _, cosine, sine = _angle(matrix[p, q], matrix[q, q] - matrix[p, p])
        rotation = jnp.zeros_like(matrix).at[p, p].set(cosine).at[q, q].set(cosine)
        rotation = rotation.at[p, q].set(sine).at[q, p].set(-sine)
        return rotation.T @ matrix @ rotation, axes @ rotation

    start = matrix, jnp.eye(even, dtype=matrix.dtype)
    matrix, axes = jax.lax.fori_loop(0, _SWEEPS * (even - 1), rotate, start)
    return matrix[:size, :size], axes[:size, :size]
