"""What flows share: a step along an ODE, and the full space as one vector.

Time is counted in steps of the discrete rule, so that a flow and the orbit it stands for are
compared step by step. Fields are per copy of a parameter, as gradients are.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from eos_jax import measures
from eos_jax.checks import check_count
from eos_jax.curvature.hessian import flat_loss
from eos_jax.objectives.base import Objective
from eos_jax.rules.base import Init, Rule, numbers
from eos_jax.sample import Measure

MOST = 1024
"""Steps of the solver within one step of a rule, at most: a flow may end in finite time."""

TOLERANCE = 1e-9
"""Relative and absolute, of one step of the solver in double precision."""

Field = Callable[[Objective, Any, Mapping[str, Any]], Any]
"""(objective, point, hyper) -> its change in one step."""


def solver() -> Any:
    """The module diffrax.

    Raises:
      ImportError: if it is not installed.
    """
    try:
        import diffrax
    except ImportError:
        raise ImportError("Flows need diffrax: install eos_jax[flow].") from None
    return diffrax


def flow(
    name: str,
    field: Field,
    *,
    stride: int,
    init: Init | None = None,
    curvature: Measure | None = None,
    threshold: Measure | None = None,
    remark: str = "",
) -> Rule:
    """A rule whose step goes along a flow.

    Args:
      name: of the rule.
      field: (objective, (params, state), hyper) -> the change of both in one step.
      stride: steps of the discrete rule that one step of this rule stands for.
      init: of the state; none by default.
      curvature: as in a rule; the sharpness by default.
      threshold: as in a rule.
      remark: as in a rule.

    Returns:
      The rule.

    Raises:
      ValueError: if the stride is not positive.
      ImportError: if diffrax is not installed.
    """
    check_count("stride", stride)
    diffrax = solver()

    def step(objective, params, state, hyper):
        hyper = numbers(params, hyper)
        dtype = jnp.result_type(*params.values())
        tolerance = max(TOLERANCE, 16 * float(jnp.finfo(dtype).eps))
        # as a list: the solver takes no empty state
        leaves, structure = jax.tree.flatten((dict(params), state))

        def change(time, leaves, _):
            return jax.tree.leaves(field(objective, jax.tree.unflatten(structure, leaves), hyper))

        found = diffrax.diffeqsolve(
            diffrax.ODETerm(change),
            diffrax.Tsit5(),
            0.0,
            float(stride),
            None,
            leaves,
            stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=tolerance),
            adjoint=diffrax.ForwardMode(),
            max_steps=MOST,
            throw=False,
        )
        # a flow that leaves for infinity in finite time has no end
        reached = found.result == diffrax.RESULTS.successful
        ends = [
            jnp.where(reached, leaf[-1], jnp.inf) if jnp.issubdtype(leaf.dtype, jnp.inexact)
            else leaf[-1]
            for leaf in found.ys
        ]  # fmt: skip
        return jax.tree.unflatten(structure, ends)

    return Rule(
        name,
        init or (lambda objective, params, hyper: ()),
        step,
        settings={"stride": stride},
        curvature=curvature or measures.sharpness,
        threshold=threshold,
        remark=remark,
    )


def first_copies(objective: Objective, vector: jax.Array) -> dict[str, jax.Array]:
    """Of a vector of full-space coordinates, the part that belongs to each first copy."""
    parts, place = {}, 0
    for name, copies, shape in zip(objective.parameters, objective.copies, objective.shapes):
        size = math.prod(shape)
        parts[name] = vector[place : place + size].reshape(shape)
        place += copies * size
    return parts


class Spectrum(NamedTuple):
    """What flows need of the Hessian at a point.

    Attributes:
      values: its eigenvalues, shape (N,), the largest last.
      vectors: its eigenvectors as columns, shape (N, N).
      rise: the gradient of the sharpness, shape (N,).
      slope: the gradient of the loss, shape (N,).
    """

    values: jax.Array
    vectors: jax.Array
    rise: jax.Array
    slope: jax.Array


def spectrum(objective: Objective, params: Mapping[str, Any]) -> Spectrum:
    """The Hessian's eigenvalues and vectors, and the gradients of sharpness and loss.

    grad S = grad (v^T H v), v the top eigenvector held: S must be a simple eigenvalue.

    Args:
      objective: the objective, small: its Hessian is built.
      params: one point.

    Returns:
      A `Spectrum`, of full-space coordinates.

    Example:
      >>> import eos_jax as eos
      >>> from eos_jax.flows.base import spectrum
      >>> found = spectrum(eos.objectives.scalar_product((2, 2)), {"x": 1.0, "y": 1.0})
      >>> print(found.values[-1].round(3), found.rise.round(3))  # at (1, 1, 1, 1) all are alike
      4.0 [9. 9. 9. 9.]
    """
    function, flat = flat_loss(objective, params)
    slope_of = jax.grad(function)
    # LAPACK compiles at once, Jacobi's rounds in seconds
    values, vectors = jnp.linalg.eigh(jax.jacfwd(slope_of)(flat))
    rise = rises(objective, params, vectors[:, -1:])[0, 0]
    return Spectrum(values, vectors, rise, slope_of(flat))


def rises(objective: Objective, params: Mapping[str, Any], vectors: jax.Array) -> jax.Array:
    """The gradients of u_i^T H u_j at a point, the vectors u held.

    Args:
      objective: the objective.
      params: one point.
      vectors: u_i as columns, shape (N, k).

    Returns:
      Array of shape (k, k, N).
    """
    function, flat = flat_loss(objective, params)

    def bends(point):
        along = lambda u: jax.jvp(jax.grad(function), (point,), (u,))[1]  # noqa: E731
        return vectors.T @ jax.vmap(along, 1, 1)(vectors)

    return jax.jacrev(bends)(flat)
