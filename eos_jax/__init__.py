"""eos_jax: gradient-descent dynamics at and beyond the edge of stability, millions at once."""

from eos_jax import objectives, observers, updates
from eos_jax.curvature import hessian, hessian_vector_product, sharpness
from eos_jax.kernel import set_process_flags
from eos_jax.objectives import gradient, loss
from eos_jax.outcomes import Outcome, Stop
from eos_jax.simulate import iterate, simulate
from eos_jax.sweep import orbits, sweep

__all__ = [
    "Outcome",
    "Stop",
    "gradient",
    "hessian",
    "hessian_vector_product",
    "iterate",
    "loss",
    "objectives",
    "observers",
    "orbits",
    "set_process_flags",
    "sharpness",
    "simulate",
    "sweep",
    "updates",
]
