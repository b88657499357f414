"""
A rule of your own, from optax
==============================

Any optax transformation is a rule; the arguments of the function are hyperparameters, and may be
axes. Its threshold is computed from the linearised step where no formula is known.

Run:  python scripts/own_rule.py
"""

import numpy as np
import optax

import eos_jax as eos
from eos_jax import plots

objective = eos.objectives.scalar_product((2, 2))
rule = eos.rules.from_optax(lambda eta, momentum: optax.sgd(eta, momentum, nesterov=True))
axes = {"momentum": np.linspace(0, 0.98, 200), "eta": np.linspace(0.01, 0.4, 200)}
dataset = eos.sweep(objective, {**axes, "x": 3.2, "y": 0.3}, steps=5_000, rule=rule)

plots.save(plots.draw(dataset, "outcome", title="Nesterov, from optax"), "own_rule.png")
here = dataset.sel(momentum=0.5, eta=0.1, method="nearest")
print(
    f"momentum {float(here.momentum):.2f}, eta {float(here.eta):.2f}: "
    f"threshold {float(here.threshold):.2f}, not 2/eta = {2 / float(here.eta):.2f}"
)
