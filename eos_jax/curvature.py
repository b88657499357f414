"""Curvature: the full Hessian, its products with vectors, its largest eigenvalues and vectors.

Sharpness is the largest eigenvalue of the full Hessian, not the one largest in modulus: away from
the minima the smallest eigenvalue is often the larger in modulus, and a plain power iteration
returns that one. Four ways to it share one meaning:

- a closed form, where the objective has one;
- `exact` builds the Hessian. Small ones are diagonalised by Jacobi rotations over all lanes, which
  costs as much as some tens of gradient steps; `eigvalsh`, one lane at a time, costs thousands.
- `lanczos` builds a Krylov space from products of the Hessian with vectors, for large models.
- `power` needs such products and no space. It measures the spectral radius first and shifts the
  spectrum by it, so that the largest eigenvalue is the largest in modulus too.

`auto` takes the first of these that suits. Functions that end in `_at` are for one point: pure,
without checks, to be traced inside `jit` and `vmap`; those without the ending are for users: they
check, compile, and take every lane at once. Both `lanczos` and `power` return an eigenvalue only
with its residual below a tolerance, NaN otherwise; derivatives are v^T dH v.
"""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from eos_jax.objectives.base import (
    Objective,
    Parameters,
    as_parameters,
    check_names,
    lift,
    over_lanes,
)

METHODS = ("auto", "exact", "power", "lanczos")
MOST_JACOBI = 64
"""Coordinates up to which Jacobi rotations diagonalise a Hessian; larger ones go to Lanczos."""

_MOST_UNROLLED = 6  # rotations written out one by one; above it a round of them is a matrix
_TILE = 1024  # lanes whose Hessians stay in the first-level cache
_MOST_PRODUCTS = {"power": 100_000, "lanczos": 4096}
_SPACE_BYTES = 2**27  # of the Krylov spaces of the lanes that are computed at once


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
    function, flat = _flat_loss(objective, params)
    return jax.jvp(jax.grad(function), (flat,), (jnp.asarray(vector, flat.dtype),))[1]


def sharpness(
    objective: Objective,
    params: Parameters,
    method: str | None = "auto",
    *,
    scale: Mapping[str, Any] | None = None,
    tolerance: float | None = None,
    max_iterations: int | None = None,
    krylov: int = 32,
) -> jax.Array:
    """Largest eigenvalue of the full Hessian H, or of D^(1/2) H D^(1/2), at every lane.

    Args:
      objective: the objective.
      params: leaves of shape (lanes...) + the parameter's shape.
      method: "auto", "exact", "power", "lanczos"; None does not compute it. "auto" is the closed
        form where there is one and no scale, else exact up to `MOST_JACOBI` coordinates, else
        Lanczos.
      scale: the diagonal of D, as factors of the parameters, the same for all copies of one;
        leaves that broadcast against those of `params`. With D = 1/P this is the preconditioned
        sharpness, that of P^-1 H.
      tolerance: power, lanczos: largest residual |Hv - sharpness v| / |H| that counts as
        converged; the root of the dtype's resolution by default, the eigenvalue's error being at
        most the residual, and about its square over the gap to the next eigenvalue.
      max_iterations: power, lanczos: products with the Hessian after which to give up; 100,000
        and 4096 by default.
      krylov: lanczos: dimension of the first Krylov space, at most N; the spaces that follow,
        where the residual is too large, have four times as many.

    Returns:
      Array of shape (lanes...), in units of loss per squared unit of the parameters; NaN where an
      iteration did not converge or the Hessian is not finite.

    Raises:
      ValueError: if the method is unknown, a setting is not positive, or the names or shapes are
        not the objective's.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> print(eos.sharpness(obj, {"x": 2.0, "y": 0.5}))  # at a minimum: 2 (x^2 + y^2)
      8.5
      >>> print(eos.sharpness(obj, {"x": 2.0, "y": 0.5}, scale={"x": 2.0, "y": 2.0}).round(4))
      17.0

    Source: Zhu et al. 2023, section 3; the eigenvalues in closed form at coupled points are in
    its appendix. Cohen et al. 2022, "Adaptive gradient methods at the edge of stability", for the
    preconditioned sharpness.
    """
    search = _checked(method, tolerance, max_iterations, krylov)
    return _lanes_of(sharpness_at, objective, params, scale, search)


