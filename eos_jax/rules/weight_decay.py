"""Heavy ball with weight decay: in the loss, or beside the gradient.

Both pull the orbit to the origin, and the fixed point off the minimum of the loss. In the loss the
decay adds w to every curvature; beside it, it shortens x itself at every step.
"""

import jax

from eos_jax.rules.base import (
    Rule,
    check_momentum,
    check_number,
    descents,
    numbers,
    register,
    zeros,
)
from eos_jax.rules.stability import linear_filter_threshold
from eos_jax.sample import Sample


@register(examples=({}, {"momentum": 0.5, "weight_decay": 0.2, "coupled": True}))
def decayed_heavy_ball(
    momentum: float | None = 0.9, weight_decay: float | None = 1e-2, coupled: bool = False
) -> Rule:
    r"""Heavy ball with decay, x' = (1 - eta w) x - eta m', m' = beta m + dL/dx.

    Coupled, L2 regularisation: m' = beta m + dL/dx + w x, x' = x - eta m'.

    Args:
      momentum: beta, in (-1, 1), where a sweep does not give it; None: a sweep must give it.
      weight_decay: w, at least 0, likewise.
      coupled: whether the decay is part of the gradient that momentum gathers.

    Returns:
      The rule; its state is -eta m. A minimum is stable where the sharpness is below
      (2 - eta w)(1 + beta)/eta, coupled 2 (1 + beta)/eta - w.

    Raises:
      ValueError: if the momentum is outside (-1, 1) or the decay negative.

    Example:
      >>> from eos_jax import rules
      >>> rules.decayed_heavy_ball(momentum=0.0)
      Rule(decayed_heavy_ball: eta, momentum=0, weight_decay=0.01, coupled=False)

    Source: Loshchilov and Hutter 2019 (SGDW); the thresholds derived.
    """
    check_momentum(momentum)
    if weight_decay is not None:
        check_number("weight_decay", weight_decay, 0)

    def step(objective, params, state, hyper):
        hyper = numbers(params, hyper)
        descent, pull = (
            descents(objective, params, hyper["eta"]),
            hyper["eta"] * hyper["weight_decay"],
        )
        names = objective.parameters
        if coupled:
            descent = {n: descent[n] - pull * params[n] for n in names}
        move = {n: hyper["momentum"] * state[n] + descent[n] for n in names}
        kept = params if coupled else {n: params[n] - pull * params[n] for n in names}
        return {n: kept[n] + move[n] for n in names}, move

    def threshold(sample: Sample) -> jax.Array:
        hyper = sample.hyper
        decay, response = hyper["weight_decay"], 1 / (1 + hyper["momentum"])
        if coupled:
            return linear_filter_threshold(hyper["eta"], response) - decay
        return linear_filter_threshold(hyper["eta"], response, decay)

    return Rule(
        "decayed_heavy_ball",
        lambda objective, params, hyper: zeros(objective, params),
        step,
        ("eta", "momentum", "weight_decay"),
        threshold=threshold,
        remark="the decay moves the fixed point off the minimum of the loss",
    )
