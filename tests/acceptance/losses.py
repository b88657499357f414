"""Losses whose labels are known: each as a formula for JAX, and again as formulas for NumPy.

NumPy's gradients are written out by hand and hold for complex numbers, of which the oracle's
Hessians are made. Where a formula of the loss serves JAX and NumPy alike it stands once.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from eos_jax.objectives import Objective, from_function


class Case(NamedTuple):
    """One loss of scalars with starts.

    Attributes:
      function: the loss for JAX.
      gradient: its gradient for NumPy: coordinates to a tuple.
      axes: starts and step sizes.
      steps: the horizon.
      loss: the loss for NumPy where `function` does not serve.
      agree: the least fraction of lanes with the oracle's label.
      floor: the least value of the loss, where it is given.
    """

    function: Callable
    gradient: Callable
    axes: Mapping[str, Any]
    steps: int
    loss: Callable | None = None
    agree: float = 1.0
    floor: float | None = None


def of_points(function: Callable) -> Callable:
    """A function of coordinates as one of points of shape (lanes, n)."""

    def function_of_points(x):
        found = function(*x.T)
        return np.stack(found, axis=-1) if isinstance(found, tuple) else np.asarray(found)

    return function_of_points


# Smooth, with isolated minima ----------------------------------------------------------------


def beale(x, y):
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def beale_gradient(x, y):
    a, b, c = 1.5 - x + x * y, 2.25 - x + x * y**2, 2.625 - x + x * y**3
    return (
        2 * (a * (y - 1) + b * (y**2 - 1) + c * (y**3 - 1)),
        2 * (a * x + b * 2 * x * y + c * 3 * x * y**2),
    )


def camel(x, y):
    return 4 * x**2 - 2.1 * x**4 + x**6 / 3 + x * y - 4 * y**2 + 4 * y**4


def camel_gradient(x, y):
    return 8 * x - 8.4 * x**3 + 2 * x**5 + y, x - 8 * y + 16 * y**3


def bowl(x, y):
    return 3 + x**2 + y**2


def below_zero(x):
    return (x - 1) ** 2 - 3


def double_well(x, y):
    return (x**2 - 1) ** 2 + y**2 / 2


def rosenbrock(x, y):
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def rosenbrock_gradient(x, y):
    return -2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)


def scaled(scale):
    def loss(x, y):
        return scale * ((x - 1) ** 2 + 2 * y**2)

    return loss, lambda x, y: (scale * 2 * (x - 1), scale * 4 * y)


def shifted(x, y):
    return 1e6 + (x - 1) ** 2 + 2 * y**2


# Degenerate, unbounded, without a minimum -----------------------------------------------------


def hill(x, y):
    return -(x**2) - y**2


def saddle(x, y):
    return x**2 - y**2


def constant(x):
    return -1.0 + 0 * x


def quartic(x):
    return x**4


def sextic(x):
    return x**6


def valley(x, y):
    return 0.5 * (x * y - 1) ** 2


def balanced(u):
    """Four equal scalars as one: u' = u - eta (u^4 - 1) u^3."""
    return (u**4 - 1) ** 2 / 8


def separable(w):
    """Logistic regression on two separable points: the loss falls for ever."""
    return jnp.logaddexp(0, -w) + jnp.logaddexp(0, -2 * w)


def _chance(w):
    """1/(1 + exp w) without overflow."""
    return np.where(w.real > 0, np.exp(-w) / (1 + np.exp(-w)), 1 / (1 + np.exp(w)))


# Not smooth, not finite ------------------------------------------------------------------------


def modulus(x):
    return jnp.abs(x)


def ramp_squared(x):
    """A flat half-line beside half a parabola."""
    return jnp.where(x > 0, x, 0) ** 2


def plateau(x):
    """Flat far out, down to exactly zero slope, with a pit in the middle."""
    return 1 - jnp.exp(-(x**2))


