"""
Adam on a quartic, over its two decays
======================================

Adam at a constant step on x^4/4: where it converges linearly, over its two decays.

Run:  python scripts/adam_phases.py

Where it does, the modulus of x falls by b2^(1/4) a step whatever b1 is; gradient descent falls like
t^(-1/2). Dashed: b1 = b2.

Source: Bai et al., arXiv 2603.09581, 2026; the rate derived.
"""

import numpy as np

import eos_jax as eos
from eos_jax import plots

POINTS, STEPS = 128, 60_000

quartic = eos.objectives.from_function(lambda x: x**4 / 4, name="quartic", floor=0.0)
rule = eos.rules.adam(b1=None, b2=None, eps=0.0)
axes = {
    "x": 1.0,
    "eta": 0.01,
    "b1": 1 - np.geomspace(1e-2, 1, POINTS),
    "b2": 1 - np.geomspace(1e-2, 0.9, POINTS),
}

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
figure = plots.draw(last, variable="rate", limits=(0.5, 1.5), title="Adam on x^4/4, eta = 0.01")
figure.axes[0].plot([0, 1], [0, 1], "k--", lw=0.8, scalex=False, scaley=False)
plots.save(figure, "adam_phases.png")
