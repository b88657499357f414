"""
Heavy ball and Adam, step size against momentum
===============================================

Every hyperparameter of a rule may be an axis, and every rule has its own threshold of stability:
2 (1 + momentum) / eta for heavy ball; for Adam that of the preconditioned Hessian. Adam comes to a
minimum, and is converged by the sizes of gradients that it remembers then; when it has forgotten
them it leaves again, as rules_compared shows.

Run:  python scripts/heavy_ball_and_adam.py
"""

import numpy as np

import eos_jax as eos
from eos_jax import plots

objective = eos.objectives.scalar_product((2, 2))
start = {"x": 3.0, "y": 0.2}
etas = {"heavy_ball": np.geomspace(0.01, 1, 200), "adam": np.geomspace(0.001, 1, 200)}

figure, (panels,) = plots.subplots(1, 2, width=9.5)
for ax, (rule, eta), decay in zip(panels, etas.items(), ("momentum", "b1")):
    axes = {decay: np.linspace(0, 0.98, 200), "eta": eta, **start}
    dataset = eos.sweep(objective, axes, steps=5_000, rule=rule)
    plots.outcome_map(dataset, ax)
    ax.set(title=rule, yscale="log")
    share = float((dataset.outcome == eos.Outcome.CONVERGED).mean())
    print(f"{rule}: {share:.1%} converge")
plots.save(figure, "heavy_ball_and_adam.png")
