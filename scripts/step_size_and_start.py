"""
Step size against start
=======================

A sweep over both: where orbits converge, and how sharp they end.

Run:  python scripts/step_size_and_start.py
"""

import numpy as np

import eos_jax as eos
from eos_jax import plots

objective = eos.objectives.scalar_product((2, 2))
axes = {"eta": np.linspace(0.02, 0.4, 300), "x": np.linspace(1.0, 6.0, 300), "y": 0.3}

dataset = eos.sweep(objective, axes, steps=20_000)

# how far below the threshold converged orbits end, over the prediction eta / 2 for small steps
gap = (2 / dataset.eta - dataset.sharpness) / (dataset.eta / 2)
gap = gap.where((dataset.outcome == eos.Outcome.CONVERGED) & (gap < 1.2))
for low, high in ((0.02, 0.1), (0.1, 0.2), (0.2, 0.4)):
    part = gap.sel(eta=slice(low, high))
    print(
        f"eta from {low} to {high}: {int(part.count())} orbits end at the edge, "
        f"median gap {float(part.median()):.3f} eta/2"
    )
plots.save(plots.draw(dataset, "outcome"), "step_size_and_start.png")