def huber(x, y):
    return jnp.where(jnp.abs(x) < 1, 0.5 * x**2, jnp.abs(x) - 0.5) + 0.5 * y**2


def root(x):
    return jnp.sqrt(x)


def logarithm(x):
    return jnp.log(x)


# Own data ---------------------------------------------------------------------------------------

POINTS = np.random.default_rng(5).normal(size=(20, 2))
TARGETS = POINTS @ [1.5, -0.5] + 0.1 * np.random.default_rng(6).normal(size=20)


def regression(a, b):
    """Least squares on NumPy arrays that the function closes over."""
    return jnp.mean((POINTS @ jnp.stack([a, b]) - TARGETS) ** 2)


def _regression_residual(a, b):
    return np.outer(a, POINTS[:, 0]) + np.outer(b, POINTS[:, 1]) - TARGETS


def regression_gradient(a, b):
    residual = _regression_residual(a, b)
    return tuple((2 * residual * POINTS[:, k]).mean(axis=1) for k in (0, 1))


def _line(low, high, count):
    return np.linspace(low, high, count)


MINIMA_OF_THE_CAMEL = np.array(
    [[0.08984201, -0.71265640], [1.70360671, -0.79608357], [1.60710475, 0.56865145]]
)
"""Three of the six minima of the six-hump camel; the others are minus these."""