def sharpness_at(
    objective: Objective,
    params: Parameters,
    method: str | None = "auto",
    scale: Mapping[str, Any] | None = None,
    *,
    tolerance: float | None = None,
    max_iterations: int | None = None,
    krylov: int = 32,
) -> jax.Array:
    """`sharpness` at one point, to be traced: no checks, no compilation of its own.

    Args:
      objective: the objective.
      params: one point.
      method: as in `sharpness`.
      scale: as in `sharpness`, leaves that broadcast against the parameter's shape.
      tolerance: as in `sharpness`.
      max_iterations: as in `sharpness`.
      krylov: as in `sharpness`.

    Returns:
      Scalar.

    Example:
      >>> import eos_jax as eos
      >>> from eos_jax.curvature import sharpness_at
      >>> print(sharpness_at(eos.objectives.scalar_product((2, 2)), {"x": 2.0, "y": 0.5}))
      8.5

    Source: as `sharpness`.
    """
    search = _Search(method, tolerance, max_iterations, krylov)
    method = _chosen(objective, method, scale)
    if method is None:
        return jnp.full((), jnp.nan, jnp.result_type(float, *params.values()))
    if method == "closed":
        return jnp.max(jnp.stack(_closed(objective, params)), axis=0)
    if method == "exact":
        return largest_eigenvalue(_scaled_hessian(objective, params, scale))
    return _iterated(objective, params, scale, search, method, sign=1)


def extreme_eigenvalues(
    objective: Objective,
    params: Parameters,
    method: str | None = "auto",
    *,
    scale: Mapping[str, Any] | None = None,
    tolerance: float | None = None,
    max_iterations: int | None = None,
    krylov: int = 32,
) -> tuple[jax.Array, jax.Array]:
    """Smallest and largest eigenvalue of the full Hessian, or of D^(1/2) H D^(1/2).

    Tells minima, where the smallest is not negative beyond rounding, from saddles.

    Args:
      objective: the objective.
      params: leaves of shape (lanes...) + the parameter's shape.
      method: as in `sharpness`.
      scale: as in `sharpness`.
      tolerance: as in `sharpness`.
      max_iterations: as in `sharpness`, for each of the two.
      krylov: as in `sharpness`.

    Returns:
      Two arrays of shape (lanes...), NaN as in `sharpness`.

    Raises:
      ValueError: as `sharpness`.

    Example:
      >>> import eos_jax as eos
      >>> saddle = eos.objectives.from_function(lambda a, b: a * a - 2 * b * b)
      >>> low, high = eos.curvature.extreme_eigenvalues(saddle, {"a": 0.0, "b": 0.0})
      >>> print(low, high)
      -4.0 2.0

    Source: as `sharpness`.
    """
    search = _checked(method, tolerance, max_iterations, krylov)
    return _lanes_of(extreme_eigenvalues_at, objective, params, scale, search)


