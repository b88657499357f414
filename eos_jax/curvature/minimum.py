"""The minimum beside a point: what an orbit that has stopped short of it belongs to."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from eos_jax.curvature.symmetric import dot
from eos_jax.objectives.base import Objective, Parameters, lift


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

    reach = 0.1 * jnp.sqrt(sum(counts[n] * dot(start[n], start[n]) for n in names))

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
    return sum(dot(first[name], second[name]) for name in first)


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
