"""
The catapult
============

With a step size between 2 and about 4 over the first sharpness, the loss rises before it falls, and
the orbit is thrown into a flatter minimum.

Source: Lewkowycz et al. 2020.

Run:  python scripts/catapult.py
"""

import eos_jax as eos
from eos_jax import plots

objective = eos.objectives.scalar_product((1, 1))
start = {"x": 6.0, "y": 0.01}
first = float(eos.sharpness(objective, start))
dataset = eos.orbits(objective, {**start, "eta": [1 / first, 3 / first]}, 60)

plots.save(plots.draw(dataset, "orbits"), "catapult.png")
for lane in dataset.sharpness.isel(step=-1):
    print(f"eta {float(lane.eta) * first:.0f}/sharpness: from {first:.0f} to {float(lane):.1f}")
