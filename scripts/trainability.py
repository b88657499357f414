"""
Which step sizes train a network
================================

One step size for each of two layers: the boundary of what trains is a fractal.

Source: Sohl-Dickstein, The boundary of neural network trainability is fractal, 2024.

Run:  python scripts/trainability.py
"""

import jax.numpy as jnp
import numpy as np

import eos_jax as eos
from eos_jax import plots

random = np.random.default_rng(0)
X, y = random.normal(size=(16, 8)), random.normal(size=(16, 1))
start = {"W1": random.normal(size=(8, 8)) / 8**0.5, "W2": random.normal(size=(8, 1)) / 8**0.5}


def two_layers(W1, W2, X, y):
    return jnp.mean((jnp.tanh(X @ W1) @ W2 - y) ** 2)


objective = eos.objectives.from_function(two_layers, shapes=start, data={"X": X, "y": y})
axes = {**start, "eta_W1": np.geomspace(1e-1, 1e2, 256), "eta_W2": np.geomspace(2e-2, 2, 256)}
rule = eos.rules.gradient_descent(parameters=("W1", "W2"))
# without the sharpness, which would cost more than all else, nothing is called converged
dataset = eos.sweep(objective, axes, 500, rule=rule, sharpness=None, dtype="float32")

dataset["loss"] = dataset.loss.where(dataset.outcome != eos.Outcome.DIVERGED)
ends = tuple(dataset.loss.quantile([0.02, 0.98]).values)
figure = plots.draw(dataset, variable="loss", log=True, limits=ends, title="white: diverged")
plots.save(figure, "trainability.png")
print(f"{float((dataset.outcome == eos.Outcome.DIVERGED).mean()):.1%} of the pairs diverge")
