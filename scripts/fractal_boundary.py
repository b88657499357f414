"""
The dimension of a boundary
===========================

How rough the boundary between converging and diverging starts is: Zhu et al. 2023, figure 7a.

Run:  python scripts/fractal_boundary.py
"""

import numpy as np

import eos_jax as eos
from eos_jax import analysis, plots

objective = eos.objectives.scalar_product((2, 2))
axes = {"x": np.linspace(3.0, 3.4, 1024), "y": np.linspace(0.1, 0.5, 1024), "eta": 0.2}

dataset = analysis.boundary(objective, axes, steps=10_000, pairs=20_000)

slopes = {name: float(dataset[f"{name}_slope"]) for name in analysis.METHODS}
print(", ".join(f"{name} {slope:.3f}" for name, slope in slopes.items()))
print(dataset.attrs["agreement"])
plots.save(plots.draw(dataset), "fractal_boundary.png")
