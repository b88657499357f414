"""
Where orbits end under six rules
================================

Does the edge look alike under other rules? Where orbits end, over each rule's own threshold.

Run:  python scripts/rules_compared.py

Each rule runs on the paper's four scalars, over starts and step sizes, and on a small network.
Step sizes are those that put the rule's threshold at the same values, so that maps compare.

Adam comes close to a minimum within some hundred steps, but stays at none: its preconditioner
fades with the gradients until the minimum is too sharp. It runs to the horizon, at its edge, and
slides to the flattest minima, of sharpness 4. The network sharpens slowly under gradient descent:
after 6000 steps most orbits would still be on their way to the edge.
"""

import jax.numpy as jnp
import numpy as np

import eos_jax as eos
from eos_jax import plots
from eos_jax.plots.style import POINTS as COLOUR
from eos_jax.plots.style import QUIET, new_figure, style

POINTS, STEPS, BETA, RHO = 200, 20_000, 0.9, 0.01
LONG, EVERY, LATE = 60_000, 1000, 20  # on the network: steps, and samples of the last third
MOMENTUM = {"momentum": BETA}

# settings, and the step size that puts the threshold at T
RULES = {
    "gradient_descent": ({}, lambda T: 2 / T),
    "heavy_ball": (MOMENTUM, lambda T: 2 * (1 + BETA) / T),
    "nesterov": (MOMENTUM, lambda T: 2 * (1 + BETA) / (1 + 2 * BETA) / T),
    "averaged_momentum": (MOMENTUM, lambda T: 2 * (1 + BETA) / (1 - BETA) / T),
    "sam": ({"rho": RHO, "normalised": False}, lambda T: 2 / (T * (1 + RHO * T))),
    "adam": ({"b1": BETA, "b2": 0.99}, lambda T: 0.5 / T),  # its threshold is on P^-1 H
}
TITLES = {"sam": "SAM, no norm", "adam": "Adam", "nesterov": "Nesterov"}
random = np.random.default_rng(0)
DATA = {"X": random.normal(size=(16, 3)), "y": np.sign(random.normal(size=16))}
STARTS = {"W": random.normal(size=(4, 4, 3)), "a": random.normal(size=(4, 4))}

scalars = eos.objectives.scalar_product((2, 2))
network = eos.objectives.from_function(
    lambda W, a, X, y: jnp.mean((jnp.tanh(X @ W.T) @ a - y) ** 2) / 2,
    shapes={"W": (4, 3), "a": (4,)},
    data=DATA,
    name="two layers",
)
thresholds = np.linspace(6, 40, POINTS)


def share_of_edge(dataset):
    """Curvature over threshold at the last point."""
    judged = "curvature" if "curvature" in dataset else "sharpness"
    return dataset[judged] / dataset.threshold


record = {"late": eos.observers.trace("relative_curvature", last=LATE)}
maps, on_network = {}, {}
for name, (settings, step_size) in RULES.items():
    rule = eos.rules.make(name, **settings)
    axes = {"x": np.linspace(1.5, 4, POINTS), "y": 0.3, "eta": step_size(thresholds)}
    settles = name != "adam"
    ds = eos.sweep(scalars, axes, STEPS, rule=rule, stop=eos.Stop() if settles else None)
    kept = ds.outcome == (eos.Outcome.CONVERGED if settles else eos.Outcome.UNDECIDED)
    maps[name] = share_of_edge(ds).where(kept)
    median = float(ds.sharpness.where(kept).median())
    etas = np.geomspace(step_size(60.0), step_size(15.0), 6)
    axes = {**eos.along("start", STARTS), "eta": etas}
    ds = eos.sweep(network, axes, LONG, rule=rule, stop=None, observe=record, every=EVERY)
    late = ds.late_relative_curvature.median("step").values.ravel()
    on_network[name] = late
    near = float(((maps[name] > 0.99) & (maps[name] < 1)).mean())
    print(
        f"{name:18} 4 scalars: {float(kept.mean()):6.1%} {'converge' if settles else 'go on'}, "
        f"{near:6.1%} within 1 % below the edge, median sharpness {median:.2f}; network: median "
        f"{np.median(late):.3f} of the edge, {np.mean(abs(late - 1) < 0.1):4.0%} within 10 % of it"
    )

with style():
    figure = new_figure(11, 5)
    left, right = figure.subfigures(1, 2, width_ratios=[3, 1.3])
    panels = left.subplots(2, 3, sharex=True, sharey=True)
    titles = [TITLES.get(name, name.replace("_", " ")) for name in RULES]
    for ax, title, share in zip(panels.flat, titles, maps.values()):
        ax.set_facecolor("0.85")
        values = share.transpose("eta", "x").values
        mesh = ax.pcolormesh(share.x, thresholds, values, vmin=0.5, vmax=1, cmap="viridis")
        ax.set_title("Adam, eta = 0.5/T: goes on" if title == "Adam" else title)
    for ax in panels[:, 0]:
        ax.set_ylabel("threshold T that eta sets")
    for ax in panels[1]:
        ax.set_xlabel("start x, y = 0.3")
    bar = left.colorbar(mesh, ax=panels, extend="min")
    bar.set_label("curvature / threshold at the end; grey: not converged")
    ax = right.subplots()
    for place, values in enumerate(on_network.values()):
        spread = place + np.linspace(-0.25, 0.25, values.size)
        ax.plot(spread, values, ".", color=COLOUR, markersize=4)
    ax.axhline(1, color=QUIET, linewidth=1, zorder=0)
    ax.set_xticks(range(len(titles)), titles, rotation=35, ha="right")
    ax.set(ylabel="curvature / threshold, median of the last third", ylim=(0, 1.3))
    ax.set_title("two layers, tanh: 4 starts, 6 step sizes")
plots.save(figure, "rules_compared.png")
