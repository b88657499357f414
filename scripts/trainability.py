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
etas = {"eta_W1": np.geomspace(1e-1, 1e2, 256), "eta_W2": np.geomspace(2e-2, 2, 256)}

objective = eos.objectives.from_function(
    lambda W1, W2, X, y: jnp.mean((jnp.tanh(X @ W1) @ W2 - y) ** 2),
    shapes={"W1": (8, 8), "W2": (8, 1)},
    data={"X": X, "y": y},
    name="two layers",
)
rule = eos.rules.gradient_descent(parameters=("W1", "W2"))
# without the sharpness, which would cost more than all else, nothing is called converged
dataset = eos.sweep(objective, {**start, **etas}, 500, rule=rule, sharpness=None, dtype="float32")

print(f"{float((dataset.outcome == eos.Outcome.DIVERGED).mean()):.1%} of the pairs diverge")
dataset["trained"] = dataset.loss.where(dataset.outcome != eos.Outcome.DIVERGED)
dataset.trained.attrs = {"long_name": "loss after 500 steps; white: diverged"}
figure = plots.draw(
    dataset,
    variable="trained",
    log=True,
    limits=tuple(dataset.trained.quantile([0.02, 0.98]).values),
    title="Two layers, tanh, width 8, 16 samples",
)
plots.save(figure, "trainability.png")
