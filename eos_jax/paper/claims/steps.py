"""Steps of rules as they are published, beside loops in NumPy over the four scalars."""

import numpy as np

import eos_jax as eos
from eos_jax.paper.claims.base import Measurement, claim
from eos_jax.paper.claims.runs import COUPLED

_ETA, _START = 0.03, np.array([1.6, 1.6, 0.5, 0.5])  # (x, x, y, y)


def _slope(point):
    product = np.prod(point)
    return (product - 1) * product / point


def _by_hand(step, state, steps):
    """x and y after what `step(point, gradient, state, t) -> (move, state)` walks, t from 1 on."""
    point = _START
    for t in range(1, steps + 1):
        move, state = step(point, _slope(point), state, t)
        point = point - _ETA * move
    return point[[0, 2]]


def _adam(p, g, state, t):
    m, v = 0.7 * state[0] + 0.3 * g, 0.9 * state[1] + 0.1 * g**2
    return m / (1 - 0.7**t) / (np.sqrt(v / (1 - 0.9**t)) + 0.1), (m, v)


def _adamw(p, g, state, t):
    move, state = _adam(p, g, state, t)
    return move + 0.2 * p, state


def _rmsprop(p, g, v, t):
    v = 0.7 * v + 0.3 * g**2
    return g / np.sqrt(v + 0.1), v


def _adagrad(p, g, s, t):
    s = s + g**2
    return g / np.sqrt(s + 0.1), s


def _lion(p, g, m, t):
    return np.sign(0.7 * m + 0.3 * g) + 0.2 * p, 0.9 * m + 0.1 * g


def _sam(p, g, s, t):
    return _slope(p + 0.1 * g / np.linalg.norm(g)), s


def _muon(p, g, m, t):
    m = 0.8 * m + g
    return np.sign(g + 0.8 * m), m


def _shampoo(p, g, s, t):
    s = s + g**2  # both sides of a single entry
    return s**-0.25 * g * s**-0.25, s


def _warmed(t):
    return min(1, t / 7)


_RULES = {
    "adam": (_adam, (0.0, 0.0), {"b1": 0.7, "b2": 0.9, "eps": 0.1}),
    "adamw": (_adamw, (0.0, 0.0), {"b1": 0.7, "b2": 0.9, "eps": 0.1, "weight_decay": 0.2}),
    "rmsprop": (_rmsprop, 0.0, {"decay": 0.7, "eps": 0.1}),
    "adagrad": (_adagrad, 0.3, {"initial_accumulator_value": 0.3, "eps": 0.1}),
    "lion": (_lion, 0.0, {"b1": 0.7, "b2": 0.9, "weight_decay": 0.2}),
    "sam": (_sam, (), {"rho": 0.1}),
    "muon": (_muon, 0.0, {"momentum": 0.8}),
    "shampoo": (_shampoo, 0.1, {"eps": 0.1}),
    "warmup_gradient_descent": (lambda p, g, s, t: (_warmed(t) * g, s), (), {"warmup": 7.0}),
    "cosine_gradient_descent": (
        lambda p, g, s, t: (_warmed(t) * (1 + np.cos(np.pi * min(1, (t - 1) / 30))) / 2 * g, s),
        (),
        {"warmup": 7.0, "horizon": 30.0},
    ),
}
"""By name: the published move over eta, what its memory begins with, and hyperparameters."""


@claim(
    statement="ten rules walk the four scalars as their published steps do",
    source="Kingma and Ba 2015, Foret et al. 2021, ...: the sources that the rules name",
)
def rules_walk_as_published(quick: bool) -> Measurement:
    """x and y after 25 steps from (1.6, 1.6, 0.5, 0.5), every setting away from its default."""
    steps, errors = 25, {}
    for name, (step, state, hyper) in _RULES.items():
        rule = eos.rules.make(name, **({"newton_schulz": 0} if name == "muon" else {}))
        axes = {"x": _START[0], "y": _START[2], "eta": _ETA, **hyper}
        ds = eos.sweep(COUPLED, axes, steps, rule=rule, stop=None, sharpness=None)
        wanted = _by_hand(step, state, steps)
        found = np.array([float(ds.x_final), float(ds.y_final)])
        errors[name] = float(np.max(np.abs(found / wanted - 1)))
    worst = max(errors, key=lambda name: errors[name])
    note = f"{len(errors)} rules; tolerance: roundings of {steps} steps"
    return Measurement(
        "as published", f"{worst} off by {errors[worst]:.1e}", errors[worst], 1e-11, note
    )
