"""
Adam on a quartic, over its two decays
======================================

Adam at a constant step on x^4/4: where it converges linearly, over its two decays.

Run:  python scripts/adam_phases.py

Where it does, the modulus of x falls by b2^(1/4) a step whatever b1 is; gradient descent falls like
t^(-1/2). Dashed: b1 = b2. Where it does not, orbits are spiky beside that line, small for long and
thrown out in between, and away from it they oscillate evenly, as under sign descent.

Source: Bai et al., arXiv 2603.09581, 2026, for the three phases; the rate derived.
"""

import numpy as np

import eos_jax as eos
from eos_jax import plots

POINTS, STEPS, LATE = 128, 60_000, 600

quartic = eos.objectives.from_function(lambda x: x**4 / 4, name="quartic", floor=0.0)
rule = eos.rules.adam(b1=None, b2=None, eps=0.0)
decays = {"b1": 1 - np.geomspace(1e-2, 1, POINTS), "b2": 1 - np.geomspace(1e-2, 0.9, POINTS)}
axes = {"x": 1.0, "eta": 0.01, **decays}

# from the step at which the loss is below 1e-80 to that at which it is below 1e-160
first, last = (
    eos.sweep(quartic, axes, STEPS, rule=rule, stop=eos.Stop(tolerance=tolerance))
    for tolerance in (1e-80, 1e-160)
)
fall = np.log(abs(last.x_final) / abs(first.x_final)) / (last.steps - first.steps)
last["rate"] = (fall / (np.log(last.b2) / 4)).where(last.outcome == eos.Outcome.CONVERGED)
last.rate.attrs = {"long_name": "rate over that predicted; white: does not converge"}
converged = last.rate.notnull()
linear = float((abs(last.rate - 1) < 0.01).where(converged).mean())
below = float((converged == (last.b1 < last.b2)).mean())
print(
    f"{float(converged.mean()):.1%} of the pairs converge, {linear:.1%} of them at the rate "
    f"predicted, within 1 %; for {below:.1%} of all it is so exactly where b1 < b2"
)

# where it does not, x to the horizon: how far beyond the size that it usually has
late = {"late": eos.observers.trace("x", last=LATE)}
ds = eos.sweep(quartic, axes, STEPS // 8, rule=rule, stop=None, sharpness=None, observe=late)
size = abs(ds.late_x.where(~converged))
last["spikes"] = size.max("step") / (size**2).mean("step") ** 0.5
last.spikes.attrs = {"long_name": "largest late x over its r.m.s.; white: converges"}
figure, (panels,) = plots.subplots(1, 2, width=10)
plots.variable_map(last, panels[0], "rate", limits=(0.5, 1.5)).set(title="Adam on x^4/4")
plots.variable_map(last, panels[1], "spikes", limits=(1, 5)).set(title="the same: what goes on")
for ax in panels:
    ax.plot([0, 1], [0, 1], "k--", lw=0.8, scalex=False, scaley=False)
plots.save(figure, "adam_phases.png")
