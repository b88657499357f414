"""Gradient flow, and the sharpness of the minimum that it leads to."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from eos_jax.curvature import sharpness_at
from eos_jax.flows.base import flow, solver
from eos_jax.objectives.base import Objective, inner
from eos_jax.rules import Rule
from eos_jax.rules.base import slopes
from eos_jax.sample import Sample


@functools.cache
def gradient_flow(stride: int = 1) -> Rule:
    r"""Gradient flow, dx/dt = -eta dL/dx with t in steps.

    Args:
      stride: steps of gradient descent that one step of this rule stands for.

    Returns:
      The rule; it has no state and no threshold: every minimum is stable under it.

    Raises:
      ValueError: if the stride is not positive.
      ImportError: if diffrax is not installed.

    Example:
      >>> import math
      >>> import eos_jax as eos
      >>> parabola = eos.objectives.from_function(lambda a: a * a / 2, name="parabola")
      >>> end = eos.simulate(parabola, {"a": 1.0}, 0.5, 4, rule=eos.flows.gradient_flow())
      >>> print(abs(end["a"] / math.exp(-2) - 1) < 1e-4)
      True
    """

    def field(objective, point, hyper):
        params, _ = point
        slope = slopes(objective, params)
        return {n: -hyper["eta"] * slope[n] for n in params}, ()

    remark = "no threshold: every minimum is stable under a flow"
    return flow("gradient_flow", field, stride=stride, remark=remark)


def flow_limit(
    objective: Objective, params: Mapping[str, Any], tolerance: float = 1e-9
) -> dict[str, jax.Array]:
    """Where gradient flow from a point comes to rest.

    Args:
      objective: the objective.
      params: one point.
      tolerance: norm of the full-space gradient at which it does, in double precision.

    Returns:
      One point; NaN where it does not come to rest.

    Raises:
      ImportError: if diffrax is not installed.
    """
    diffrax = solver()
    start = {n: jnp.asarray(params[n]) for n in objective.parameters}
    dtype = jnp.result_type(*start.values())
    tolerance = max(tolerance, 1e3 * float(jnp.finfo(dtype).eps))
    # at rest the solver leaves about its own tolerance times the curvature
    fine = tolerance / 100

    def at_rest(time, point, *_, **__):
        slope = slopes(objective, point)
        return inner(objective, slope, slope) < tolerance**2

    def field(time, point, _):
        slope = slopes(objective, point)
        return {n: -slope[n] for n in point}

    found = diffrax.diffeqsolve(
        diffrax.ODETerm(field),
        diffrax.Tsit5(),
        0.0,
        jnp.asarray(jnp.inf, dtype),
        None,
        start,
        stepsize_controller=diffrax.PIDController(rtol=fine, atol=fine),
        adjoint=diffrax.ForwardMode(),
        event=diffrax.Event(at_rest),
        max_steps=100_000,
        throw=False,
    )
    rested = diffrax.is_event(found.result)
    return {n: jnp.where(rested, leaf[-1], jnp.nan) for n, leaf in found.ys.items()}


def flow_sharpness(sample: Sample) -> jax.Array:
    """The sharpness of the minimum to which gradient flow leads from the present point.

    For a sample, as a measure: `eos.observers.trace(flow=eos.flows.flow_sharpness)`.

    Args:
      sample: a point of an orbit.

    Returns:
      Scalar; NaN where the flow does not come to rest.

    Raises:
      ImportError: if diffrax is not installed.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> record = eos.observers.trace(flow=eos.flows.flow_sharpness)
      >>> found = eos.simulate(obj, {"x": 2.0, "y": 0.4}, 0.1, 0, observe=record)
      >>> print(found["flow"].round(2))  # x^2 - y^2 = 3.84 is kept: 2 sqrt(3.84^2 + 4)
      [8.66]

    Source: Kreisler et al. 2023, "Gradient descent monotonically decreases the sharpness of
    gradient flow solutions in scalar networks and beyond".
    """
    return sharpness_at(
        sample.objective, flow_limit(sample.objective, sample.params), sample.method
    )
