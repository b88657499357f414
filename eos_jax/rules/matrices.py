"""Rules that see a parameter as a matrix: Muon, Shampoo, and steepest descent in a norm.

A vector is a matrix of one column, a scalar one of one entry.
"""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from eos_jax.checks import check_choice, check_count
from eos_jax.curvature import sharpness_at
from eos_jax.curvature.norm_balls import (
    NORMS,
    generalised_sharpness_at,
    steepest,
)
from eos_jax.curvature.rotations import axes_of, polar_factor
from eos_jax.objectives.base import lift
from eos_jax.rules.base import Rule, check_momentum, check_number, numbers, register, slopes, zeros
from eos_jax.rules.descent import descent_threshold
from eos_jax.rules.fixed_length import REMARK
from eos_jax.sample import Sample

_QUINTIC = (3.4445, -4.7750, 2.0315)


@register(examples=({}, {"norm": "spectral"}))
def steepest_descent(norm: str = "max") -> Rule:
    r"""Steepest descent in a norm, x' = x - eta |g|_* d, d = argmax <g, d> over the unit ball.

    In the Euclidean norm this is gradient descent; in `max` the sign of the gradient times the sum
    of its moduli; in `spectral` the polar factor of each matrix times the sum of all singular
    values.

    Args:
      norm: "euclidean", "max" or "spectral", of the full space.

    Returns:
      The rule; it has no state. Its curvature is the generalised sharpness, max d^T H d over the
      unit ball, its threshold 2/eta: exact where the Hessian has one direction, as at minima of
      products.

    Raises:
      ValueError: if the norm is unknown.

    Example:
      >>> import eos_jax as eos
      >>> from eos_jax import rules
      >>> obj = eos.objectives.scalar_product(2)
      >>> params, _ = rules.steepest_descent("max").step(
      ...     obj, {"x": 2.0, "y": 1.0}, (), {"eta": 0.1}
      ... )
      >>> print(round(float(params["x"]), 5), round(float(params["y"]), 5))  # g = (1, 2)
      1.7 0.7

    Source: Islamov et al. 2026, "Non-Euclidean gradient descent operates at the edge of stability".
    """
    check_choice("norm", norm, NORMS)

    def step(objective, params, state, hyper):
        hyper = numbers(params, hyper)
        direction, dual = steepest(lift(objective, slopes(objective, params)), norm)
        pace = hyper["eta"] * dual
        return {n: params[n] - pace * direction[n][0] for n in objective.parameters}, state

    return Rule(
        "steepest_descent",
        lambda objective, params, hyper: (),
        step,
        curvature=lambda sample: generalised_sharpness_at(sample.objective, sample.params, norm),
        threshold=descent_threshold,
        remark=f"the curvature is the generalised sharpness over the unit ball of the {norm} norm, "
        "as found by ascent",
    )


@register(examples=({}, {"momentum": 0.5, "newton_schulz": 0}))
def muon(momentum: float | None = 0.95, newton_schulz: int = 5) -> Rule:
    r"""Muon, m' = beta m + g, X' = X - eta O(g + beta m'), O the orthogonal factor.

    Args:
      momentum: beta, in (-1, 1), where a sweep does not give it; None: a sweep must give it.
      newton_schulz: steps of the published quintic iteration, whose factor has singular values
        from about 0.7 to 1.2; 0 takes the exact factor.

    Returns:
      The rule; its state is m, and it has no threshold.

    Raises:
      ValueError: if the momentum is outside (-1, 1) or the number of steps negative.

    Example:
      >>> from eos_jax import rules
      >>> rules.muon(momentum=0.9, newton_schulz=0)
      Rule(muon: eta, momentum=0.9, newton_schulz=0)

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks".
    """
    check_momentum(momentum)
    check_count("newton_schulz", newton_schulz, least=0)

    def step(objective, params, state, hyper):
        hyper, slope = numbers(params, hyper), slopes(objective, params)
        names, beta = objective.parameters, hyper["momentum"]
        gathered = {n: beta * state[n] + slope[n] for n in names}
        ahead = {n: slope[n] + beta * gathered[n] for n in names}
        factor = {n: _orthogonal(ahead[n], newton_schulz) for n in names}
        return {n: params[n] - hyper["eta"] * factor[n] for n in names}, gathered

    return Rule(
        "muon",
        lambda objective, params, hyper: zeros(objective, params),
        step,
        ("eta", "momentum"),
        remark=REMARK,
    )


