"""
Recording along a sweep
=======================

An observer records something along every orbit, up to the step that decides it: here the highest
sharpness on the way, and when the threshold was first crossed.

Run:  python scripts/recording.py
"""

import numpy as np

import eos_jax as eos
from eos_jax import plots

objective = eos.objectives.scalar_product((2, 2))
axes = {"x": np.linspace(1, 5, 256), "y": np.linspace(0.05, 1, 256), "eta": 0.2}
record = {"peak": eos.observers.maximum("sharpness"), "crossing": eos.observers.first_crossing()}
dataset = eos.sweep(objective, axes, steps=5_000, observe=record)

converged = dataset.outcome == eos.Outcome.CONVERGED
dataset["peak"] = dataset.peak.where(converged)
plots.save(plots.draw(dataset, variable="peak", log=True), "recording.png")
over = float((dataset.crossing.where(converged) >= 0).sum() / converged.sum())
print(f"{over:.1%} of the orbits that converge were above 2/eta on the way")
