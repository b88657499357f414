"""
Order and chaos over step size and momentum
===========================================

Where heavy ball on four balanced scalars is chaotic: Lyapunov exponents over two axes.

Run:  python scripts/order_and_chaos.py
"""

import numpy as np

import eos_jax as eos
from eos_jax import plots

objective = eos.objectives.scalar_product((4,))
axes = {"eta": np.linspace(0.4, 1.2, 300), "momentum": np.linspace(0, 0.6, 300), "x": 0.9}

dataset = eos.sweep(
    objective,
    axes,
    steps=3_000,
    rule="heavy_ball",
    stop=None,  # every orbit to the horizon
    sharpness=None,
    observe=eos.observers.lyapunov(),
    every=8,
)

stayed = dataset.exponent.notnull()  # an orbit that left has none
chaotic = (dataset.exponent > dataset.error) & stayed
print(f"{float(stayed.mean()):.1%} of the lanes stay, {float(chaotic.mean()):.1%} in chaos")
plots.save(plots.draw(dataset), "order_and_chaos.png")
