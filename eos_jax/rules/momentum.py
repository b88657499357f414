"""Gradient descent with momentum: the state is the part of the last move that goes on.

Momentum may be negative, as in games (Gidel et al. 2019): each move takes back a part of the last.
Heavy ball contracts areas by beta a step, whatever the curvature, so that it can only flip at a
minimum; Nesterov's step contracts them by beta (1 - eta h), and its multipliers may turn.
"""

import jax
import jax.numpy as jnp

from eos_jax.rules.base import Rule, check_momentum, descents, numbers, register, zeros
from eos_jax.rules.stability import linear_filter_threshold
from eos_jax.sample import Sample


@register(examples=({}, {"momentum": 0.5}, {"momentum": -0.6}))
def heavy_ball(momentum: float | None = 0.9) -> Rule:
    r"""Heavy ball, m' = beta m + dL/dx, x' = x - eta m'.

    The state is u = -eta m, the last move: it enters the step without a product by eta.

    Args:
      momentum: beta, in (-1, 1), where a sweep does not give it; None: a sweep must give it.

    Returns:
      The rule. A minimum is stable where the sharpness is below 2 (1 + beta)/eta.

    Raises:
      ValueError: if the momentum is outside (-1, 1).

    Example:
      >>> from eos_jax import rules
      >>> rules.heavy_ball()
      Rule(heavy_ball: eta, momentum=0.9)

    Source: Polyak 1964; the threshold, Cohen et al. 2021, section 2 and appendix B.
    """
    check_momentum(momentum)

    def step(objective, params, state, hyper):
        hyper = numbers(params, hyper)
        descent = descents(objective, params, hyper["eta"])
        move = {n: hyper["momentum"] * state[n] + descent[n] for n in objective.parameters}
        return {n: params[n] + move[n] for n in objective.parameters}, move

    def threshold(sample: Sample) -> jax.Array:
        return linear_filter_threshold(sample.hyper["eta"], 1 / (1 + sample.hyper["momentum"]))

    return Rule("heavy_ball", _rest, step, ("eta", "momentum"), threshold=threshold)


@register(examples=({}, {"momentum": 0.5}, {"momentum": -0.6}))
def nesterov(momentum: float | None = 0.9) -> Rule:
    r"""Nesterov's momentum, m' = beta m + dL/dx, x' = x - eta (dL/dx + beta m').

    The state is u = -eta m.

    Args:
      momentum: beta, in (-1, 1), where a sweep does not give it; None: a sweep must give it.

    Returns:
      The rule. A minimum is stable where the sharpness is below (2/eta)(1 + beta)/(1 + 2 beta),
      where it flips; with beta below -1/3 below (1 - 1/beta)/eta, where orbits begin to circle.

    Raises:
      ValueError: if the momentum is outside (-1, 1).

    Example:
      >>> from eos_jax import rules
      >>> rules.nesterov(0.5)
      Rule(nesterov: eta, momentum=0.5)

    Source: Sutskever et al. 2013; the threshold, Cohen et al. 2021, appendix B, and for negative
    momentum derived: a minimum of curvature h has mu^2 - (1 + beta) c mu + beta c = 0 with
    c = 1 - eta h, and beta c = 1 comes before mu = -1.
    """
    check_momentum(momentum)

    def step(objective, params, state, hyper):
        hyper = numbers(params, hyper)
        descent = descents(objective, params, hyper["eta"])
        beta = hyper["momentum"]
        move = {n: beta * state[n] + descent[n] for n in objective.parameters}
        return {n: params[n] + (descent[n] + beta * move[n]) for n in objective.parameters}, move

    def threshold(sample: Sample) -> jax.Array:
        beta = sample.hyper["momentum"]
        flip, circle = (1 + 2 * beta) / (1 + beta), -2 * beta / (1 - beta)
        return linear_filter_threshold(sample.hyper["eta"], jnp.maximum(flip, circle))

    return Rule("nesterov", _rest, step, ("eta", "momentum"), threshold=threshold)


@register(examples=({}, {"momentum": 0.5}, {"momentum": -0.6}))
def averaged_momentum(momentum: float | None = 0.9) -> Rule:
    r"""Momentum as a running mean of gradients, m' = beta m + (1 - beta) dL/dx, x' = x - eta m'.

    Heavy ball with (1 - beta) eta for eta, as in Adam; the state is -eta m.

    Args:
      momentum: beta, in (-1, 1), where a sweep does not give it; None: a sweep must give it.

    Returns:
      The rule. A minimum is stable where the sharpness is below (2/eta)(1 + beta)/(1 - beta).

    Raises:
      ValueError: if the momentum is outside (-1, 1).

    Example:
      >>> from eos_jax import rules
      >>> rules.averaged_momentum(0.5)
      Rule(averaged_momentum: eta, momentum=0.5)

    Source: Kingma and Ba 2015, its first moment; the threshold, Cohen et al. 2022, section 3.
    """
    check_momentum(momentum)

    def step(objective, params, state, hyper):
        hyper = numbers(params, hyper)
        beta = hyper["momentum"]
        descent = descents(objective, params, hyper["eta"] * (1 - beta))
        move = {n: beta * state[n] + descent[n] for n in objective.parameters}
        return {n: params[n] + move[n] for n in objective.parameters}, move

    def threshold(sample: Sample) -> jax.Array:
        beta = sample.hyper["momentum"]
        return linear_filter_threshold(sample.hyper["eta"], (1 - beta) / (1 + beta))

    return Rule("averaged_momentum", _rest, step, ("eta", "momentum"), threshold=threshold)


def _rest(objective, params, hyper):
    return zeros(objective, params)
