"""What a map of fates says without any scaling: its basins' entropy, and whether they are Wada."""

import math
from typing import Any, NamedTuple

import numpy as np

from eos_jax.analysis.cells import PARTS, dilated, in_parts, mixed
from eos_jax.analysis.scaling import FEWEST_COUNTS
from eos_jax.checks import check_count


class Entropy(NamedTuple):
    """How uncertain a fate is within small boxes.

    Attributes:
      basin: mean over all boxes of -sum p log p, p the shares of fates in a box.
      boundary: mean over boxes with two fates or more; above log 2 the boundary cannot be smooth.
      error: half the width of the 95 % interval of `boundary`.
      verdict: what follows.
    """

    basin: float
    boundary: float
    error: float
    verdict: str


def basin_entropy(labels: Any, box: int = 5) -> Entropy:
    """The basin entropy of a map of fates.

    Args:
      labels: as in `resolution_scaling`.
      box: points along the edge of a box.

    Returns:
      The entropy.

    Raises:
      ValueError: if the map is no plane or holds no box in every part.

    Example:
      >>> import numpy as np
      >>> rng = np.random.default_rng(0)
      >>> found = basin_entropy(rng.integers(0, 3, (200, 200)))
      >>> print(round(found.boundary, 1), found.verdict)
      1.1 fractal: above log 2

    Source: Daza et al. 2016, "Basin entropy: a new tool to analyze uncertainty".
    """
    labels = np.asarray(labels)
    check_count("box", box, least=2)
    if labels.ndim != 2 or min(labels.shape) < PARTS * box:
        raise ValueError(
            f"Argument `labels` must be a plane of at least {PARTS * box} by as many, but got "
            f"shape {labels.shape}."
        )
    rows, columns = (n // box for n in labels.shape)
    boxes = labels[: rows * box, : columns * box].reshape(rows, box, columns, box)
    kinds = basins_of(labels)
    entropy, known = np.zeros((rows, columns)), (boxes >= 0).sum(axis=(1, 3))
    for kind in kinds:
        share = (boxes == kind).sum(axis=(1, 3)) / np.maximum(known, 1)
        entropy -= share * np.log(np.where(share > 0, share, 1))
    several = entropy > 0  # fates in a box
    sums, counts = in_parts(entropy * several), in_parts(several)
    if counts.sum() == 0:
        return Entropy(0.0, math.nan, math.nan, "no boundary")
    boundary = float(sums.sum() / counts.sum())
    filled = counts > 0
    without = (sums.sum() - sums[filled]) / np.maximum(counts.sum() - counts[filled], 1)
    parts = max(int(filled.sum()), 1)
    error = 1.96 * math.sqrt((parts - 1) / parts * float(np.sum((without - without.mean()) ** 2)))
    if len(kinds) < 3:
        verdict = "two fates: the bound log 2 says nothing"
    elif boundary - error > math.log(2):
        verdict = "fractal: above log 2"
    else:
        verdict = "not above log 2, which says nothing"
    return Entropy(float(entropy.mean()), boundary, error, verdict)


def basins_of(labels):
    """The labels that are known, without those of single points."""
    kinds, counts = np.unique(labels[labels >= 0], return_counts=True)
    return kinds[counts >= FEWEST_COUNTS]


class Wada(NamedTuple):
    """Whether every boundary point borders on every basin.

    Attributes:
      distances: in cells.
      shares: of the points of any basin's boundary, those with every basin's boundary within that
        distance; the least over basins.
      verdict: what follows, to this resolution.
    """

    distances: np.ndarray
    shares: np.ndarray
    verdict: str


def wada(labels: Any, scales: int = 6) -> Wada:
    """Whether all basins have one boundary, by merging: the boundary of each against the rest.

    Args:
      labels: as in `resolution_scaling`.
      scales: distances looked at, 1, 2, 4, ... cells.

    Returns:
      The shares and a verdict; it is withheld with fewer than three basins.

    Raises:
      ValueError: if the map is no plane.

    Example:
      >>> import numpy as np
      >>> stripes = np.repeat([0, 1, 2], 40)[:, None] * np.ones(120, int)
      >>> wada(stripes).verdict
      'no: 0.0% of some boundary is near all basins, at 32 of 120 cells'

    Source: Daza, Wagemakers and Sanjuan 2018, "Ascertaining when a basin is Wada: the merging
    method".
    """
    labels = np.asarray(labels)
    if labels.ndim != 2:
        raise ValueError(f"Argument `labels` must be a plane, but got shape {labels.shape}.")
    kinds = basins_of(labels)
    distances = 2 ** np.arange(scales)
    if len(kinds) < 3:
        return Wada(distances, np.full(scales, np.nan),
                    f"withheld: {len(kinds)} fates, three are needed")  # fmt: skip
    edges = [mixed(np.where(labels < 0, -1, labels == kind)) for kind in kinds]
    shares = []
    for distance in distances:
        near = np.logical_and.reduce([dilated(edge, distance) for edge in edges])
        shares.append(min(float(near[edge].mean()) if edge.any() else 0.0 for edge in edges))
    shares = np.array(shares)
    enough = shares >= 0.99
    if enough.any():
        reach = int(distances[np.argmax(enough)])
        return Wada(distances, shares, f"Wada to {reach} of {min(labels.shape)} cells")
    return Wada(distances, shares, f"no: {shares[-1]:.1%} of some boundary is near all basins, at "
                f"{distances[-1]} of {min(labels.shape)} cells")  # fmt: skip


__all__ = ["Entropy", "Wada", "basin_entropy", "wada"]
