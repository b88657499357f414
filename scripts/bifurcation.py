"""
Bifurcations, exponents and periods along the step size
=======================================================

Past the edge the minimum gives way to a cycle, the cycle to one of twice the period, and so on to
chaos, where the largest Lyapunov exponent is positive.

Run:  python scripts/bifurcation.py
"""

import numpy as np

import eos_jax as eos
from eos_jax import analysis, plots

objective = eos.objectives.scalar_product((4,))  # 1/2 (1 - x^4)^2, in full space
axes = {"x": 1.1, "eta": np.linspace(0.45, 0.95, 600)}
diagram = analysis.orbit_diagram(objective, axes, 4_000, bins=400)
stop = eos.Stop(longest_period=32)
dataset = eos.sweep(objective, axes, 4_000, stop=stop, observe=eos.observers.lyapunov())

figure, panels = plots.subplots(3, 1, width=6, height=7, sharex=True)
panels[0, 0].pcolormesh(diagram.eta, diagram.bin, np.log1p(diagram.density).T, cmap="Greys")
panels[1, 0].plot(dataset.eta, dataset.exponent, lw=0.8)
panels[2, 0].plot(dataset.eta, dataset.period.where(dataset.period > 0), ".", ms=2)
for ax, label in zip(panels[:, 0], ("x", "exponent (1/steps)", "period (steps)")):
    ax.set(ylabel=label, xlabel="step size eta")
plots.save(figure, "bifurcation.png")
first = dataset.eta.values[(dataset.period == 2).values.argmax()]
print(f"period 2 from eta = {first:.3f}; flip where the sharpness is 2/eta: 0.5")