def _orthogonal(leaf, steps):
    if not steps:
        return polar_factor(leaf)
    matrix = _matrix(leaf)
    size = jnp.sqrt(jnp.sum(matrix**2))
    x = matrix / (size + 1e-7)
    x = x.T if x.shape[0] > x.shape[1] else x
    a, b, c = _QUINTIC

    def closer(_, x):
        square = x @ x.T
        return a * x + (b * square + c * square @ square) @ x

    # a loop keeps the list of a small matrix short; one row is short anyway
    x = jax.lax.fori_loop(0, steps, closer, x, unroll=x.shape[0] == 1)
    x = x.T if matrix.shape[0] > matrix.shape[1] else x
    return x.reshape(leaf.shape)


@register(examples=({},))
def shampoo(eps: float | None = 1e-3) -> Rule:
    r"""Shampoo, L' = L + G G^T, R' = R + G^T G, X' = X - eta L'^(-1/4) G R'^(-1/4).

    Args:
      eps: L and R begin at eps times the identity, positive, where a sweep does not give it; None:
        a sweep must give it.

    Returns:
      The rule; its state is (L, R) of each parameter. A minimum is stable where the sharpness of
      P^(-1/2) H P^(-1/2), P^(-1) X = L^(-1/4) X R^(-1/4), is below 2/eta.

    Raises:
      ValueError: if eps is not positive.

    Example:
      >>> from eos_jax import rules
      >>> rules.shampoo()
      Rule(shampoo: eta, eps=0.001)

    Source: Gupta, Koren and Singer 2018.
    """
    if eps is not None:
        check_number("eps", eps, 0, open_low=True)

    def init(objective, params, hyper):
        def both(leaf):
            rows, columns = _matrix(leaf).shape
            return (
                hyper["eps"] * jnp.eye(rows, dtype=leaf.dtype),
                hyper["eps"] * jnp.eye(columns, dtype=leaf.dtype),
            )

        hyper = numbers(params, hyper)
        return {n: both(jnp.asarray(params[n])) for n in objective.parameters}

    def step(objective, params, state, hyper):
        hyper, slope = numbers(params, hyper), slopes(objective, params)
        after, moved = {}, {}
        for n in objective.parameters:
            (left, right), matrix = state[n], _matrix(slope[n])
            after[n] = (left + matrix @ matrix.T, right + matrix.T @ matrix)
            moved[n] = params[n] - hyper["eta"] * _between(after[n], slope[n], -0.25)
        return moved, after

    return Rule(
        "shampoo",
        init,
        step,
        ("eta", "eps"),
        curvature=_shampoo_sharpness,
        threshold=descent_threshold,
        remark="the curvature is that of P^(-1/2) H P^(-1/2), P^(-1) X = L^(-1/4) X R^(-1/4)",
    )


def _shampoo_sharpness(sample: Sample) -> jax.Array:
    """The sharpness of the loss of Y at Y = 0, X = X_0 + L^(-1/8) Y R^(-1/8)."""
    objective, params, state = sample.objective, sample.params, sample.state

    def loss(full: dict[str, Any]) -> jax.Array:
        moved = {
            n: tuple(params[n] + _between(state[n], copy, -0.125) for copy in full[n])
            for n in objective.parameters
        }
        return objective.full_loss(moved)

    still = {n: jnp.zeros_like(params[n]) for n in objective.parameters}
    seen = replace(objective, full_loss=loss, eigenvalues=None)
    return sharpness_at(seen, still, sample.method)


def _between(sides, leaf, power):
    """A power of the left side times a matrix times the same power of the right side."""
    left, right = (_power(side, power) for side in sides)
    return (left @ _matrix(leaf) @ right).reshape(leaf.shape)


def _power(matrix, power):
    """A power of a symmetric positive matrix."""
    if len(matrix) == 1:
        return matrix**power
    values, vectors = axes_of(matrix)
    floor = jnp.max(values) * len(matrix) * jnp.finfo(values.dtype).eps
    return (vectors * jnp.maximum(values, floor) ** power) @ vectors.T


def _matrix(leaf):
    return leaf.reshape(-1, leaf.shape[-1]) if leaf.ndim > 1 else leaf.reshape(-1, 1)
