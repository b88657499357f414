"""What flows share: a step along an ODE, and the full space as one vector.

Time is counted in steps of the discrete rule, so that a flow and the orbit it stands for are
compared step by step. Fields are per copy of a parameter, as gradients are.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from eos_jax import measures
from eos_jax.checks import check_count
from eos_jax.curvature import top_eigenpairs_at
from eos_jax.curvature.hessian import flat_loss
from eos_jax.objectives.base import Objective
from eos_jax.rules.base import Init, Rule, numbers
from eos_jax.sample import Measure

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
        raise ImportError("Flows need diffrax: python -m pip install 'eos_jax[flow]'.") from None
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
        found = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda time, point, _: field(objective, point, hyper)),
            diffrax.Tsit5(),
            0.0,
            float(stride),
            None,
            (dict(params), state),
            stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=tolerance),
            adjoint=diffrax.ForwardMode(),
            max_steps=None,
            throw=False,
        )
        return jax.tree.map(lambda leaf: leaf[-1], found.ys)

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


def inner(objective: Objective, first: Mapping[str, Any], second: Mapping[str, Any]) -> jax.Array:
    """Inner product over the full space of two mappings like the parameters."""
    products = [
        copies * jnp.sum(first[name] * second[name])
        for name, copies in zip(objective.parameters, objective.copies)
    ]
    return jnp.sum(jnp.stack(products))


def sharpness_and_gradient(
    objective: Objective, params: Mapping[str, Any]
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The sharpness S, its gradient and the loss's, both over the full space.

    grad S = grad (v^T H v), v the top eigenvector held: S must be a simple eigenvalue.

    Args:
      objective: the objective.
      params: one point.

    Returns:
      A scalar, and two arrays of shape (N,).

    Example:
      >>> import eos_jax as eos
      >>> from eos_jax.flows.base import sharpness_and_gradient
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> top, slope, _ = sharpness_and_gradient(obj, {"x": 1.0, "y": 1.0})
      >>> print(top.round(4), slope.round(3))  # at (1, 1, 1, 1) no direction is preferred
      4.0 [9. 9. 9. 9.]
    """
    values, vectors = top_eigenpairs_at(objective, params, k=1)
    vector = jax.lax.stop_gradient(vectors[0])
    function, flat = flat_loss(objective, params)

    def bend(point):
        return jnp.vdot(vector, jax.jvp(jax.grad(function), (point,), (vector,))[1])

    return values[0], jax.grad(bend)(flat), jax.grad(function)(flat)
