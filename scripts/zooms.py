"""
Three zooms into a fractal boundary
===================================

The boundary between converging and diverging starts, magnified three times, and its dimension at
each depth, with an error and withheld where the fit does not hold.

Run:  python scripts/zooms.py
"""

import numpy as np

import eos_jax as eos
from eos_jax import analysis, plots

objective = eos.objectives.scalar_product((2, 2))
figure, (panels,) = plots.subplots(1, 3, width=13)
x, y = 3.27, 0.31
side = np.linspace(-1, 1, 512)
for ax, width in zip(panels, (0.2, 0.02, 0.002)):
    axes = {"x": x + width * side, "y": y + width * side, "eta": 0.2}
    found = analysis.boundary(objective, axes, 5_000, pairs=4_000)
    plots.outcome_map(found, ax)
    dimension, error = float(found.uncertainty_dimension), float(found.uncertainty_error)
    ax.locator_params(nbins=4)
    ax.set_title(f"dimension {dimension:.2f} ± {error:.2f}")
    print(f"half width {width}: dimension {dimension:.2f} +- {error:.2f}")
plots.save(figure, "zooms.png")
