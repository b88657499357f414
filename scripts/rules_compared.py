"""Does the edge look alike under other rules? Final sharpness over each rule's own threshold.

Run:  python scripts/rules_compared.py

Each rule runs on the paper's four scalars from a map of starts and step sizes. Step sizes are
given by the threshold that they put on the sharpness, so that the pictures can be compared.
"""

import numpy as np

import eos_jax as eos
from eos_jax import plots

POINTS, STEPS = 200, 20_000
BETA, RHO, DECAY = 0.9, 0.01, 0.1

# name, settings, and the step size that puts the threshold at T
RULES = {
    "gradient descent": ("gradient_descent", {}, lambda T: 2 / T),
    "heavy ball": ("heavy_ball", {"momentum": BETA}, lambda T: 2 * (1 + BETA) / T),
    "Nesterov": ("nesterov", {"momentum": BETA}, lambda T: 2 * (1 + BETA) / (1 + 2 * BETA) / T),
    "averaged momentum": (
        "averaged_momentum", {"momentum": BETA}, lambda T: 2 * (1 + BETA) / (1 - BETA) / T,
    ),
    "SAM, no norm": ("sam", {"rho": RHO, "normalised": False}, lambda T: 2 / (T * (1 + RHO * T))),
    "two step sizes, 2:3": ("cyclic_gradient_descent", {}, lambda T: 5 / 3 / T),
}  # fmt: skip
