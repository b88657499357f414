"""
Gradients through an orbit
==========================

An orbit is a pure function of its start and its step size: JAX differentiates through it. The
derivative of the loss after three steps tells which step size is best.

Run:  python scripts/gradients.py
"""

import jax
import numpy as np

import eos_jax as eos
from eos_jax import plots

objective = eos.objectives.scalar_product((2, 2))


def last_loss(eta):
    end = eos.simulate(objective, {"x": 1.6, "y": 0.4}, eta, steps=3)
    return eos.loss(objective, end)


etas = np.linspace(0.01, 0.3, 300)
losses, slopes = jax.vmap(jax.value_and_grad(last_loss))(etas)

figure, panels = plots.subplots(2, 1, height=5, sharex=True)
panels[0, 0].semilogy(etas, losses)
panels[1, 0].plot(etas, slopes)
panels[1, 0].axhline(0, color="#888888", lw=0.6)
panels[0, 0].set(ylabel="loss after 3 steps")
panels[1, 0].set(xlabel="step size eta", ylabel="its derivative")
plots.save(figure, "gradients.png")
print(f"best step size: {etas[np.argmin(losses)]:.3f}, of a loss of {np.min(losses):.1e}")
