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
dataset = eos.sweep(objective, {"x": 4.0, "y": 0.24, "eta": np.linspace(0.02, 0.15, 400)}, 50_000)
converged = dataset.where(dataset.outcome == eos.Outcome.CONVERGED)

figure, ((ax,),) = plots.subplots()
ax.plot(dataset.eta, dataset.threshold, "--", color="#D55E00", label="threshold, 2/eta")
ax.plot(dataset.eta, converged.sharpness_minimum, ".", ms=3, color="#440154", label="at the end")
ax.set(xlabel="step size eta", ylabel="sharpness (1/eta)", ylim=(0, 40))
ax.legend()
plots.save(figure, "threshold_against_eta.png")
edge = converged.sel(eta=slice(0.07, 0.15))
gap = (edge.threshold - edge.sharpness_minimum) / edge.threshold
print(f"for eta from 0.07 on the median gap to the threshold is {float(gap.median()):.2%}")
