"""Gradient descent whose step size changes from step to step.

What counts the steps is a float, or a wheel of floats: an integer beside the parameters would slow
the loop.
"""

import functools
import math
import string

import jax
import jax.numpy as jnp

from eos_jax.checks import check_count
from eos_jax.rules.base import Rule, check_number, descents, numbers, register
from eos_jax.rules.stability import first_crossing
from eos_jax.sample import Sample


@register(examples=({}, {"phases": 3}))
def cyclic_gradient_descent(phases: int = 2) -> Rule:
    r"""Gradient descent with a cycle of step sizes, x' = x - eta_i dL/dx, i = A, B, ..., A, ...

    Args:
      phases: how many step sizes the cycle has, 1 to 26; the hyperparameters are eta_A, eta_B, ...

    Returns:
      The rule; its state is a wheel with a 1 at the step size that comes next. A minimum is stable
      where |prod_i (1 - eta_i l)| < 1 from l = 0 to the sharpness. For two step sizes a and b the
      edge is at 1/a + 1/b, or where (a + b)^2 > 8 a b at the smaller root of
      2 - (a + b) l + a b l^2.

    Raises:
      ValueError: if the number of phases is out of its range.

    Example:
      >>> from eos_jax import rules
      >>> rules.cyclic_gradient_descent()
      Rule(cyclic_gradient_descent: eta_A, eta_B, phases=2)

    Source: Smith 2017 for cycles; the threshold derived.
    """
    check_count("phases", phases)
    if phases > len(string.ascii_uppercase):
        raise ValueError(f"Argument `phases` must be at most 26, but got {phases}.")
    names = tuple(f"eta_{letter}" for letter in string.ascii_uppercase[:phases])

    def init(objective, params, hyper):
        dtype = jnp.result_type(*params.values())
        return tuple(jnp.full((), float(phase == 0), dtype) for phase in range(phases))

    def step(objective, params, wheel, hyper):
        hyper = numbers(params, hyper)
        wheel = jax.lax.stop_gradient(wheel)  # time moves on by itself: no direction to part along
        eta = sum(here * hyper[name] for here, name in zip(wheel, names))
        move = descents(objective, params, eta)
        moved = {n: params[n] + move[n] for n in objective.parameters}
        return moved, (wheel[-1], *wheel[:-1])

    def threshold(sample: Sample) -> jax.Array:
        etas = [sample.hyper[name] for name in names]
        if phases > 2:
            return _edge_of_a_cycle(etas)
        first, second = etas[0], etas[-1]
        total, product = first + second, first * second
        spread = total**2 - 8 * product
        root = jnp.sqrt(jnp.maximum(spread, 0))
        # the smaller root, by its conjugate
        return jnp.where(spread > 0, 4 / (total + root), total / product)

    remark = "" if phases < 3 else "looked for along |prod (1 - eta_i l)|, in steps of 2 %"
    return Rule("cyclic_gradient_descent", init, step, names, threshold=threshold, remark=remark)


@register(examples=({}, {"warmup": 3.0}))
def warmup_gradient_descent(warmup: float | None = 100.0) -> Rule:
    r"""Gradient descent with linear warm-up, eta_t = eta min(1, (t + 1)/warmup), t = 0, 1, ...

    Args:
      warmup: steps until the step size is eta, at least 1, where a sweep does not give it; None: a
        sweep must give it.

    Returns:
      The rule; its state is the count of steps. A minimum is stable where the sharpness is below
      2/eta_t, eta_t that of the next step.

    Raises:
      ValueError: if warmup is below 1.

    Example:
      >>> from eos_jax import rules
      >>> rules.warmup_gradient_descent(50.0)
      Rule(warmup_gradient_descent: eta, warmup=50)

    Source: Goyal et al. 2017; Gilmer et al. 2022 for what warm-up does at the edge.
    """
    if warmup is not None:
        check_number("warmup", warmup, 1)
    return _scheduled("warmup_gradient_descent", ("eta", "warmup"), _warmed)


@register(examples=({"horizon": 100.0}, {"warmup": 3.0, "horizon": 50.0}))
def cosine_gradient_descent(horizon: float | None = None, warmup: float | None = 1.0) -> Rule:
    r"""Gradient descent with warm-up and cosine decay: the warm-up's eta_t (1 + cos(pi s))/2.

    s = min(1, t/horizon) is the part of the horizon that is over.

    Args:
      horizon: steps until the step size is 0, positive, where a sweep does not give it; None: a
        sweep must give it.
      warmup: as in `warmup_gradient_descent`, likewise.

    Returns:
      The rule; its state is the count of steps. The threshold is 2/eta_t; it grows without bound.

    Raises:
      ValueError: if the horizon is not positive or warmup below 1.

    Example:
      >>> from eos_jax import rules
      >>> rules.cosine_gradient_descent(horizon=1000.0)
      Rule(cosine_gradient_descent: eta, warmup=1, horizon=1000)

    Source: Loshchilov and Hutter 2017.
    """
    if horizon is not None:
        check_number("horizon", horizon, 0, open_low=True)
    if warmup is not None:
        check_number("warmup", warmup, 1)

    def decayed(count, hyper):
        over = jnp.minimum(count / hyper["horizon"], 1)
        return _warmed(count, hyper) * (1 + jnp.cos(jnp.pi * over)) / 2

    return _scheduled("cosine_gradient_descent", ("eta", "warmup", "horizon"), decayed)


def _edge_of_a_cycle(etas):
    """The first l with |prod (1 - eta_i l)| > 1."""
    eps = float(jnp.finfo(etas[0].dtype).eps)

    def unstable(sharpness):
        product = math.prod(1 - eta * sharpness for eta in etas)
        return jnp.abs(product) > 1 + 4 * eps

    # below 2 over the largest every factor is between -1 and 1
    return first_crossing(unstable, 1 / functools.reduce(jnp.maximum, etas), 1.02)


def _warmed(count, hyper):
    return hyper["eta"] * jnp.minimum((count + 1) / hyper["warmup"], 1)


def _scheduled(name, hyperparameters, schedule):
    """Gradient descent with the step size `schedule(count, hyper)`."""

    def init(objective, params, hyper):
        return jnp.zeros((), jnp.result_type(*params.values()))

    def step(objective, params, count, hyper):
        count = jax.lax.stop_gradient(count)  # as above
        move = descents(objective, params, schedule(count, numbers(params, hyper)))
        return {n: params[n] + move[n] for n in objective.parameters}, count + 1

    def threshold(sample: Sample) -> jax.Array:
        return 2 / schedule(sample.state, sample.hyper)

    return Rule(
        name, init, step, hyperparameters, threshold=threshold, remark="2/eta_t of the next step"
    )
