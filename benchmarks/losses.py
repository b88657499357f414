"""Losses that nobody here wrote the engine for: what users bring."""

import jax
import jax.numpy as jnp

import eos_jax as eos


def polynomial(x, y):
    return (1 - x) ** 2 + 10 * (y - x**2) ** 2


def tanh_net(x, y):
    return (jnp.tanh(y * jnp.tanh(x * 0.7)) - 0.3) ** 2 + 0.05 * (x - y) ** 2


def exponential(x, y):
    return jnp.exp(x * y) - x * y + 0.5 * (x - y) ** 2


def logarithm(x, y):
    return jnp.log(1 + (x - y) ** 2) + 0.5 * (x * y - 1) ** 2


def square_root(x, y):
    return jnp.sqrt(1 + (x * y - 1) ** 2) + 0.1 * (x - y) ** 2


def log_cosh(x, y):
    s = x * y - 1
    return jnp.logaddexp(s, -s) + 0.1 * (x - y) ** 2


def sine(x, y):
    return 1 - jnp.sin(x * y) + 0.2 * (x - y) ** 2


def softplus(x, y):
    return jax.nn.softplus(1 - x * y) + 0.1 * (x**2 + y**2)


def ratio(x, y):
    return (x - y) ** 2 / (1 + x**2) + (x * y - 1) ** 2 / (2 + y**2)


def maximum(x, y):
    return jnp.maximum(x * y - 1, 0) ** 2 + 0.5 * (x - 1) ** 2 + 0.3 * (y - 1.5) ** 2


def piecewise(x, y):
    r = x * y - 1
    return jnp.where(jnp.abs(r) < 1, 0.5 * r**2, jnp.abs(r) - 0.5) + 0.1 * (x - y) ** 2


def error_function(x, y):
    return (jax.scipy.special.erf(x * y) - 0.5) ** 2 + 0.1 * (x - y) ** 2


LOSSES = (polynomial, tanh_net, exponential, logarithm, square_root, log_cosh, sine, softplus,
          ratio, maximum, piecewise, error_function)  # fmt: skip
"""Functions of two scalars."""


def own_objectives():
    """An objective for each of the losses, by name."""
    return {loss.__name__: eos.objectives.from_function(loss) for loss in LOSSES}


def objectives_of_scalars():
    """Registered families with scalar parameters, by name."""
    found = {}
    for name, family in sorted(eos.objectives.registry.items()):
        for arguments in family.examples:
            objective = family.make(**arguments)
            if not any(objective.shapes):
                label = f"{name}({', '.join(f'{k}={v}' for k, v in arguments.items())})"
                found[label] = objective
    return found
