"""
Every branch: where cycles attract, where they repel, where they change
=======================================================================

Gradient descent on four balanced scalars. Each cycle that orbits settle on is followed, through
folds and on where it repels, over the density of the orbits themselves.

Run:  python scripts/bifurcation_diagram.py
"""

import numpy as np

import eos_jax as eos
from eos_jax import analysis, plots

objective = eos.objectives.scalar_product((4,))  # 1/2 (1 - x^4)^2, in full space
axes = {"x": 0.9, "eta": np.linspace(0.45, 0.85, 401)}

dataset = analysis.bifurcation_diagram(objective, axes, steps=3_000)
density = analysis.orbit_diagram(objective, axes, steps=3_000, bins=500)

for name in ("branches", "cascades", "windows"):
    print(f"{name}: {dataset.attrs[name]}")
with plots.style():
    figure, ((ax,),) = plots.subplots(1, 1, width=6.4, height=5)
    shades = np.log1p(density.density).T
    ax.pcolormesh(density.eta, density.bin, shades, cmap="Greys", vmax=1.4 * shades.max())
    plots.branch(dataset, ax)
plots.save(figure, "bifurcation_diagram.png")