def extreme_eigenvalues_at(
    objective: Objective,
    params: Parameters,
    method: str | None = "auto",
    scale: Mapping[str, Any] | None = None,
    *,
    tolerance: float | None = None,
    max_iterations: int | None = None,
    krylov: int = 32,
) -> tuple[jax.Array, jax.Array]:
    """`extreme_eigenvalues` at one point, to be traced: no checks, no compilation of its own.

    Args:
      objective: the objective.
      params: one point.
      method: as in `sharpness`.
      scale: as in `sharpness_at`.
      tolerance: as in `sharpness`.
      max_iterations: as in `extreme_eigenvalues`.
      krylov: as in `sharpness`.

    Returns:
      Two scalars, the smallest and the largest.

    Example:
      >>> import eos_jax as eos
      >>> from eos_jax.curvature import extreme_eigenvalues_at
      >>> obj = eos.objectives.scalar_product((1, 1))
      >>> low, high = extreme_eigenvalues_at(obj, {"x": 0.0, "y": 0.0})
      >>> print(low, high)
      -1.0 1.0

    Source: as `sharpness`.
    """
    search = _Search(method, tolerance, max_iterations, krylov)
    method = _chosen(objective, method, scale)
    if method is None:
        unknown = sharpness_at(objective, params, None)
        return unknown, unknown
    if method == "closed":
        values = jnp.stack(_closed(objective, params))
        return jnp.min(values, axis=0), jnp.max(values, axis=0)
    if method == "exact":
        return _extremes(_scaled_hessian(objective, params, scale))
    lowest = -_iterated(objective, params, scale, search, method, sign=-1)
    return lowest, _iterated(objective, params, scale, search, method, sign=1)


class _Search(NamedTuple):
    """How eigenvalues are looked for: the settings of `sharpness`, hashable."""

    method: str | None
    tolerance: float | None
    max_iterations: int | None
    krylov: int


def _checked(method, tolerance, max_iterations, krylov) -> _Search:
    """The settings, or the error that says which of them is wrong."""
    if method is not None and method not in METHODS:
        raise ValueError(
            f"Argument `method` must be one of {', '.join(METHODS)}, but got {method!r}."
        )
    settings = {"tolerance": tolerance, "max_iterations": max_iterations, "krylov": krylov}
    for name, value in settings.items():
        if value is not None and not value > 0:
            raise ValueError(f"Argument `{name}` must be positive, but got {value}.")
    return _Search(method, tolerance, max_iterations, krylov)


def _chosen(objective, method, scale) -> str | None:
    """What "auto" stands for: "closed", "exact" or "lanczos"; any other method as it is."""
    if method != "auto":
        return method
    if objective.eigenvalues is not None and scale is None:
        return "closed"
    return "exact" if _coordinates(objective) <= MOST_JACOBI else "lanczos"


def _coordinates(objective) -> int:
    """How many coordinates the full space has."""
    return sum(c * math.prod(shape) for c, shape in zip(objective.copies, objective.shapes))


def _closed(objective, params):
    if objective.eigenvalues is None:
        raise ValueError(f"The eigenvalues of {objective.name} are not known in closed form.")
    return objective.eigenvalues(params)


