"""
The sharpness that gradient descent ends at
===========================================

From a grid of starts: those in the orange region end just below 2/eta, whatever they began with.

Source: Zhu et al. 2023, figure 2b.

Run:  python scripts/sharpness_map.py
"""

import numpy as np

import eos_jax as eos
from eos_jax import plots

objective = eos.objectives.scalar_product((2, 2))
axes = {"x": np.linspace(0, 4, 256), "y": np.linspace(0, 4, 256), "eta": 0.2}

dataset = eos.sweep(objective, axes, steps=50_000)

converged = dataset.sharpness.where(dataset.outcome == eos.Outcome.CONVERGED)
print(f"sharpness from {float(converged.min()):.4f} to {float(converged.max()):.4f}, 2/eta = 10")
plots.save(plots.draw(dataset, "sharpness"), "sharpness_map.png")
