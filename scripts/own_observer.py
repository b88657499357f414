"""
An observer of your own
=======================

Three functions say what is recorded along an orbit: the accumulator before the first sample, after
one more, and the result. Here: the longest run of steps on which the loss fell.

Run:  python scripts/own_observer.py
"""

import jax.numpy as jnp
import numpy as np

import eos_jax as eos
from eos_jax import measures, plots


def update(seen, sample):
    before, run, longest = seen
    loss = measures.loss(sample)
    run = jnp.where(loss < before, run + 1, 0)
    return loss, run, jnp.maximum(longest, run)


zero = jnp.zeros((), jnp.int32)
longest = eos.observers.Observer(
    init=lambda first, samples: (measures.loss(first), zero, zero),
    update=update,
    finalize=lambda seen, end: seen[2],
    labels=eos.observers.Label("longest run of falling loss", "steps"),
)
objective = eos.objectives.scalar_product((2, 2))
axes = {"x": np.linspace(1, 4, 200), "y": np.linspace(0.05, 1, 200), "eta": 0.2}
dataset = eos.sweep(objective, axes, steps=3_000, observe={"run": longest})

dataset["run"] = dataset.run.where(dataset.outcome == eos.Outcome.CONVERGED)
plots.save(plots.draw(dataset, variable="run"), "own_observer.png")
print(f"median longest run: {float(dataset.run.median()):.0f} steps")
