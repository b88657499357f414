"""Normal forms: which way a cycle changes, from the derivatives of its iterate."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from eos_jax.analysis.equations import MULTIPLIERS, Tools


def coefficient_of(
    kind: str,
    tools: Tools,
    z: Any,
    point: Any,
    hyper: Mapping,
    period: int,
    matrix: Any,
    angle: float,
) -> float:
    """The coefficient of a point's normal form, for an eigenvector of length 1.

    Args:
      kind: of the point.
      tools: of its system.
      z: a point of the cycle.
      point: its (params, state).
      hyper: hyperparameters there.
      period: of the cycle.
      matrix: Df^p.
      angle: of a Neimark-Sacker point.

    Returns:
      The coefficient as `Bifurcation` explains it.

    Source: Kuznetsov 2004, formulas (5.33), (5.47) and (5.74).
    """
    if kind == "superstable":
        return math.nan
    second = np.asarray(tools.second(z, point, hyper, period))
    target = np.exp(1j * angle) if kind == "neimark_sacker" else MULTIPLIERS[kind]
    q, p = eigenvectors(matrix, target)
    eye = np.eye(len(matrix))
    solve = lambda m, v: np.linalg.lstsq(m, v, rcond=1e-9)[0]  # noqa: E731

    def b(x, y):
        return np.einsum("ijk,j,k->i", second, x, y)

    def c(x, y, w):
        return np.einsum("ijkl,j,k,l->i", third, x, y, w)

    bar = np.conj(q)
    if kind == "fold":
        push = float((np.conj(p) @ np.asarray(tools.push(z, point, hyper, period))).real)
        bend = float((np.conj(p) @ b(q, q)).real / 2)
        return -bend / push if push else math.nan
    third = np.asarray(tools.third(z, point, hyper, period))
    if kind == "flip":
        inner = c(q, q, q) + 3 * b(q, solve(eye - matrix, b(q, q)))
        return float((np.conj(p) @ inner).real / 6)
    inner = (
        c(q, q, bar)
        + 2 * b(q, solve(eye - matrix, b(q, bar)))
        + b(bar, solve(np.exp(2j * angle) * eye - matrix, b(q, q)))
    )
    return float((np.exp(-1j * angle) * (np.conj(p) @ inner)).real / 2)


def eigenvectors(matrix: np.ndarray, target: Any) -> tuple[np.ndarray, np.ndarray]:
    """Right and left eigenvectors of the multiplier nearest to a target; |q| = 1, p^H q = 1."""
    values, vectors = np.linalg.eig(matrix)
    q = vectors[:, np.argmin(np.abs(values - target))]
    values, vectors = np.linalg.eig(matrix.T)
    p = np.conj(vectors[:, np.argmin(np.abs(values - target))])
    q = q / np.linalg.norm(q)
    return q, p / np.conj(np.conj(p) @ q)
