"""Gradient descent on a part of the data at a time, with momentum.

A batch is drawn afresh at each step, without replacement, from the seed and the count of steps
alone; how many samples it has is a hyperparameter. A step costs as much as one on all data: the
losses of all samples are there and those outside the batch have weight 0.
"""

from dataclasses import replace

import jax.numpy as jnp

from eos_jax.objectives.base import lift
from eos_jax.objectives.samples import draw_batch, of_batch, sample_losses
from eos_jax.rules.base import (
    Rule,
    check_momentum,
    check_number,
    descents,
    numbers,
    register,
    zeros,
)
from eos_jax.rules.noise import key_at
from eos_jax.rules.stability import linear_filter_threshold
from eos_jax.sample import Sample


@register(examples=({"batch": 2}, {"batch": 3, "momentum": 0.5}))
def minibatch_heavy_ball(batch: float | None = None, momentum: float | None = 0.0) -> Rule:
    r"""Heavy ball on batches, m' = beta m + dL_B/dx, x' = x - eta m', B drawn at each step.

    Args:
      batch: samples in a batch, at least 1, where a sweep does not give it; None: a sweep must
        give it. A fraction is rounded up; as many as there are, or more, is all: heavy ball.
      momentum: beta, in (-1, 1), likewise; 0 is stochastic gradient descent.

    Returns:
      The rule; its state is the last move and the count of steps. Hyperparameters are eta,
      momentum, batch and seed. The mean of the linearised orbit is stable where the sharpness is
      below 2 (1 + beta)/eta.

    Raises:
      ValueError: if a default is out of its range; when the orbit starts, if the objective's data
        are not samples, or its loss neither their mean nor their sum.

    Example:
      >>> from eos_jax import rules
      >>> rules.minibatch_heavy_ball(batch=8)
      Rule(minibatch_heavy_ball: eta, momentum=0, batch=8, seed)

    Source: Robbins and Monro 1951; Andreyev et al. 2026 for what sharpness it settles at.
    """
    if batch is not None:
        check_number("batch", batch, 1)
    check_momentum(momentum)

    def init(objective, params, hyper):
        sample_losses(objective, lift(objective, params))  # raises where there are none
        return zeros(objective, params), jnp.zeros((), jnp.uint32)

    def step(objective, params, state, hyper):
        last, count = state
        hyper = numbers(params, hyper)
        drawn = draw_batch(objective, key_at(hyper, count), hyper["batch"])
        part = replace(objective, full_loss=of_batch(objective, drawn))
        descent = descents(part, params, hyper["eta"])
        move = {n: hyper["momentum"] * last[n] + descent[n] for n in objective.parameters}
        return {n: params[n] + move[n] for n in objective.parameters}, (move, count + 1)

    def threshold(sample: Sample):
        return linear_filter_threshold(sample.hyper["eta"], 1 / (1 + sample.hyper["momentum"]))

    return Rule(
        "minibatch_heavy_ball",
        init,
        step,
        ("eta", "momentum", "batch", "seed"),
        threshold=threshold,
        remark="heavy ball's, 2 (1 + momentum)/eta: the mean of the linearised orbit follows it; "
        "what batches hold below it is the batch sharpness, `eos.measures.batch_sharpness`",
    )