def _lanes_of(function, objective, params, beside, search, **settings):
    """A function of one point at every lane, compiled, with a mapping beside the parameters."""
    params = as_parameters(objective, params)
    if beside is not None:
        check_names(objective, beside, "scale")
        beside = {n: jnp.asarray(beside[n], params[n].dtype) for n in objective.parameters}
    settings = tuple(settings.items())
    return _compiled_lanes(function, objective, search, settings, params, beside)


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _compiled_lanes(function, objective, search, settings, params, beside):
    def one(point, its_own):
        return function(objective, point, search.method, its_own, **dict(settings), **rest)

    rest = {"tolerance": search.tolerance, "max_iterations": search.max_iterations}
    rest["krylov"] = search.krylov
    size = _coordinates(objective)
    tile = _TILE
    if _chosen(objective, search.method, beside) == "lanczos":
        space = min(size, 4 * search.krylov) * size * next(iter(params.values())).dtype.itemsize
        tile = max(1, min(_TILE, _SPACE_BYTES // space))
    if beside is None:
        return over_lanes(objective, lambda point: one(point, None), params, tile=tile)
    # every parameter and what stands beside it: an objective of twice as many parameters
    names = {name: f"{name} beside" for name in objective.parameters}
    both = replace(
        objective,
        parameters=(*names, *names.values()),
        copies=objective.copies * 2,
        shapes=objective.shapes * 2,
    )
    shapes = dict(zip(objective.parameters, objective.shapes))
    values = dict(params)
    for name, other in names.items():
        leaf = beside[name]
        values[other] = jnp.broadcast_to(leaf, jnp.broadcast_shapes(leaf.shape, shapes[name]))

    def split(point):
        return one({n: point[n] for n in names}, {n: point[other] for n, other in names.items()})

    return over_lanes(both, split, values, tile=tile)


def _full_vector(objective, values, dtype):
    """A mapping like the parameters as one vector of full-space coordinates."""
    pieces = []
    for name, copies, shape in zip(objective.parameters, objective.copies, objective.shapes):
        pieces += [jnp.broadcast_to(jnp.asarray(values[name], dtype), shape).ravel()] * copies
    return jnp.concatenate(pieces)


def _scaled_hessian(objective, params, scale):
    function, flat = _flat_loss(objective, params)
    matrix = jax.hessian(function)(flat)
    if scale is None:
        return matrix
    root = jnp.sqrt(_full_vector(objective, scale, flat.dtype))
    return root[:, None] * matrix * root


def _operator(objective, params, scale, sign=1):
    """v -> D^(1/2) H D^(1/2) v, and a vector that gives shape and dtype of v."""
    function, flat = _flat_loss(objective, params)
    product = jax.linearize(jax.grad(function), flat)[1]
    if scale is None:
        return (lambda v: sign * product(v)), flat
    root = jnp.sqrt(_full_vector(objective, scale, flat.dtype))
    return (lambda v: sign * root * product(root * v)), flat


def _iterated(objective, params, scale, search, method, sign):
    """Largest eigenvalue of sign times the Hessian by products alone, checked by its residual."""
    still = jax.lax.stop_gradient((dict(params), scale))
    found = _top(*_operator(objective, *still, sign), search, method)
    # the vector is stationary, so that holding it gives the eigenvalue's derivative, v^T dH v
    vector = jax.lax.stop_gradient(found.vector)
    product, _ = _operator(objective, params, scale, sign)
    return jnp.where(found.converged, _dot(vector, product(vector)), jnp.nan)


def _top(product, like, search, method, seed=0) -> PowerIteration:
    most = search.max_iterations or _MOST_PRODUCTS[method]
    if method == "power":
        return power_iteration(product, like, search.tolerance, most, seed)
    return _lanczos(product, like, search.tolerance, most, search.krylov, seed)


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
    return _extremes(matrix)[1]


@jax.custom_jvp
def _extremes(matrix):
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


@_extremes.defjvp
def _extremes_jvp(primals, tangents):
    """v^T dH v. Through the rotations themselves it would be 0/0 where nothing is left to annul."""
    (matrix,), (tangent,) = primals, tangents
    _, vectors = _eigenpairs(matrix)
    slopes = jnp.sum(vectors * (tangent @ vectors), axis=0)
    return _extremes(matrix), (slopes[-1], slopes[0])


def _eigenpairs(matrix):
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


def _dot(first, second):
    """Sum of products, not a call of a matrix library, whose bits may depend on the batch."""
    return jnp.sum(first * second)


def _lanczos(product, like, tolerance, max_products, krylov, seed=0) -> PowerIteration:
    """The largest eigenvalue from Krylov spaces, each started from the Ritz vector of the last.

    The first has `krylov` dimensions; where its residual is too large, those that follow have four
    times as many, or all N, in which any spectrum is exact. What is not finite stops at once.
    """
    tolerance = residual_tolerance(like.dtype) if tolerance is None else tolerance
    first = min(krylov, like.size)
    space = min(4 * krylov, like.size)
    # a fixed random start: nearly orthogonal to the eigenvector with probability zero
    start = jax.random.normal(jax.random.key(seed), like.shape, like.dtype)
    # a product more than the space has dimensions, for the residual
    state = (*_ritz(product, start, first, first == like.size), jnp.asarray(first + 1))

    def undecided(state):
        _, _, residual, radius, products = state
        return (residual > tolerance * radius) & (products < max_products)

    def longer(state):
        _, vector, _, _, products = state
        return (*_ritz(product, vector, space, True), products + space + 1)

    value, vector, residual, radius, products = jax.lax.while_loop(undecided, longer, state)
    return PowerIteration(value, vector, products, residual <= tolerance * radius)


def _ritz(product, start, dimension, orthogonal):
    """Largest Ritz value of one Krylov space, its unit vector, its residual, and about |H|."""
    rows, diagonal, off, radius = _krylov(product, start, dimension, orthogonal)
    unit = jnp.where(radius == 0, 1, radius)
    weights = _top_of_tridiagonal(diagonal / unit, off[:-1] / unit)
    vector = jnp.sum(weights[:, None] * rows, axis=0)
    vector = vector / jnp.sqrt(_dot(vector, vector))
    image = product(vector)
    value = _dot(vector, image)
    difference = image - value * vector
    return value, vector, jnp.sqrt(_dot(difference, difference)), radius


def _krylov(product, start, dimension, orthogonal):
    """Orthonormal rows that span a Krylov space, H in them (diagonal, beside it), and about |H|.

    Rounding brings directions back that have converged to the root of the resolution, which is all
    that is asked for; only spaces as large as the whole need the rows `orthogonal` again.

    An invariant space shows as a vanishing length. It is complete: rows of zeros follow, and on
    the diagonal an entry that is no larger than the eigenvalue sought.
    """
    resolution = 1e3 * jnp.finfo(start.dtype).eps

    def step(index, state):
        rows, diagonal, off, vector, length, radius = state
        before = rows[index - 1]  # zeros at the first step
        rows = rows.at[index].set(vector)
        image = product(vector)
        radius = jnp.maximum(radius, jnp.sqrt(_dot(image, image)))
        value = _dot(vector, image)
        diagonal = diagonal.at[index].set(
            jnp.where((index == 0) | (length > 0), value, diagonal[0])
        )
        image = image - value * vector - length * before
        if orthogonal:
            image = image - jnp.sum(jnp.sum(rows * image, axis=1)[:, None] * rows, axis=0)
        length = jnp.sqrt(_dot(image, image))
        grows = length > resolution * radius
        vector = jnp.where(grows, image / jnp.where(grows, length, 1), 0)
        length = jnp.where(grows, length, 0)
        return rows, diagonal, off.at[index].set(length), vector, length, radius

    zero = jnp.zeros((), start.dtype)
    zeros = jnp.zeros(dimension, start.dtype)
    unit = start / jnp.sqrt(_dot(start, start))
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


# Eigenvectors -------------------------------------------------------------------------------------


def top_eigenpairs(
    objective: Objective,
    params: Parameters,
    k: int = 1,
    method: str = "auto",
    *,
    scale: Mapping[str, Any] | None = None,
    tolerance: float | None = None,
    max_iterations: int | None = None,
    krylov: int = 32,
) -> tuple[jax.Array, jax.Array]:
    """The k largest eigenvalues of the full Hessian, H v_i = s_i v_i, and their unit vectors.

    Args:
      objective: the objective.
      params: leaves of shape (lanes...) + the parameter's shape.
      k: how many, at most the N full-space coordinates.
      method: "auto" (exact up to `MOST_JACOBI` coordinates, else Lanczos), "exact", "power",
        "lanczos".
      scale: as in `sharpness`; vectors are then those of D^(1/2) H D^(1/2).
      tolerance: as in `sharpness`.
      max_iterations: as in `sharpness`, for each.
      krylov: as in `sharpness`.

    Returns:
      Eigenvalues of shape (lanes..., k), the largest first, NaN as in `sharpness`, and vectors of
      shape (lanes..., k, N), copies next to each other in the order of parameters, signs arbitrary.

    Raises:
      ValueError: as `sharpness`, or if there are not k of them.

    Example:
      >>> import eos_jax as eos, numpy as np
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> values, vectors = eos.curvature.top_eigenpairs(obj, {"x": 1.0, "y": 1.0}, k=1)
      >>> print(values.round(4), np.abs(vectors).round(4))
      [4.] [[0.5 0.5 0.5 0.5]]

    Source: Golub and Van Loan, Matrix Computations, sections 8.5 and 10.1.
    """
    search = _checked(method, tolerance, max_iterations, krylov)
    if method is None:
        raise ValueError(f"Argument `method` must be one of {', '.join(METHODS)}, but got None.")
    if not 1 <= k <= _coordinates(objective):
        raise ValueError(
            f"Argument `k` must be from 1 to {_coordinates(objective)}, the coordinates of "
            f"{objective.name}, but got {k}."
        )
    return _lanes_of(top_eigenpairs_at, objective, params, scale, search, k=k)


def top_eigenpairs_at(
    objective: Objective,
    params: Parameters,
    method: str = "auto",
    scale: Mapping[str, Any] | None = None,
    *,
    k: int = 1,
    tolerance: float | None = None,
    max_iterations: int | None = None,
    krylov: int = 32,
) -> tuple[jax.Array, jax.Array]:
    """`top_eigenpairs` at one point, to be traced: no checks, no compilation of its own.

    Args:
      objective: the objective.
      params: one point.
      method: as in `top_eigenpairs`.
      scale: as in `sharpness_at`.
      k: as in `top_eigenpairs`.
      tolerance: as in `sharpness`.
      max_iterations: as in `sharpness`, for each.
      krylov: as in `sharpness`.

    Returns:
      Arrays of shapes (k,) and (k, N).

    Example:
      >>> import eos_jax as eos
      >>> from eos_jax.curvature import top_eigenpairs_at
      >>> obj = eos.objectives.from_function(lambda a, b: a * a - 2 * b * b)
      >>> print(top_eigenpairs_at(obj, {"a": 1.0, "b": 0.0}, k=2)[0])
      [ 2. -4.]

    Source: as `top_eigenpairs`.
    """
    search = _Search(method, tolerance, max_iterations, krylov)
    if method == "auto":
        method = "exact" if _coordinates(objective) <= MOST_JACOBI else "lanczos"
    if method == "exact":
        values, vectors = _eigenpairs(_scaled_hessian(objective, params, scale))
        return values[:k], vectors[:, :k].T
    product, like = _operator(objective, params, scale)

    def grow(_, vector):
        image = product(vector / jnp.sqrt(_dot(vector, vector)))
        return jnp.where(_dot(image, image) > 0, image, vector)

    start = jax.random.normal(jax.random.key(0), like.shape, like.dtype)
    grown = jax.lax.fori_loop(0, 32, grow, start)
    radius = jnp.sqrt(_dot(grown, grown))  # about |H|

    def find(index, state):
        values, vectors = state

        def deflated(vector):
            # what is found already goes below the spectrum
            known = jnp.sum(vectors * vector, axis=1)[:, None] * vectors
            return product(vector) - 4 * radius * jnp.sum(known, axis=0)

        # another start for each: one start has one direction in the space of equal eigenvalues
        found = _top(deflated, like, search, method, seed=index)
        value = jnp.where(found.converged, found.eigenvalue, jnp.nan)
        return values.at[index].set(value), vectors.at[index].set(found.vector)

    empty = jnp.zeros(k, like.dtype), jnp.zeros((k, like.size), like.dtype)
    values, vectors = jax.lax.fori_loop(0, k, find, empty)
    return values, vectors


def alignment(
    objective: Objective,
    params: Parameters,
    direction: Mapping[str, Any],
    method: str = "auto",
    *,
    tolerance: float | None = None,
    max_iterations: int | None = None,
    krylov: int = 32,
) -> jax.Array:
    """How far a direction lies along the top eigenvector v of the Hessian: |<d, v>| / |d|.

    Args:
      objective: the objective.
      params: leaves of shape (lanes...) + the parameter's shape.
      direction: d, a mapping like `params`, the same for all copies of a parameter; leaves that
        broadcast against those of `params`. Such as the gradient, or the last step.
      method: as in `top_eigenpairs`.
      tolerance: as in `sharpness`.
      max_iterations: as in `sharpness`.
      krylov: as in `sharpness`.

    Returns:
      Array of shape (lanes...), from 0 to 1; NaN where d is zero or v was not found.

    Raises:
      ValueError: as `sharpness`.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> point = {"x": 1.0, "y": 1.0}
      >>> across, along = {"x": 1.0, "y": 1.0}, {"x": 1.0, "y": -1.0}
      >>> a, b = (eos.curvature.alignment(obj, point, d) for d in (across, along))
      >>> print(a.round(3), b.round(3))
      1.0 0.0

    Source: Damian et al. 2023, "Self-stabilization", section 4; the same for gradients in
    Jastrzebski et al. 2019.
    """
    search = _checked(method, tolerance, max_iterations, krylov)
    if method is None:
        raise ValueError(f"Argument `method` must be one of {', '.join(METHODS)}, but got None.")
    check_names(objective, direction, "direction")
    return _lanes_of(_alignment, objective, params, direction, search)


def alignment_at(
    objective: Objective,
    params: Parameters,
    direction: Mapping[str, Any],
    method: str = "auto",
    *,
    tolerance: float | None = None,
    max_iterations: int | None = None,
    krylov: int = 32,
) -> jax.Array:
    """`alignment` at one point, to be traced: no checks, no compilation of its own.

    Args:
      objective: the objective.
      params: one point.
      direction: a mapping like `params`.
      method: as in `top_eigenpairs`.
      tolerance: as in `sharpness`.
      max_iterations: as in `sharpness`.
      krylov: as in `sharpness`.

    Returns:
      Scalar.

    Example:
      >>> import eos_jax as eos
      >>> from eos_jax.curvature import alignment_at
      >>> obj = eos.objectives.from_function(lambda a, b: a * a + 2 * b * b)
      >>> print(alignment_at(obj, {"a": 1.0, "b": 1.0}, {"a": 3.0, "b": 4.0}) * 5)
      4.0

    Source: as `alignment`.
    """
    values, vectors = top_eigenpairs_at(
        objective,
        params,
        method,
        tolerance=tolerance,
        max_iterations=max_iterations,
        krylov=krylov,
    )
    direction = _full_vector(objective, direction, values.dtype)
    length = jnp.sqrt(_dot(direction, direction))
    return jnp.where(
        jnp.isfinite(values[0]), jnp.abs(_dot(direction, vectors[0])) / length, jnp.nan
    )


def _alignment(objective, params, method, direction, **settings):
    return alignment_at(objective, params, direction, method, **settings)


# The minimum beside a point -----------------------------------------------------------------------


def minimum_nearby(objective: Objective, params: Parameters, steps: int = 3) -> dict[str, Any]:
    r"""The minimum across the valley from a point close to it: H dx = -g, cut short.

    A few Newton steps, each by conjugate gradients in the coordinates u_i = sqrt(copies_i) x_i, in
    which the Hessian restricted to equal copies is symmetric. Directions that curve little or
    downwards are left alone, so that a point moves across a valley and not along it: what counts
    as little, relative to the most curved direction, is 1/100 in the first step and a hundredth of
    it in each that follows, as the point comes closer and the Hessian there means more.

    An orbit that stopped at a distance b from its valley has a sharpness that differs from the
    minimum's by a multiple of b; the difference at the point returned is as small as rounding.

    Args:
      objective: the objective.
      params: one point.
      steps: Newton steps at most.

    Returns:
      One point: the minimum, or `params` where nothing smaller in gradient was found within a
      tenth of their length.

    Example:
      >>> import eos_jax as eos
      >>> from eos_jax.curvature import minimum_nearby
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> found = minimum_nearby(obj, {"x": 2.0, "y": 0.501})
      >>> print((found["x"] * found["y"]).round(5))
      1.0

    Source: Nocedal and Wright, Numerical Optimization, algorithm 7.1.
    """
    names = objective.parameters
    counts = dict(zip(names, objective.copies))
    start = {n: jnp.asarray(params[n]) for n in names}
    dtype = jnp.result_type(*start.values())
    resolution = 1e3 * float(jnp.finfo(dtype).eps)
    size = sum(math.prod(shape) for shape in objective.shapes)

    def gradient(point):
        """In u: that of the function of the parameters over sqrt(copies)."""
        whole = jax.grad(lambda p: objective.full_loss(lift(objective, p)))(point)
        return {n: whole[n] / counts[n] ** 0.5 for n in names}

    def moved(point, by):
        return {n: point[n] + by[n] / counts[n] ** 0.5 for n in names}

    reach = 0.1 * jnp.sqrt(sum(counts[n] * _dot(start[n], start[n]) for n in names))

    def newton(index, state):
        point, slope, going = state
        still = {n: jnp.zeros_like(point[n]) for n in names}

        def product(direction):
            tangent = {n: direction[n] / counts[n] ** 0.5 for n in names}
            return jax.jvp(gradient, (point,), (tangent,))[1]

        little = jnp.maximum(10.0 ** (-2.0 * (index + 1)), resolution).astype(dtype)
        by = _across(product, slope, still, little, going, min(size, _MOST_CONJUGATE))
        there = moved(point, by)
        found = gradient(there)
        away = {n: (there[n] - start[n]) * counts[n] ** 0.5 for n in names}
        better = going & (_inner(found, found) < _inner(slope, slope))
        better &= jnp.sqrt(_inner(away, away)) <= reach
        keep = lambda new, old: {n: jnp.where(better, new[n], old[n]) for n in names}  # noqa: E731
        return keep(there, point), keep(found, slope), better

    slope = gradient(start)
    going = jnp.isfinite(_inner(slope, slope)) & (_inner(slope, slope) > 0)
    point, _, _ = jax.lax.fori_loop(0, steps, newton, (start, slope, going))
    return point


_MOST_CONJUGATE = 32  # directions of conjugate gradients in one Newton step


def _inner(first, second):
    """Inner product of two points; over scalars a sum without a loop, equal for any batch."""
    return sum(_dot(first[name], second[name]) for name in first)


def _across(product, slope, still, little, going, most):
    """Minus the slope over the Hessian, by conjugate gradients along directions that curve."""

    def undecided(state):
        _, _, _, _, curved, index = state
        return curved & (index < most)

    def step(state):
        by, rest, direction, steepest, _, index = state
        image = product(direction)
        length, bend = _inner(direction, direction), _inner(direction, image)
        steepest = jnp.maximum(steepest, bend / length)
        curved = (bend > little * steepest * length) & (bend > 0)
        square = _inner(rest, rest)
        pace = jnp.where(curved, square / bend, 0)
        by = {n: by[n] + pace * direction[n] for n in by}
        rest = {n: rest[n] - pace * image[n] for n in by}
        left = _inner(rest, rest)
        direction = {n: rest[n] + left / square * direction[n] for n in by}
        # less than this of the slope is what the next step is for
        return by, rest, direction, steepest, curved & (left > 1e-20 * first), index + 1

    first = _inner(slope, slope)
    rest = {n: -slope[n] for n in slope}
    state = (still, rest, rest, jnp.zeros_like(first), going, jnp.asarray(0))
    return jax.lax.while_loop(undecided, step, state)[0]
