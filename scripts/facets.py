"""
The same map for several step sizes
===================================

An array in the axes becomes a dimension of the result. A picture of two dimensions is repeated over
a third, with one scale of colours for all panels.

Run:  python scripts/facets.py
"""

import numpy as np

import eos_jax as eos
from eos_jax import plots

objective = eos.objectives.scalar_product((2, 2))
axes = {"x": np.linspace(0, 6, 160), "y": np.linspace(0, 1.5, 160), "eta": [0.05, 0.1, 0.2, 0.4]}
dataset = eos.sweep(objective, axes, steps=5_000)

plots.save(plots.draw(dataset, "sharpness", facet="eta"), "facets.png")
shares = (dataset.outcome == eos.Outcome.CONVERGED).mean(["x", "y"])
print("converged:", ", ".join(f"{float(s):.1%} at eta {float(s.eta)}" for s in shares))
