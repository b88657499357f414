"""
How close to the edge orbits end
================================

Over all starts of a region, the final sharpness piles up just below the threshold.

Source: Zhu et al. 2023, figure 2.

Run:  python scripts/histogram.py
"""

import numpy as np

import eos_jax as eos
from eos_jax import plots

objective = eos.objectives.scalar_product((2, 2))
axes = {"x": np.linspace(0, 4, 300), "y": np.linspace(0, 4, 300), "eta": 0.2}
dataset = eos.sweep(objective, axes, steps=20_000)

plots.save(plots.draw(dataset, "histogram"), "histogram.png")
near = (dataset.sharpness > 9.9) & (dataset.sharpness < dataset.threshold)
print(f"{int(near.sum())} orbits end within 1 % below 2/eta")