CASES = {
    "beale": Case(
        beale, beale_gradient,
        {"x": _line(-1, 4, 12), "y": _line(-1.5, 1, 12), "eta": [0.002, 0.01]}, 3000,
    ),
    "camel": Case(
        camel, camel_gradient,
        {"x": _line(-2, 2, 100), "y": _line(-1.1, 1.1, 100), "eta": [0.03, 0.1]}, 600,
    ),
    "bowl": Case(
        bowl, lambda x, y: (2 * x, 2 * y),
        {"x": [-1.5, 0.0, 0.3], "y": [0.0, 2.0], "eta": [0.1, 0.9, 0.999, 1.001, 1.2]}, 300,
    ),
    "hill": Case(
        hill, lambda x, y: (-2 * x, -2 * y),
        {"x": [0.0, 1e-9, 1.0], "y": [0.0, 1e-5], "eta": [0.01, 0.5]}, 3000,
    ),
    "separable": Case(
        separable, lambda w: (-_chance(w) - 2 * _chance(2 * w),),
        {"w": [-3.0, 0.0, 2.0, 30.0], "eta": [0.5, 5.0, 1e3]}, 2000,
        loss=lambda w: np.logaddexp(0, -w) + np.logaddexp(0, -2 * w),
    ),
    "regression": Case(
        regression, regression_gradient,
        {"a": [-2.0, 0.0, 1.5], "b": [-1.0, 2.0], "eta": [0.1, 0.5, 1.5]}, 1000,
        loss=lambda a, b: (_regression_residual(a, b) ** 2).mean(axis=1),
    ),
    "root": Case(
        root, lambda x: (0.5 / np.sqrt(x),), {"x": [-1.0, 0.0, 0.7, 4.0], "eta": [0.1, 1.0]}, 100,
        loss=np.sqrt,
    ),
    "logarithm": Case(
        logarithm, lambda x: (1 / x,), {"x": [-3.0, 0.5, 2.0], "eta": [0.1, 0.37]}, 100,
        loss=np.log,
    ),
    "scaled down": Case(
        *scaled(1e-13), {"x": [-1.0, 1.0, 3.0], "y": [0.0, 1.0], "eta": [1e12, 4e12, 6e12]}, 500,
    ),
    "scaled up": Case(
        *scaled(1e13), {"x": [-1.0, 1.0, 3.0], "y": [0.0, 1.0], "eta": [1e-14, 4e-14, 6e-14]}, 500,
    ),
    "shifted": Case(
        shifted, lambda x, y: (2 * (x - 1), 4 * y),
        {"x": [-1.0, 1.0, 3.0], "y": [0.0, 1.0], "eta": [0.1, 0.4, 0.6]}, 500,
    ),
    "modulus": Case(
        modulus, lambda x: (np.where(x.real >= 0, 1, -1) + 0 * x,),
        {"x": [0.0, 0.25, 0.3, 7.1], "eta": [0.5]}, 200, loss=np.abs,
    ),
    "below zero": Case(
        below_zero, lambda x: (2 * (x - 1),),
        {"x": [-0.5, 0.9, 1.0, 3.0], "eta": [0.5, 0.99, 1.0, 1.01, 2.0]}, 3000,
    ),
    "constant": Case(constant, lambda x: (0 * x,), {"x": [-1.0, 0.0, 5.0], "eta": [0.1, 9.0]}, 50),
    "quartic": Case(
        quartic, lambda x: (4 * x**3,), {"x": [-1.0, 0.0, 0.5, 3.0], "eta": [0.01, 0.1, 0.3]}, 2000,
    ),
    "sextic": Case(
        sextic, lambda x: (6 * x**5,), {"x": [-1.0, 0.0, 0.5, 3.0], "eta": [0.01, 0.1]}, 2000,
    ),
    "saddle": Case(
        saddle, lambda x, y: (2 * x, -2 * y),
        {"x": [0.0, 1.0], "y": [0.0, 1e-16, 1e-9, 0.1], "eta": [0.1, 0.4]}, 600,
    ),
    "valley": Case(
        valley, lambda x, y: ((x * y - 1) * y, (x * y - 1) * x),
        {"x": _line(0.3, 3.1, 40), "y": _line(0.2, 2.9, 40), "eta": [0.2, 0.4]}, 2000,
        agree=0.999,  # chaos shows the last bit
    ),
    "double well": Case(
        double_well, lambda x, y: (4 * x * (x**2 - 1), y),
        {"x": [-1.4, -1.0, 0.0, 0.1, 0.9], "y": [0.0, 1.0], "eta": [0.05, 0.24, 0.26, 0.3]}, 2000,
    ),
    "ramp": Case(
        ramp_squared, lambda x: (2 * np.where(x.real > 0, x, 0),),
        {"x": [-1.0, 0.0, 1.0], "eta": [0.3, 0.6]}, 300, loss=lambda x: np.where(x > 0, x, 0) ** 2,
    ),
    "plateau": Case(
        plateau, lambda x: (2 * x * np.exp(-(x**2)),),
        {"x": [0.5, 2.0, 5.0, 30.0], "eta": [0.1, 0.9]}, 500, loss=lambda x: 1 - np.exp(-(x**2)),
    ),
    "huber": Case(
        huber, lambda x, y: (np.where(np.abs(x.real) < 1, x, np.sign(x.real)), y),
        {"x": [-3.0, 0.3, 5.3], "y": [0.0, 2.0], "eta": [0.1, 1.5, 2.1]}, 400,
        loss=lambda x, y: np.where(np.abs(x) < 1, 0.5 * x**2, np.abs(x) - 0.5) + 0.5 * y**2,
    ),
    "rosenbrock": Case(
        rosenbrock, rosenbrock_gradient,
        {"x": [-1.2, 1.0], "y": [1.0, 1.5], "eta": [0.0005, 0.0018, 0.0022]}, 3000,
    ),
    "balanced": Case(
        balanced, lambda u: (u**3 * (u**4 - 1),),
        {"u": [0.4, 0.9, 1.0, 1.1], "eta": [0.3, 0.45, 0.55, 0.63]}, 2000,
    ),
}  # fmt: skip
"""Every loss by name."""


@functools.cache
def objective(name: str) -> Objective:
    """The objective of a case; the same object each time, so that it is compiled once."""
    case = CASES[name]
    return from_function(case.function, floor=case.floor, name=name.replace(" ", "_"))


def tile(name: str) -> int:
    """Lanes of a tile: several tiles to a sweep."""
    lanes = np.prod([np.size(values) for values in CASES[name].axes.values()])
    return max(2, int(lanes) // 3)
