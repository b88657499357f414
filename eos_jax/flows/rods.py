"""Flows of a rod: the centre of two successive iterates, and half their difference.

With x_t = c + d and x_{t+1} = c - d at even t, ends changed at odd t, gradient descent is exactly
    c' = c - (eta/2) (g(c + d) + g(c - d)),   d' = (eta/2) (g(c + d) - g(c - d)) - d,
whose Euler steps these are; the flow is the ODE. d grows where the curvature along it exceeds
2/eta, and through g(c + d) + g(c - d) it pushes the centre to flatter places. The parameters of
these rules are the end c + d, which shadows the even iterates; `centre` is the rest.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from eos_jax.curvature import sharpness_at
from eos_jax.flows.base import flow
from eos_jax.objectives.base import inner
from eos_jax.rules import Rule
from eos_jax.rules.base import slopes
from eos_jax.rules.descent import descent_threshold
from eos_jax.sample import Measure, Sample


@functools.cache
def rod_flow(stride: int = 1) -> Rule:
    r"""Rod flow, dc/dt = -(eta/2)(g+ + g-), dd/dt = (eta/2)(g+ - g-) - 2 d, g+- = g(c +- d).

    t in steps. It begins at the rod of the first two iterates: d = eta g(x_0)/2, c = x_0 - d.

    Args:
      stride: steps of gradient descent that one step of this rule stands for.

    Returns:
      The rule; its parameters are the end c + d, its state is d. Its curvature is the sharpness at
      the centre, its threshold 2/eta.

    Raises:
      ValueError: if the stride is not positive.
      ImportError: if diffrax is not installed.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> record = eos.observers.trace(x=eos.flows.centre("x"))
      >>> rule = eos.flows.rod_flow()
      >>> found = eos.simulate(obj, {"x": 2.0, "y": 0.6}, 0.1, 2, rule=rule, observe=record)
      >>> print((found["x"] * 100).round())
      [198. 198. 197.]

    Source: Regis and Chewi 2026, "Rod flow", by its properties; the equations derived from the
    step of the rod, above.
    """

    def init(objective, params, hyper):
        return _half_of_the_first_step(objective, params, hyper)

    def field(objective, point, hyper):
        end, half = point
        plus, minus = _at_the_ends(objective, end, half)
        eta, names = hyper["eta"], objective.parameters
        centre = {n: -eta / 2 * (plus[n] + minus[n]) for n in names}
        turned = {n: eta / 2 * (plus[n] - minus[n]) - 2 * half[n] for n in names}
        return {n: centre[n] + turned[n] for n in names}, turned

    return flow(
        "rod_flow",
        field,
        stride=stride,
        init=init,
        curvature=_of_the_centre(lambda state: state),
        threshold=descent_threshold,
        remark="the parameters are an end of the rod, the curvature that at its centre",
    )


@functools.cache
def edge_flow(stride: int = 1) -> Rule:
    r"""Edge flow: a rod of amplitude a along a unit vector v that follows the top eigenvector.

    dc/dt = -(eta/2)(g+ + g-), da/dt = a (eta s - 2), s = <v, g+ - g->/(2 a), g+- = g(c +- a v),
    dv/dt = eta (H v - <v, H v> v), H at the centre; t in steps. Two gradients and one product with
    the Hessian. It begins at the rod of the first two iterates.

    Args:
      stride: steps of gradient descent that one step of this rule stands for.

    Returns:
      The rule; its parameters are the end c + a v, its state is (a v, a, v). Its curvature is the
      sharpness at the centre, its threshold 2/eta.

    Raises:
      ValueError: if the stride is not positive.
      ImportError: if diffrax is not installed.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> record = eos.observers.trace(x=eos.flows.centre("x"))
      >>> rule = eos.flows.edge_flow()
      >>> found = eos.simulate(obj, {"x": 2.0, "y": 0.6}, 0.1, 2, rule=rule, observe=record)
      >>> print((found["x"] * 100).round())
      [198. 198. 197.]

    Source: Marion 2026, "Edge flow", by its properties; the equations derived from the step of the
    rod, above.
    """

    def init(objective, params, hyper):
        half = _half_of_the_first_step(objective, params, hyper)
        size = jnp.sqrt(inner(objective, half, half))
        whole = jnp.where(size > 0, size, 1)
        return half, size, {n: half[n] / whole for n in half}

    def field(objective, point, hyper):
        end, (half, size, vector) = point
        plus, minus = _at_the_ends(objective, end, half)
        eta, names = hyper["eta"], objective.parameters
        centre = {n: -eta / 2 * (plus[n] + minus[n]) for n in names}
        middle = {n: end[n] - half[n] for n in names}
        image = jax.jvp(lambda p: slopes(objective, p), (middle,), (vector,))[1]
        bend = inner(objective, vector, image)
        turn = {n: eta * (image[n] - bend * vector[n]) for n in names}
        across = inner(objective, vector, {n: plus[n] - minus[n] for n in names})
        growth = eta / 2 * across - 2 * size
        moved = {n: growth * vector[n] + size * turn[n] for n in names}
        return {n: centre[n] + moved[n] for n in names}, (moved, growth, turn)

    return flow(
        "edge_flow",
        field,
        stride=stride,
        init=init,
        curvature=_of_the_centre(lambda state: state[0]),
        threshold=descent_threshold,
        remark="the parameters are an end of the rod, the curvature that at its centre",
    )


@functools.cache
def centre(parameter: str) -> Measure:
    """A measure: one parameter at the centre of the rod, (x_t + x_{t+1})/2 of the discrete orbit.

    Under the flows of this file it is read off the state; under any other rule the next step is
    taken.

    Args:
      parameter: its name.

    Returns:
      The measure.

    Example:
      >>> import eos_jax as eos
      >>> parabola = eos.objectives.from_function(lambda a: a * a / 2, name="parabola")
      >>> record = eos.observers.trace(centre=eos.flows.centre("a"))
      >>> print(eos.simulate(parabola, {"a": 1.0}, 2.0, 3, observe=record)["centre"])
      [0. 0. 0. 0.]
    """

    def centre(sample: Sample) -> jax.Array:
        here = sample.params[parameter]
        if sample.rule.name in ("rod_flow", "edge_flow"):
            half = sample.state if sample.rule.name == "rod_flow" else sample.state[0]
            return here - half[parameter]
        moved, _ = sample.rule.step(sample.objective, sample.params, sample.state, sample.hyper)
        return (here + moved[parameter]) / 2

    return centre


def _half_of_the_first_step(objective, params, hyper):
    slope = slopes(objective, params)
    return {n: hyper["eta"] * slope[n] / 2 for n in objective.parameters}


def _at_the_ends(objective, end, half):
    other = {n: end[n] - 2 * half[n] for n in objective.parameters}
    return slopes(objective, end), slopes(objective, other)


def _of_the_centre(half_of: Callable) -> Measure:
    def curvature(sample: Sample) -> jax.Array:
        half = half_of(sample.state)
        middle = {n: sample.params[n] - half[n] for n in sample.objective.parameters}
        return sharpness_at(sample.objective, middle, sample.method)

    return curvature
