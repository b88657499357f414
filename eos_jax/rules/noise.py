"""Gradient descent with noise that its seed and the count of steps determine.

Draws come from `fold_in(key(seed), count)`: a lane's noise depends on its seed alone, never on the
lanes beside it, and an orbit that goes on from a stored state sees the noise it would have seen.
"""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from eos_jax.objectives.base import Objective
from eos_jax.rules.base import Hyper, Rule, check_number, descents, numbers, register
from eos_jax.rules.descent import descent_threshold

LABELS = ("target", "y")
"""Names of the data that label noise perturbs, the first that the objective has."""

_REMARK = (
    "gradient descent's, 2/eta: the mean of the linearised orbit follows it; noise adds spread"
)


@register(examples=({"sigma": 0.1},))
def label_noise(sigma: float | None = None, label: str | None = None) -> Rule:
    r"""Gradient descent on labels with fresh noise, x' = x - eta dL(x; y + sigma xi_t)/dx.

    Args:
      sigma: standard deviation of the noise, at least 0, in units of the labels, where a sweep
        does not give it; None: a sweep must give it.
      label: name of the data that is perturbed; by default "target" or "y".

    Returns:
      The rule; its state is the count of steps. Hyperparameters are eta, sigma and seed.

    Raises:
      ValueError: if sigma is negative; when the orbit starts, if the objective has no such data.

    Example:
      >>> from eos_jax import rules
      >>> rules.label_noise(sigma=0.1)
      Rule(label_noise: eta, sigma=0.1, seed)

    Source: Blanc et al. 2020; Damian et al. 2021.
    """
    if sigma is not None:
        check_number("sigma", sigma, 0)

    def init(objective, params, hyper):
        _name_of_labels(objective, label)
        return jnp.zeros((), jnp.uint32)

    def step(objective, params, state, hyper):
        hyper = numbers(params, hyper)
        loss_with_data: Any = objective.loss_with_data  # it is there, or `init` had raised
        name, dtype = _name_of_labels(objective, label), hyper["sigma"].dtype
        data = {
            n: jnp.asarray(v, dtype)
            if n == name or jnp.issubdtype(jnp.result_type(v), jnp.floating)
            else v
            for n, v in objective.data.items()
        }
        noise = jax.random.normal(key_at(hyper, state), data[name].shape, dtype)
        data[name] = data[name] + hyper["sigma"] * noise
        noisy = replace(objective, full_loss=lambda full: loss_with_data(full, data))
        move = descents(noisy, params, hyper["eta"])
        return {n: params[n] + move[n] for n in objective.parameters}, state + 1

    return Rule(
        "label_noise",
        init,
        step,
        ("eta", "sigma", "seed"),
        threshold=descent_threshold,
        remark=_REMARK,
    )


@register(examples=({"sigma": 0.1},))
def gradient_noise(sigma: float | None = None) -> Rule:
    r"""Gradient descent with isotropic noise, x' = x - eta (dL/dx + sigma xi_t).

    Each parameter has its own draw, which its copies share: they stay equal.

    Args:
      sigma: standard deviation of the noise, at least 0, in units of the gradient, where a sweep
        does not give it; None: a sweep must give it.

    Returns:
      The rule; its state is the count of steps. Hyperparameters are eta, sigma and seed.

    Raises:
      ValueError: if sigma is negative.

    Example:
      >>> from eos_jax import rules
      >>> rules.gradient_noise(sigma=0.1)
      Rule(gradient_noise: eta, sigma=0.1, seed)
    """
    if sigma is not None:
        check_number("sigma", sigma, 0)

    def step(objective, params, state, hyper):
        hyper = numbers(params, hyper)
        move = descents(objective, params, hyper["eta"])
        kick, key, moved = hyper["eta"] * hyper["sigma"], key_at(hyper, state), {}
        for position, n in enumerate(objective.parameters):
            own = jax.random.fold_in(key, position)
            noise = jax.random.normal(own, move[n].shape, move[n].dtype)
            moved[n] = params[n] + (move[n] - kick * noise)
        return moved, state + 1

    return Rule(
        "gradient_noise",
        lambda objective, params, hyper: jnp.zeros((), jnp.uint32),
        step,
        ("eta", "sigma", "seed"),
        threshold=descent_threshold,
        remark=_REMARK,
    )


def key_at(hyper: Hyper, count: jax.Array) -> jax.Array:
    """The random key of one step of one lane, from its seed and the steps before."""
    return jax.random.fold_in(jax.random.key(hyper["seed"]), count)


def _name_of_labels(objective: Objective, label: str | None) -> str:
    data = objective.data if objective.loss_with_data else {}
    for name in LABELS if label is None else (label,):
        if name in data:
            return name
    wanted = " or ".join(f"`{n}`" for n in (LABELS if label is None else (label,)))
    raise ValueError(
        f"Rule `label_noise` needs an objective with data named {wanted}, but {objective.name} "
        f"has {', '.join(f'`{n}`' for n in data) or 'no data'}."
    )
