"""The largest eigenvalues of the full Hessian and their vectors, by the way that suits a model."""

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from eos_jax.curvature.hessian import coordinates, full_vector, operator, scaled_hessian
from eos_jax.curvature.symmetric import (
    MOST_JACOBI,
    PowerIteration,
    dot,
    eigenpairs,
    extremes,
    lanczos,
    largest_eigenvalue,
    power_iteration,
)
from eos_jax.objectives.base import Objective, Parameters, as_parameters, check_names, over_lanes

METHODS = ("auto", "exact", "power", "lanczos")

_TILE = 1024  # lanes whose Hessians stay in the first-level cache
_MOST_PRODUCTS = {"power": 100_000, "lanczos": 4096}
_SPACE_BYTES = 2**27  # of the Krylov spaces of the lanes that are computed at once


def sharpness(
    objective: Objective,
    params: Parameters,
    method: str | None = "auto",
    *,
    scale: Mapping[str, Any] | None = None,
    tolerance: float | None = None,
    max_iterations: int | None = None,
    krylov: int = 8,
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
        where the residual is too large, have eight times as many.

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
    krylov: int = 8,
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
        return largest_eigenvalue(scaled_hessian(objective, params, scale))
    return _iterated(objective, params, scale, search, method, sign=1)


def extreme_eigenvalues(
    objective: Objective,
    params: Parameters,
    method: str | None = "auto",
    *,
    scale: Mapping[str, Any] | None = None,
    tolerance: float | None = None,
    max_iterations: int | None = None,
    krylov: int = 8,
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
    krylov: int = 8,
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
        return extremes(scaled_hessian(objective, params, scale))
    lowest = -_iterated(objective, params, scale, search, method, sign=-1)
    return lowest, _iterated(objective, params, scale, search, method, sign=1)


def top_eigenpairs(
    objective: Objective,
    params: Parameters,
    k: int = 1,
    method: str = "auto",
    *,
    scale: Mapping[str, Any] | None = None,
    tolerance: float | None = None,
    max_iterations: int | None = None,
    krylov: int = 8,
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
    if not 1 <= k <= coordinates(objective):
        raise ValueError(
            f"Argument `k` must be from 1 to {coordinates(objective)}, the coordinates of "
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
    krylov: int = 8,
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
        method = "exact" if coordinates(objective) <= MOST_JACOBI else "lanczos"
    if method == "exact":
        values, vectors = eigenpairs(scaled_hessian(objective, params, scale))
        return values[:k], vectors[:, :k].T
    product, like = operator(objective, params, scale)

    def grow(_, vector):
        image = product(vector / jnp.sqrt(dot(vector, vector)))
        return jnp.where(dot(image, image) > 0, image, vector)

    start = jax.random.normal(jax.random.key(0), like.shape, like.dtype)
    grown = jax.lax.fori_loop(0, 32, grow, start)
    radius = jnp.sqrt(dot(grown, grown))  # about |H|

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
    krylov: int = 8,
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
    krylov: int = 8,
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
    along = full_vector(objective, direction, values.dtype)
    length = jnp.sqrt(dot(along, along))
    return jnp.where(jnp.isfinite(values[0]), jnp.abs(dot(along, vectors[0])) / length, jnp.nan)


def _alignment(objective, params, method, direction, **settings):
    return alignment_at(objective, params, direction, method, **settings)


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
    return "exact" if coordinates(objective) <= MOST_JACOBI else "lanczos"


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
    size = coordinates(objective)
    tile = _TILE
    if _chosen(objective, search.method, beside) == "lanczos":
        space = min(size, 8 * search.krylov) * size * next(iter(params.values())).dtype.itemsize
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


def _iterated(objective, params, scale, search, method, sign):
    """Largest eigenvalue of sign times the Hessian by products alone, checked by its residual."""
    still = jax.lax.stop_gradient((dict(params), scale))
    found = _top(*operator(objective, *still, sign), search, method)
    # the vector is stationary, so that holding it gives the eigenvalue's derivative, v^T dH v
    vector = jax.lax.stop_gradient(found.vector)
    product, _ = operator(objective, params, scale, sign)
    return jnp.where(found.converged, dot(vector, product(vector)), jnp.nan)


def _top(product, like, search, method, seed=0) -> PowerIteration:
    most = search.max_iterations or _MOST_PRODUCTS[method]
    if method == "power":
        return power_iteration(product, like, search.tolerance, most, seed)
    return lanczos(product, like, search.tolerance, most, search.krylov, seed)
