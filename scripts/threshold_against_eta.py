"""
The sharpness reached, against the step size
============================================

From one start, gradient descent with every step size: where it trains at the edge of stability the
sharpness ends just below 2/eta, and for small steps at that of the minimum of gradient flow.

Run:  python scripts/threshold_against_eta.py
"""

import numpy as np

import eos_jax as eos
from eos_jax import plots

objective = eos.objectives.scalar_product((2, 2))
axes = {"x": 4.0, "y": 0.24, "eta": np.linspace(0.02, 0.15, 400)}
dataset = eos.sweep(objective, axes, steps=50_000)

figure = plots.draw(dataset, "sharpness")
figure.axes[0].set_ylim(0, 40)
plots.save(figure, "threshold_against_eta.png")
edge = dataset.where(dataset.outcome == eos.Outcome.CONVERGED).sel(eta=slice(0.07, 0.15))
gap = 1 - edge.sharpness / edge.threshold
print(f"for eta from 0.07 on the median gap to the threshold is {float(gap.median()):.2%}")
