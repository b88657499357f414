"""
A network on your own data
==========================

A loss takes your arrays as data; parameters may be arrays. Gradient descent on all of
them sharpens until 2/eta and then trains on at the edge of stability.

Source: Cohen et al. 2021.

Run:  python scripts/own_data.py
"""

import jax.numpy as jnp
import numpy as np

import eos_jax as eos
from eos_jax import plots

random = np.random.default_rng(0)
X = np.linspace(-1, 1, 24)[:, None]
y = np.sin(4 * X)
start = {"W1": 2 * random.normal(size=(1, 12)), "b1": random.normal(size=12),
         "W2": random.normal(size=(12, 1)) / 12**0.5}  # fmt: skip


def network(W1, b1, W2, X, y):
    return ((jnp.tanh(X @ W1 + b1) @ W2 - y) ** 2).mean()


objective = eos.objectives.from_function(network, shapes=start, data={"X": X, "y": y})
dataset = eos.orbits(objective, {**start, "eta": [0.1, 0.3]}, 3_000, every=3,
                     record=["loss", "sharpness", "threshold"])  # fmt: skip

plots.save(plots.draw(dataset, "orbits"), "own_data.png")
for lane in dataset.sharpness.isel(step=-1):
    print(f"eta {float(lane.eta)}: sharpness {float(lane):.2f}, 2/eta {2 / float(lane.eta):g}")
