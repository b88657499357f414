"""
The road to chaos, with Feigenbaum's ratios
===========================================

Gradient descent on four balanced scalars, one density for each step size, doublings marked.

Run:  python scripts/orbit_diagram.py
"""

import numpy as np

import eos_jax as eos
from eos_jax import analysis, plots

objective = eos.objectives.scalar_product((4,))
axes = {"x": 0.9, "eta": np.linspace(0.45, 0.85, 1500)}

dataset = analysis.orbit_diagram(objective, axes, steps=10_000, settle=2000)

flips = analysis.cascade(objective, {"x": 1.0}, 0.45, 8)
print("doublings at", ", ".join(f"{flip.parameter:.9f}" for flip in flips[:4]), "...")
print("ratios", analysis.ratios(flips).round(4), "tend to", round(analysis.FEIGENBAUM, 4))
figure = plots.draw(dataset)
for flip in flips[:4]:
    figure.axes[0].axvline(flip.parameter, color=plots.THEORY, lw=0.5, ls=":")
plots.save(figure, "orbit_diagram.png")
