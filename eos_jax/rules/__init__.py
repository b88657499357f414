"""Rules, one file per family."""
import functools
import jax, jax.numpy as jnp
from eos_jax.rules.base import Rule
from eos_jax.rules.hyper import check_hyper, complete_hyper, is_step_size
from eos_jax.objectives.base import lift, loss_of_first_copies


def _descend(objective, params, state, hyper):
    value, pullback = jax.vjp(loss_of_first_copies(objective, params), params)
    (move,) = pullback(jnp.asarray(-hyper["eta"], value.dtype))
    return {name: params[name] + move[name] for name in objective.parameters}, state

_GD = Rule("gradient_descent", lambda o, p, h: (), _descend, threshold=lambda s: 2 / s.hyper["eta"])

def gradient_descent():
    return _GD

@functools.cache
def heavy_ball(momentum=0.9):
    def step(objective, params, state, hyper):
        g = jax.grad(loss_of_first_copies(objective, params))(params)
        m = {n: hyper["momentum"] * state[n] + g[n] for n in objective.parameters}
        return {n: params[n] - hyper["eta"] * m[n] for n in objective.parameters}, m
    return Rule("heavy_ball", lambda o, p, h: jax.tree.map(jnp.zeros_like, dict(p)), step, ("eta", "momentum"), {"momentum": momentum}, threshold=lambda s: 2 * (1 + s.hyper["momentum"]) / s.hyper["eta"])

def as_rule(rule):
    return gradient_descent() if rule is None else rule

__all__ = ["Rule", "check_hyper", "complete_hyper", "is_step_size", "as_rule", "gradient_descent", "heavy_ball"]
