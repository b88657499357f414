"""Curvature: the full Hessian, its products with vectors, its largest eigenvalues and vectors.

Sharpness is the largest eigenvalue of the full Hessian, not the one largest in modulus: away from
the minima the smallest eigenvalue is often the larger in modulus, and a plain power iteration
returns that one. Four ways to it share one meaning:

- a closed form, where the objective has one;
- `exact` builds the Hessian. Small ones are diagonalised by Jacobi rotations over all lanes, which
  costs as much as some tens of gradient steps; `eigvalsh`, one lane at a time, costs thousands. Of
  larger ones the extremes come from a tridiagonal matrix, by bisection.
- `lanczos` builds a Krylov space from products of the Hessian with vectors, for large models.
- `power` needs such products and no space. It measures the spectral radius first and shifts the
  spectrum by it, so that the largest eigenvalue is the largest in modulus too.

`auto` takes the first of these that suits. Functions that end in `_at` are for one point: pure,
without checks, to be traced inside `jit` and `vmap`; those without the ending are for users: they
check, compile, and take every lane at once. Both `lanczos` and `power` return an eigenvalue only
with its residual below a tolerance, NaN otherwise; derivatives are v^T dH v.
"""

from eos_jax.curvature.hessian import hessian, hessian_vector_product
from eos_jax.curvature.minimum import minimum_nearby
from eos_jax.curvature.spectrum import (
    METHODS,
    alignment,
    alignment_at,
    extreme_eigenvalues,
    extreme_eigenvalues_at,
    sharpness,
    sharpness_at,
    top_eigenpairs,
    top_eigenpairs_at,
)
from eos_jax.curvature.symmetric import (
    MOST_JACOBI,
    PowerIteration,
    largest_eigenvalue,
    power_iteration,
    residual_tolerance,
)

__all__ = [
    "METHODS",
    "MOST_JACOBI",
    "PowerIteration",
    "alignment",
    "alignment_at",
    "extreme_eigenvalues",
    "extreme_eigenvalues_at",
    "hessian",
    "hessian_vector_product",
    "largest_eigenvalue",
    "minimum_nearby",
    "power_iteration",
    "residual_tolerance",
    "sharpness",
    "sharpness_at",
    "top_eigenpairs",
    "top_eigenpairs_at",
]
