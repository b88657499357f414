"""
Two plateaus of momentum
========================

Momentum on batches leaves minima at 2 (1 - beta)/eta where batches are small, at 2 (1 + beta)/eta
where they are all data. In between it is a matter of the share p of the samples that is drawn:
(2/eta)(1 - beta^2)/(1 + beta - 2 beta p), where the mean of squares neither grows nor falls. Single
orbits turn from decay to growth beyond it, by their exponent: most of them are small, and few large
ones make the mean.

Run:  python scripts/plateaus.py

Every sample has a direction of its own, of a curvature that stays; where orbits grow is looked for.

Source: Andreyev et al., arXiv 2604.14108, 2026, for the plateaus; the line derived.
"""

import jax
import jax.numpy as jnp
import numpy as np

import eos_jax as eos
from eos_jax import plots

SAMPLES, STEPS, SEEDS, ETA = 32, 2_000, 2, 0.1
BATCHES, FACTORS = np.array([1, 2, 4, 8, 12, 16, 20, 24, 28, 31, 32]), np.arange(0.91, 2, 0.02)


def valleys(x, s, i):
    return jnp.mean(jax.lax.stop_gradient(s) * x[i] ** 2) / 2


objective = eos.objectives.from_function(
    valleys, ("x", "s"), data={"i": np.arange(SAMPLES)}, shapes={"x": (SAMPLES,), "s": ()}
)
batch, factor = (a.ravel() for a in np.meshgrid(BATCHES.astype(float), FACTORS, indexing="ij"))
fixed = {"x": np.ones(SAMPLES), "eta": ETA, "seed": np.arange(SEEDS)}
figure, ((ax,),) = plots.subplots(1, 1)
for beta in (0.0, 0.5, 0.8):
    line = eos.theory.minibatch_threshold(ETA, beta, BATCHES / SAMPLES)
    bend = factor * np.repeat(line, len(FACTORS))  # of a sample, in a batch of which it is one
    axes = {**fixed, "momentum": beta, **eos.along("case", {"s": bend * batch, "batch": batch})}
    rule = "minibatch_heavy_ball"
    ds = eos.sweep(objective, axes, STEPS, rule=rule, stop=None, sharpness=None)
    growth = np.log(abs(ds.x_final)).mean(("seed", "x_0")).values.reshape(len(BATCHES), -1)
    first = FACTORS[np.argmax(growth > 0, axis=1)]
    print(f"beta = {beta}: orbits grow from {first.round(2)} of the line on")
    (drawn,) = ax.plot(BATCHES / SAMPLES, ETA * line, label=f"beta = {beta}")
    ax.plot(BATCHES / SAMPLES, ETA * first * line, "o", color=drawn.get_color())
ax.set(xlabel="share of the samples in a batch", ylabel="eta times the curvature in a batch")
ax.set(title="lines: mean of squares; dots: single orbits", ylim=(0, None))
ax.legend()
plots.save(figure, "plateaus.png")
