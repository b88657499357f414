"""
The two-step parabola
=====================

One orbit in the paper's coordinates (a, b). Every second step traces a smooth curve; once it is
near the minima it lies on b^2 = a k / 2 + k^4 / 16, k = sqrt(eta), as every orbit does.

Run:  python scripts/two_step_parabola.py
"""

import numpy as np

import eos_jax as eos
from eos_jax import plots, theory

eta = 0.05
objective = eos.objectives.scalar_product((2, 2))

orbit = eos.orbits(objective, {"x": 4.6, "y": 0.218, "eta": eta}, steps=10_000)
a, b = (np.asarray(c) for c in theory.to_ab(orbit.x_orbit.values, orbit.y_orbit.values, eta))

figure, ((ax,),) = plots.subplots(width=4.5, height=3.5)
ax.plot(a[::2], b[::2], ".-", ms=3, lw=0.5, label="even steps")
ax.plot(a[1::2], b[1::2], ".-", ms=3, lw=0.5, label="odd steps")
heights = np.linspace(b.min(), b.max(), 400)
ax.plot(2 * (heights**2 - eta**2 / 16) / eta**0.5, heights, "k--", lw=1, label="parabola")
ax.set(xlabel="a", ylabel="b", xlim=(a.min() - 0.02, a.max() + 0.02))
ax.legend(frameon=False)
plots.save(figure, "two_step_parabola.png")
print(f"final sharpness {float(orbit.sharpness[-1]):.9f}, 2/eta = {2 / eta:g}")
