"""
Which fates can be trusted
==========================

Near a fractal boundary the fate of a start is a matter of rounding: it changes when the start is
moved by one unit in the last place, or when the orbit runs in single precision.

Run:  python scripts/trust.py
"""

import numpy as np

import eos_jax as eos
from eos_jax import analysis, plots

objective = eos.objectives.scalar_product((2, 2))
axes = {"x": np.linspace(3.2, 3.4, 192), "y": np.linspace(0.25, 0.45, 192), "eta": 0.2}
dataset = analysis.trust(objective, axes, 5_000, by=["ulp", "horizon"])

dataset["changed_float32"].attrs["long_name"] = "fate differs in single precision"
plots.save(plots.draw(dataset, variable="changed_float32", cmap="cividis"), "trust.png")
print(dataset.attrs["trust"])
print(f"in single precision {dataset.attrs['changed_float32_share']:.2%} end otherwise")
