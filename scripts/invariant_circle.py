"""
Negative momentum: orbits that circle
=====================================

Below -1/3 Nesterov's momentum lets a minimum go where two multipliers leave the unit circle: orbits
then wind about it on a closed curve, and neighbours neither part nor meet.

Run:  python scripts/invariant_circle.py
"""

import numpy as np

import eos_jax as eos
from eos_jax import analysis, plots

objective = eos.objectives.scalar_product((4,))  # 1/2 (1 - x^4)^2, in full space
near = {"eta": 0.63, "momentum": -0.625}
born = analysis.bifurcation("neimark_sacker", objective, {"x": 1.0}, near, rule="nesterov")
print(f"eta = {born.parameter:.12f}, angle {born.angle:.6f}, coefficient {born.coefficient:.4f}")

axes = {"x": 1.02, "momentum": -0.625, "eta": np.linspace(0.63, 0.80, 681)}
dataset = eos.sweep(objective, axes, 20_000, rule="nesterov", stop=None, sharpness=None, every=8,
                    observe=eos.observers.lyapunov(settle=10_000))  # fmt: skip
axes["eta"] = born.parameter + np.array([1e-4, 5e-4, 2e-3, 5e-3])
circles = eos.orbits(objective, axes, 34_000, last=4_000, rule="nesterov")

with plots.style():
    figure, ((plane, line),) = plots.subplots(1, 2, width=7.2, height=3.4)
    shades = ("#fde725", "#35b779", "#31688e", "#440154")
    for eta, x, shade in zip(circles.eta.values, circles.x_orbit.values, shades):
        plane.plot(x[:-1], x[1:], ".", ms=1, color=shade, label=f"$\\eta$ = {eta:.4f}")
    plane.set(xlabel="x", ylabel="x a step later", aspect="equal")
    plane.legend(markerscale=6, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
    line.plot(dataset.eta, dataset.exponent, lw=0.8)
    line.axvline(born.parameter, color=plots.THEORY, lw=0.5, ls=":")
    line.set(xlabel="step size $\\eta$", ylabel="largest Lyapunov exponent (1/steps)")
plots.save(figure, "invariant_circle.png")
