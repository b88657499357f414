"""Gradient descent with momentum: the state is the part of the last move that goes on."""

import jax

from eos_jax.rules.base import Rule, check_number, descents, numbers, register, zeros
from eos_jax.rules.stability import linear_filter_threshold
from eos_jax.sample import Sample


@register(examples=({}, {"momentum": 0.5}))
def heavy_ball(momentum: float | None = 0.9) -> Rule:
    r"""Heavy ball, m' = beta m + dL/dx, x' = x - eta m'.

    The state is u = -eta m, the last move: it enters the step without a product by eta.

    Args:
      momentum: beta, in [0, 1), where a sweep does not give it; None: a sweep must give it.

    Returns:
      The rule. A minimum is stable where the sharpness is below 2 (1 + beta)/eta.

    Raises:
      ValueError: if the momentum is outside [0, 1).

    Example:
      >>> from eos_jax import rules
      >>> rules.heavy_ball()
      Rule(heavy_ball: eta, momentum=0.9)

    Source: Polyak 1964; the threshold, Cohen et al. 2021, section 2 and appendix B.
    """
    _check(momentum)

    def step(objective, params, state, hyper):
        hyper = numbers(params, hyper)
        descent = descents(objective, params, hyper["eta"])
        move = {n: hyper["momentum"] * state[n] + descent[n] for n in objective.parameters}
        return {n: params[n] + move[n] for n in objective.parameters}, move

    def threshold(sample: Sample) -> jax.Array:
        return linear_filter_threshold(sample.hyper["eta"], 1 / (1 + sample.hyper["momentum"]))

    return Rule("heavy_ball", _rest, step, ("eta", "momentum"), threshold=threshold)


@register(examples=({}, {"momentum": 0.5}))
def nesterov(momentum: float | None = 0.9) -> Rule:
    r"""Nesterov's momentum, m' = beta m + dL/dx, x' = x - eta (dL/dx + beta m').

    The state is u = -eta m.

    Args:
      momentum: beta, in [0, 1), where a sweep does not give it; None: a sweep must give it.

    Returns:
      The rule. A minimum is stable where the sharpness is below (2/eta)(1 + beta)/(1 + 2 beta).

    Raises:
      ValueError: if the momentum is outside [0, 1).

    Example:
      >>> from eos_jax import rules
      >>> rules.nesterov(0.5)
      Rule(nesterov: eta, momentum=0.5)

    Source: Sutskever et al. 2013; the threshold, Cohen et al. 2021, appendix B.
    """
    _check(momentum)

    def step(objective, params, state, hyper):
        hyper = numbers(params, hyper)
        descent = descents(objective, params, hyper["eta"])
        beta = hyper["momentum"]
        move = {n: beta * state[n] + descent[n] for n in objective.parameters}
        return {n: params[n] + (descent[n] + beta * move[n]) for n in objective.parameters}, move

    def threshold(sample: Sample) -> jax.Array:
        beta = sample.hyper["momentum"]
        return linear_filter_threshold(sample.hyper["eta"], (1 + 2 * beta) / (1 + beta))

    return Rule("nesterov", _rest, step, ("eta", "momentum"), threshold=threshold)


@register(examples=({}, {"momentum": 0.5}))
def averaged_momentum(momentum: float | None = 0.9) -> Rule:
    r"""Momentum as a running mean of gradients, m' = beta m + (1 - beta) dL/dx, x' = x - eta m'.

    Heavy ball with (1 - beta) eta for eta, as in Adam; the state is -eta m.

    Args:
      momentum: beta, in [0, 1), where a sweep does not give it; None: a sweep must give it.

    Returns:
      The rule. A minimum is stable where the sharpness is below (2/eta)(1 + beta)/(1 - beta).

    Raises:
      ValueError: if the momentum is outside [0, 1).

    Example:
      >>> from eos_jax import rules
      >>> rules.averaged_momentum(0.5)
      Rule(averaged_momentum: eta, momentum=0.5)

    Source: Kingma and Ba 2015, its first moment; the threshold, Cohen et al. 2022, section 3.
    """
    _check(momentum)

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


def _check(momentum):
    if momentum is not None:
        check_number("momentum", momentum, 0, 1)


def _rest(objective, params, hyper):
    return zeros(objective, params)
