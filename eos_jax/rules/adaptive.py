"""Rules that divide each coordinate by a running size of its gradient.

They are gradient descent in a metric that moves: P, diagonal, from the second moments. A minimum
is stable while the sharpness of P^(-1/2) H P^(-1/2), the preconditioned one, is below what the
momentum alone allows. That is judged by the present P; where gradients vanish P fades to what eps
leaves of it, and a minimum too sharp for that is left again. The powers b1^t and b2^t of the bias
corrections are carried as floats: an integer count beside the parameters would slow the loop.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from eos_jax.curvature import sharpness_at
from eos_jax.rules.base import Rule, check_number, numbers, register, slopes, zeros
from eos_jax.rules.stability import linear_filter_threshold
from eos_jax.sample import Sample


class Moments(NamedTuple):
    """The state of Adam.

    Attributes:
      first: running mean of the gradient, by parameter.
      second: running mean of its square.
      b1_power: b1^t after t steps.
      b2_power: b2^t after t steps.
    """

    first: dict[str, jax.Array]
    second: dict[str, jax.Array]
    b1_power: jax.Array
    b2_power: jax.Array


@register(examples=({}, {"decay": 0.99, "eps": 1e-6}))
def rmsprop(decay: float | None = 0.9, eps: float | None = 1e-8) -> Rule:
    r"""RMSProp, v' = d v + (1 - d) g^2, x' = x - eta g / sqrt(v' + eps).

    As in optax, eps is inside the root and the second moment v starts at 0 without bias correction.

    Args:
      decay: d, in [0, 1), where a sweep does not give it; None: a sweep must give it.
      eps: at least 0, likewise.

    Returns:
      The rule; its state is v. A minimum is stable where the sharpness of P^(-1/2) H P^(-1/2),
      P = sqrt(v + eps), is below 2/eta.

    Raises:
      ValueError: if a default is out of its range.

    Example:
      >>> from eos_jax import rules
      >>> rules.rmsprop()
      Rule(rmsprop: eta, decay=0.9, eps=1e-08)

    Source: Hinton 2012; Cohen et al. 2022, section 3.
    """
    _check(decay=decay, eps=eps)

    def init(objective, params, hyper):
        return zeros(objective, params)

    def step(objective, params, state, hyper):
        hyper, slope = numbers(params, hyper), slopes(objective, params)
        second = _averages(state, {n: slope[n] ** 2 for n in slope}, hyper["decay"])
        moved = {
            n: params[n] - hyper["eta"] * slope[n] * jax.lax.rsqrt(second[n] + hyper["eps"])
            for n in objective.parameters
        }
        return moved, second

    def curvature(sample: Sample) -> jax.Array:
        eps = sample.hyper["eps"]
        scale = {n: jax.lax.rsqrt(v + eps) for n, v in sample.state.items()}
        return sharpness_at(sample.objective, sample.params, sample.method, scale)

    return Rule(
        "rmsprop",
        init,
        step,
        ("eta", "decay", "eps"),
        curvature=curvature,
        threshold=lambda sample: 2 / sample.hyper["eta"],
        remark="the curvature is that of P^(-1/2) H P^(-1/2), P = sqrt(v + eps), by the "
        "present v: it fades where gradients vanish",
    )


@register(examples=({}, {"b1": 0.5, "b2": 0.9}))
def adam(b1: float | None = 0.9, b2: float | None = 0.999, eps: float | None = 1e-8) -> Rule:
    r"""Adam, x' = x - eta m_hat / (sqrt(v_hat) + eps).

    m' = b1 m + (1 - b1) g and v' = b2 v + (1 - b2) g^2 begin at 0; m_hat = m/(1 - b1^t) and
    v_hat = v/(1 - b2^t) correct for it.

    Args:
      b1: in [0, 1), where a sweep does not give it; None: a sweep must give it.
      b2: in [0, 1), likewise.
      eps: at least 0, likewise.

    Returns:
      The rule; its state is a `Moments`. A minimum is stable where the sharpness of
      P^(-1/2) H P^(-1/2), P = sqrt(v_hat) + eps, is below (2 + 2 b1)/((1 - b1) eta).

    Raises:
      ValueError: if a default is out of its range.

    Example:
      >>> from eos_jax import rules
      >>> rules.adam(b2=0.99)
      Rule(adam: eta, b1=0.9, b2=0.99, eps=1e-08)

    Source: Kingma and Ba 2015; the threshold, Cohen et al. 2022, section 3.
    """
    _check(b1=b1, b2=b2, eps=eps)
    return Rule(
        "adam",
        _start,
        _adam_step,
        ("eta", "b1", "b2", "eps"),
        curvature=preconditioned_sharpness,
        threshold=_adam_threshold,
        remark="the curvature is that of P^(-1/2) H P^(-1/2), P = sqrt(v_hat) + eps, by the "
        "present v_hat: it fades where gradients vanish",
    )


@register(examples=({}, {"weight_decay": 0.1}))
def adamw(
    b1: float | None = 0.9,
    b2: float | None = 0.999,
    eps: float | None = 1e-8,
    weight_decay: float | None = 1e-4,
) -> Rule:
    r"""Adam with decoupled weight decay, x' = (1 - eta w) x - eta m_hat / (sqrt(v_hat) + eps).

    Args:
      b1: in [0, 1), where a sweep does not give it; None: a sweep must give it.
      b2: in [0, 1), likewise.
      eps: at least 0, likewise.
      weight_decay: w, at least 0, likewise.

    Returns:
      The rule; its state is a `Moments`. Adam's momentum passes on (1 - b1)/(1 + b1) of a gradient
      that alternates, so a minimum is stable where the sharpness of P^(-1/2) H P^(-1/2) is below
      (2 - eta w)(1 + b1)/((1 - b1) eta).

    Raises:
      ValueError: if a default is out of its range.

    Example:
      >>> from eos_jax import rules
      >>> rules.adamw()
      Rule(adamw: eta, b1=0.9, b2=0.999, eps=1e-08, weight_decay=0.0001)

    Source: Loshchilov and Hutter 2019.
    """
    _check(b1=b1, b2=b2, eps=eps)
    if weight_decay is not None:
        check_number("weight_decay", weight_decay, 0)
    return Rule(
        "adamw",
        _start,
        _adam_step,
        ("eta", "b1", "b2", "eps", "weight_decay"),
        curvature=preconditioned_sharpness,
        threshold=_adam_threshold,
        remark="the curvature is that of P^(-1/2) H P^(-1/2), P = sqrt(v_hat) + eps, by the "
        "present v_hat: it fades where gradients vanish; the decay moves the fixed point off the "
        "minimum of the loss",
    )


def preconditioned_sharpness(sample: Sample) -> jax.Array:
    """Largest eigenvalue of P^(-1/2) H P^(-1/2), P = sqrt(v_hat) + eps from Adam's state."""
    second, power = sample.state.second, sample.state.b2_power
    remaining = 1 - power
    # before the first step there is no second moment: P is eps
    whole = jnp.where(remaining > 0, remaining, 1)
    scale = {n: 1 / (jnp.sqrt(v / whole) + sample.hyper["eps"]) for n, v in second.items()}
    return sharpness_at(sample.objective, sample.params, sample.method, scale)


def _adam_threshold(sample):
    b1, decay = sample.hyper["b1"], sample.hyper.get("weight_decay", 0)
    return linear_filter_threshold(sample.hyper["eta"], (1 - b1) / (1 + b1), decay)


def _start(objective, params, hyper):
    one = jnp.ones((), jnp.result_type(*params.values()))
    return Moments(zeros(objective, params), zeros(objective, params), one, one)


def _adam_step(objective, params, state, hyper):
    hyper, slope = numbers(params, hyper), slopes(objective, params)
    first = _averages(state.first, slope, hyper["b1"])
    second = _averages(state.second, {n: slope[n] ** 2 for n in slope}, hyper["b2"])
    b1_power, b2_power = state.b1_power * hyper["b1"], state.b2_power * hyper["b2"]

    # a division is dear: one for each correction, not one for each parameter
    whole, square = hyper["eta"] / (1 - b1_power), 1 / (1 - b2_power)

    def moved(name):
        size = jnp.sqrt(second[name] * square) + hyper["eps"]
        move = whole * first[name] / size
        if "weight_decay" in hyper:
            move = move + hyper["eta"] * hyper["weight_decay"] * params[name]
        return params[name] - move

    state = Moments(first, second, b1_power, b2_power)
    return {name: moved(name) for name in objective.parameters}, state


def _averages(before, new, decay):
    return {n: decay * before[n] + (1 - decay) * new[n] for n in before}


def _check(eps: Any, **fractions: Any) -> None:
    for name, value in fractions.items():
        if value is not None:
            check_number(name, value, 0, 1)
    if eps is not None:
        check_number("eps", eps, 0)
