"""Curvature: the full Hessian, its products with vectors, and the sharpness.

Sharpness is the largest eigenvalue of the full Hessian, not the one largest in modulus: away from
the minima the smallest eigenvalue is often the larger in modulus, and a plain power iteration
returns that one. Three ways to it share one meaning:

- `exact` builds the Hessian. Small ones are diagonalised by Jacobi rotations over all lanes, which
  costs as much as some tens of gradient steps; `eigvalsh`, one lane at a time, costs thousands.
- `power` needs Hessian-vector products only. It measures the spectral radius first and shifts the
  spectrum by it, so that the largest eigenvalue is the largest in modulus too.
- `lanczos` builds a Krylov space, for large models.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from matfree import decomp

from eos_jax.objectives.base import Objective, Parameters, lift, over_lanes

METHODS = ("exact", "power", "lanczos")
MOST_JACOBI = 64
"""Coordinates up to which Jacobi rotations diagonalise a Hessian; larger ones go to LAPACK."""

_MOST_UNROLLED = 6  # rotations written out one by one; above it a round of them is a matrix
_TILE = 1024  # lanes whose Hessians stay in the first-level cache


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


def _flat_loss(objective: Objective, params: Parameters):
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

    def one(p):
        function, flat = _flat_loss(objective, p)
        return jax.hessian(function)(flat)

    return over_lanes(objective, one, params)


def hessian_vector_product(objective: Objective, params: Parameters, vector: jax.Array):
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
    function, flat = _flat_loss(objective, params)
    return jax.jvp(jax.grad(function), (flat,), (jnp.asarray(vector, flat.dtype),))[1]


def sharpness(
    objective: Objective,
    params: Parameters,
    method: str = "exact",
    *,
    tolerance: float | None = None,
    max_iterations: int = 100_000,
    krylov: int = 32,
) -> jax.Array:
    """Largest eigenvalue of the full Hessian, at one point or at every lane.

    Args:
      objective: the objective.
      params: leaves of shape (lanes...) + the parameter's shape.
      method: "exact", "power" or "lanczos".
      tolerance: power: largest residual |Hv - sharpness v| / |H| that counts as converged;
        the root of the dtype's resolution by default, the eigenvalue's error being its square.
      max_iterations: power: products with the Hessian at most.
      krylov: lanczos: dimension of the Krylov space, at most N.

    Returns:
      Array of shape (lanes...); NaN where the power iteration did not converge or the Hessian is
      not finite.

    Raises:
      ValueError: if the method is unknown or the names or shapes are not the objective's.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> print(eos.sharpness(obj, {"x": 2.0, "y": 0.5}))  # at a minimum: 2 (x^2 + y^2)
      8.5

    Source: Zhu et al. 2023, section 3; the eigenvalues in closed form at coupled points are in
    its appendix.
    """
    if method not in METHODS:
        raise ValueError(
            f"Argument `method` must be one of {', '.join(METHODS)}, but got {method!r}."
        )

    return _sharpness(objective, dict(params), method, tolerance, max_iterations, krylov)


@functools.partial(jax.jit, static_argnums=(0, 2, 3, 4, 5))
def _sharpness(objective, params, method, tolerance, max_iterations, krylov):
    def one(p):
        function, flat = _flat_loss(objective, p)
        if method == "exact":
            return largest_eigenvalue(jax.hessian(function)(flat))
        product = jax.linearize(jax.grad(function), flat)[1]
        if method == "lanczos":
            return _lanczos(product, flat, min(krylov, flat.size))
        result = power_iteration(product, flat, tolerance, max_iterations)
        return jnp.where(result.converged, result.eigenvalue, jnp.nan)

    return over_lanes(objective, one, params, tile=_TILE)


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
    size = len(matrix)
    if size > MOST_JACOBI:
        return jnp.linalg.eigvalsh(matrix)[-1]
    if size > _MOST_UNROLLED:
        return jnp.max(jnp.diag(_jacobi_rounds(matrix)))
    upper = {(i, j): matrix[i, j] for i in range(size) for j in range(i, size)}
    sweeps = 0 if size == 1 else 1 if size == 2 else 4 + size // 2
    upper = jax.lax.fori_loop(0, sweeps, lambda _, entries: _jacobi_sweep(entries, size), upper)
    return functools.reduce(jnp.maximum, (upper[i, i] for i in range(size)))


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


def _jacobi_rounds(matrix):
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

    def rotate(index, matrix):
        p, q = schedule[index % (even - 1)]
        tangent = _tangent(matrix[p, q], matrix[q, q] - matrix[p, p])
        cosine = jax.lax.rsqrt(1 + tangent * tangent)
        sine = tangent * cosine
        rotation = jnp.zeros_like(matrix).at[p, p].set(cosine).at[q, q].set(cosine)
        rotation = rotation.at[p, q].set(sine).at[q, p].set(-sine)
        return rotation.T @ matrix @ rotation

    return jax.lax.fori_loop(0, 10 * (even - 1), rotate, matrix)[:size, :size]


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
) -> PowerIteration:
    r"""The largest eigenvalue of a symmetric operator, by power iteration on H + |H|.

    Some plain iterations measure the spectral radius |H|; adding it makes every eigenvalue
    non-negative, so that the largest, whatever its sign, is what the iteration converges to.

    Args:
      product: v -> H v.
      like: array of shape (N,) that gives shape and dtype of v.
      tolerance: largest residual |Hv - lambda v| / |H| that counts as converged.
      max_iterations: products after which it gives up.

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
    tolerance = float(jnp.finfo(dtype).eps) ** 0.5 if tolerance is None else tolerance

    def unit(vector):
        norm = jnp.linalg.norm(vector)
        return vector / jnp.where(norm == 0, 1, norm), norm

    # a fixed random start: nearly orthogonal to the eigenvector with probability zero
    start, _ = unit(jax.random.normal(jax.random.key(0), like.shape, dtype))
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


def _lanczos(product, like, krylov):
    """Largest Ritz value of a Krylov space with full reorthogonalisation."""
    start = jax.random.normal(jax.random.key(0), like.shape, like.dtype)
    hessenberg = decomp.hessenberg(krylov, reortho="full", custom_vjp=False)(product, start).J_small
    diagonal, off = jnp.diag(hessenberg), jnp.diag(hessenberg, -1)
    # An invariant space shows as a vanishing subdiagonal entry. What follows it is rounding noise
    # (so matfree's own tridiagonal form is not used); what precedes it is complete.
    scale = jnp.linalg.norm(product(start)) / jnp.linalg.norm(start)
    grows = off > 1e3 * jnp.finfo(like.dtype).eps * scale
    complete = jnp.cumprod(jnp.concatenate([jnp.isfinite(diagonal[:1]), grows])).astype(bool)
    diagonal = jnp.where(complete, diagonal, diagonal[0])
    off = jnp.where(complete[1:], off, 0)
    return jnp.linalg.eigvalsh(jnp.diag(diagonal) + jnp.diag(off, 1) + jnp.diag(off, -1))[-1]
