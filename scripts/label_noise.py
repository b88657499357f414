"""
A thousand seeds of label noise
===============================

Fresh noise on the labels at every step makes gradient descent drift along the minima towards flat
ones. A lane's noise depends on its seed alone.

Source: Blanc et al. 2020; Damian et al. 2021.

Run:  python scripts/label_noise.py
"""

import numpy as np

import eos_jax as eos
from eos_jax import plots

X = np.random.default_rng(0).normal(size=8)
objective = eos.objectives.from_function(
    lambda a, b, X, y: ((a * b * X - y) ** 2).mean() / 2, data={"X": X, "y": X}, name="a b = 1"
)
axes = {"a": 2.5, "b": 0.4, "eta": 0.1, "sigma": [0.0, 0.3], "seed": np.arange(1000)}
observe = eos.observers.trace(last=None, sharpness="sharpness")
dataset = eos.sweep(
    objective,
    axes,
    2_000,
    rule="label_noise",
    stop=None,
    observe=observe,
    every=20,
    keep=["sharpness"],
)

figure, ((ax,),) = plots.subplots()
for sigma, colour in zip(dataset.sigma.values, ("#888888", "#0072B2")):
    part = dataset.sharpness.sel(sigma=sigma)
    low, middle, high = part.quantile([0.05, 0.5, 0.95], "seed").values
    ax.fill_between(part.step, low, high, color=colour, alpha=0.25, lw=0)
    ax.plot(part.step, middle, color=colour, label=f"sigma = {sigma:g}")
ax.set(xlabel="step", ylabel="sharpness (1/eta)")
ax.legend()
plots.save(figure, "label_noise.png")
ends = dataset.sharpness.isel(step=-1).median("seed").values
print(f"median sharpness after 2000 steps: {ends[0]:.2f} without noise, {ends[1]:.2f} with")
