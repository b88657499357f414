"""Which step sizes of its two layers train a small network: the boundary is a fractal.

Run:  python scripts/trainability.py

Source: Sohl-Dickstein, The boundary of neural network trainability is fractal, 2024.
"""

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import eos_jax as eos

random = np.random.default_rng(0)
X, y = random.normal(size=(16, 8)), random.normal(size=(16, 1))
start = {"W1": random.normal(size=(8, 8)) / 8**0.5, "W2": random.normal(size=(8, 1)) / 8**0.5}
etas = {"eta_W1": np.geomspace(1e-1, 1e2, 256), "eta_W2": np.geomspace(2e-2, 2, 256)}

objective = eos.objectives.from_function(
    lambda W1, W2, X, y: jnp.mean((jnp.tanh(X @ W1) @ W2 - y) ** 2),
    shapes={"W1": (8, 8), "W2": (8, 1)},
    data={"X": X, "y": y},
    name="two layers",
)
rule = eos.rules.gradient_descent(parameters=("W1", "W2"))
# without the sharpness, which would cost more than all else, nothing is called converged
dataset = eos.sweep(objective, {**start, **etas}, 500, rule=rule, sharpness=None, dtype="float32")

trained = np.log10(dataset.loss.where(dataset.outcome != eos.Outcome.DIVERGED))
trained.attrs = {"long_name": "log10 of the loss after 500 steps; white: diverged"}
trained.plot(x="eta_W1", y="eta_W2", xscale="log", yscale="log", robust=True)
plt.title("Two layers, tanh, width 8, 16 samples")
plt.savefig("trainability.png", dpi=200)
