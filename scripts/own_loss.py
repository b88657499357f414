"""
A loss of your own
==================

A loss is one function of its parameters. Where its least value is not given, an orbit has converged
when gradient and curvature say so. Rosenbrock's valley is steep along one side: for this step size
only a part of it is flat enough to stay in.

Run:  python scripts/own_loss.py
"""

import numpy as np

import eos_jax as eos
from eos_jax import plots


def rosenbrock(a, b):
    return (1 - a) ** 2 + 100 * (b - a**2) ** 2


objective = eos.objectives.from_function(rosenbrock)
axes = {"a": np.linspace(-2, 2, 256), "b": np.linspace(-1, 3, 256), "eta": 1.5e-3}
dataset = eos.sweep(objective, axes, steps=20_000)

plots.save(plots.draw(dataset, "outcome"), "own_loss.png")
share = float((dataset.outcome == eos.Outcome.CONVERGED).mean())
print(
    f"{share:.1%} of the starts converge; the sharpness there is "
    f"{float(dataset.sharpness_minimum.median()):.0f}, 2/eta = {2 / 1.5e-3:.0f}"
)
