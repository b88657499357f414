"""
A thousand seeds of label noise
===============================

Fresh noise on the labels at every step makes gradient descent drift along the minima towards flat
ones. A lane's noise depends on its seed alone.

Source: Blanc et al. 2020; Damian et al. 2021.

Run:  python scripts/label_noise.py
"""

import numpy as np

import eos_jax as eos
from eos_jax import plots


def product(a, b, y):
    return ((a * b - y) ** 2).mean() / 2


objective = eos.objectives.from_function(product, data={"y": np.ones(8)})
axes = {"a": 2.5, "b": 0.4, "eta": 0.1, "sigma": 0.3, "seed": np.arange(1000)}
observe = eos.observers.trace(bend="sharpness")
dataset = eos.sweep(
    objective, axes, 2_000, rule="label_noise", stop=None, observe=observe, every=20
)

plots.save(plots.draw(dataset, "spread"), "label_noise.png")
middle = dataset.bend.median("seed").values
print(f"median sharpness: {middle[0]:.2f} at the start, {middle[-1]:.2f} after 2000 steps")
