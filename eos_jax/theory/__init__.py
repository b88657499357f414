"""Closed forms for gradient descent at the edge of stability.

The model is the product of four scalars, L(x, y, z, w) = (1 - x y z w)^2 / 2, started with z = x
and w = y. Its minima form a curve, x y = 1, along which the sharpness 2 (x^2 + y^2) takes every
value from 4 upwards. Gradient descent with step size eta ends just below the sharpness 2/eta
because two numbers tell all: b, the signed distance from the curve, flips sign at each step; a, the
place along the curve, falls by an amount proportional to b^2. Seen every second step they follow an
ODE whose orbits all run into one parabola, and the parabola meets the curve of minima at one point.

Source: Zhu, Wang, Wang, Zhou, Ge, "Understanding Edge-of-Stability Training Dynamics with a
Minimalist Example", ICLR 2023 (arXiv 2210.03294), called "paper" below, its known misprints
corrected; "derived" marks results that are not in it.

Throughout, eta is the step size and k = sqrt(eta). Sharpness has the unit 1/eta; time is in steps.
Arguments have any shapes that broadcast, and results the broadcast shape, unless a shape is stated.
Results follow the dtype of the arguments: NumPy and Python numbers stay at their own precision, JAX
arrays give JAX arrays; jit, vmap and grad work. Bad concrete arguments raise; traced values cannot
be looked at and pass unchecked.
"""

from eos_jax.theory.base import Interval, Point
from eos_jax.theory.coordinates import from_ab, from_cd, to_ab, to_cd
from eos_jax.theory.maps import (
    FrozenDoublings,
    balanced_first_doubling,
    balanced_step,
    frozen_cubic_step,
    frozen_doublings,
    frozen_two_step,
    step_ab,
    step_cd,
    two_step_ab,
    two_step_ab_degree_2,
)
from eos_jax.theory.minima import (
    eos_minimum,
    gradient_flow_sharpness,
    hessian_eigenvalues,
    imbalance_factor,
    sharpness_at_minimum,
    stability_threshold,
)
from eos_jax.theory.predictions import (
    final_multiplier,
    predicted_sharpness,
    predicted_sharpness_of_product_loss,
    predicted_sharpness_scalars,
)
from eos_jax.theory.theorems import (
    Theorem31Hypotheses,
    corollary_3_1_interval,
    theorem_3_1_hypotheses,
    theorem_3_1_interval,
    theorem_3_2_interval,
)
from eos_jax.theory.thresholds import (
    adam_threshold,
    heavy_ball_threshold,
    minibatch_threshold,
    nesterov_threshold,
    sam_threshold,
)
from eos_jax.theory.two_step import (
    ellipse_degree_2,
    parabola,
    parabola_end,
    two_step_orbit,
    two_step_slope,
)

__all__ = [
    "FrozenDoublings",
    "Interval",
    "Point",
    "Theorem31Hypotheses",
    "adam_threshold",
    "balanced_first_doubling",
    "balanced_step",
    "corollary_3_1_interval",
    "ellipse_degree_2",
    "eos_minimum",
    "final_multiplier",
    "from_ab",
    "from_cd",
    "frozen_cubic_step",
    "frozen_doublings",
    "frozen_two_step",
    "gradient_flow_sharpness",
    "heavy_ball_threshold",
    "hessian_eigenvalues",
    "imbalance_factor",
    "minibatch_threshold",
    "nesterov_threshold",
    "parabola",
    "parabola_end",
    "predicted_sharpness",
    "predicted_sharpness_of_product_loss",
    "predicted_sharpness_scalars",
    "sam_threshold",
    "sharpness_at_minimum",
    "stability_threshold",
    "step_ab",
    "step_cd",
    "theorem_3_1_hypotheses",
    "theorem_3_1_interval",
    "theorem_3_2_interval",
    "to_ab",
    "to_cd",
    "two_step_ab",
    "two_step_ab_degree_2",
    "two_step_orbit",
    "two_step_slope",
]
