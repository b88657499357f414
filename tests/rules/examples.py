"""A model that every rule can descend, and points of orbits on it."""

import jax.numpy as jnp
import numpy as np

import eos_jax as eos
from eos_jax.sample import Sample


def _loss_with_data(full, data):
    (x1, x2), (y1, y2) = full["x"], full["y"]
    return jnp.mean(0.5 * (data["target"] - data["inputs"] * x1 * x2 * y1 * y2) ** 2)


DATA = {"target": np.asarray(1.0), "inputs": np.ones(4)}


def _full_loss(full):
    dtype = full["x"][0].dtype
    return _loss_with_data(full, {name: jnp.asarray(v, dtype) for name, v in DATA.items()})


LABELLED = eos.objectives.Objective(
    "labelled",
    _full_loss,
    ("x", "y"),
    (2, 2),
    ((), ()),
    floor=0.0,
    eigenvalues=eos.objectives.scalar_product((2, 2)).eigenvalues,  # compiles in no time
    data=DATA,
    loss_with_data=_loss_with_data,
)
"""The paper's model, 1/2 (target - x x y y)^2, four times over: as a mean over equal samples."""


def numbers(rule, dtype=np.float64, **given):
    """Hyperparameters of a lane: the defaults, what is given, and some for the rest."""
    sizes = {n: 0.05 if n in ("eta", "eta_x", "eta_A") else 0.02 for n in rule.hyperparameters}
    values = {**sizes, "seed": 3, **rule.defaults, **given}
    return {
        n: np.asarray(values[n], np.uint32 if n == "seed" else dtype) for n in rule.hyperparameters
    }


def sample(objective, rule, params, state, hyper, step=0):
    return Sample(objective, rule, params, state, hyper, jnp.asarray(step), jnp.asarray(0))


def walk(rule, params, hyper, steps, objective=LABELLED):
    """(params, state) after some steps, one at a time."""
    import jax

    params = {n: jnp.asarray(v) for n, v in params.items()}
    state = rule.init(objective, params, hyper)
    step = jax.jit(lambda p, s, h: rule.step(objective, p, s, h))
    for _ in range(steps):
        params, state = step(params, state, hyper)
    return params, state


def quadratic(sharpness):
    """1/2 lambda a^2."""
    return eos.objectives.Objective(
        "quadratic", lambda full: 0.5 * sharpness * full["a"][0] ** 2, ("a",), (1,), ((),)
    )
