"""How a count grows as a scale shrinks: an exponent with its error, or the reason for none.

An exponent is read off a range of scales, which is part of the answer. It is withheld where the
scales are few, the counts small or the slopes drift: then there is no one exponent to be had.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

FEWEST_SCALES = 4
"""Scales below which no exponent is said."""

FEWEST_COUNTS = 50
"""Counts below which a scale is left out."""

MOST_DRIFT = 0.15
"""How far the slopes of the two halves of a range may differ, beyond twice their error."""

MOST_UNKNOWN = 0.01
"""Share of what is not decided above which no exponent is said."""


class Scaling(NamedTuple):
    """Counts over scales, and the power law that they follow.

    Attributes:
      sizes: the scales, falling, shape (scales,).
      counts: how many were counted at each.
      fitted: which scales the law is read off.
      exponent: d log count / d log(1/size) over these.
      error: half the width of a 95 % interval: scatter between parts of what was counted, and half
        the difference of the slopes of the coarse and the fine half.
      verdict: why the exponent is not to be had; empty where it is.
    """

    sizes: np.ndarray
    counts: np.ndarray
    fitted: np.ndarray
    exponent: float
    error: float
    verdict: str

    @property
    def slopes(self) -> np.ndarray:
        """The slope between neighbouring scales."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.diff(np.log(self.counts)) / -np.diff(np.log(self.sizes))

    @property
    def said(self) -> float:
        """The exponent where there is a verdict for it, else NaN."""
        return self.exponent if not self.verdict else math.nan


def scaling(
    sizes: ArrayLike,
    parts: ArrayLike,
    most: ArrayLike | None = None,
    unknown: float = 0.0,
    reasons: Sequence[str] = (),
) -> Scaling:
    """The power law of counts, from how parts of the whole were counted.

    Args:
      sizes: the scales, falling, shape (scales,).
      parts: counts in each of several parts, shape (parts, scales).
      most: the largest count that there can be; scales where more than four fifths of it are
        reached are left out.
      unknown: share of what could not be decided.
      reasons: others for which the exponent is to be withheld.

    Returns:
      The scaling.

    Raises:
      ValueError: if shapes do not fit.

    Example:
      >>> import numpy as np
      >>> sizes = 0.5 ** np.arange(3, 9)
      >>> found = scaling(sizes, np.round(100 * sizes**-1.5) * np.ones((4, 1)))
      >>> print(round(found.exponent, 3), found.verdict == "")
      1.5 True

    Source: the parts are left out one by one, Efron and Stein 1981.
    """
    sizes, parts = np.asarray(sizes, float), np.asarray(parts, float)
    if sizes.ndim != 1 or parts.shape[1:] != sizes.shape or len(parts) < 2:
        raise ValueError(
            "Arguments `sizes` and `parts` must have shapes (scales,) and (parts, scales), two "
            f"parts or more, but got {sizes.shape} and {parts.shape}."
        )
    counts = parts.sum(axis=0)
    fitted = counts >= FEWEST_COUNTS
    if most is not None:
        fitted &= counts <= 0.8 * np.asarray(most, float)
    verdicts = list(reasons)
    if fitted.sum() < FEWEST_SCALES:
        verdicts.append(
            f"{fitted.sum()} scales with {FEWEST_COUNTS} counts or more and not nearly all; "
            f"{FEWEST_SCALES} are needed"
        )
    if unknown > MOST_UNKNOWN:
        verdicts.append(f"{unknown:.1%} undecided")
    if fitted.sum() < 2:
        return Scaling(sizes, counts, fitted, math.nan, math.nan, "; ".join(verdicts))
    x = -np.log(sizes[fitted])
    exponent = _slope(x, counts[fitted])
    scatter = _jackknife(lambda c: _slope(x, c), parts[:, fitted])
    half = len(x) // 2
    coarse = slice(None, half + 1)
    fine = slice(len(x) - half - 1, None)
    drift = _slope(x[fine], counts[fitted][fine]) - _slope(x[coarse], counts[fitted][coarse])
    scatter_of_drift = _jackknife(
        lambda c: _slope(x[fine], c[fine]) - _slope(x[coarse], c[coarse]), parts[:, fitted]
    )
    if abs(drift) > MOST_DRIFT and abs(drift) > 2 * scatter_of_drift:
        verdicts.append(f"the slope drifts by {drift:+.2f} from coarse to fine: no one exponent")
    error = math.hypot(1.96 * scatter, drift / 2)
    return Scaling(sizes, counts, fitted, exponent, error, "; ".join(verdicts))


def _slope(x, counts):
    """The slope of log counts over x, by least squares."""
    with np.errstate(divide="ignore"):
        y = np.log(counts)
    centred = x - x.mean()
    return float(centred @ y / (centred @ centred))


def _jackknife(statistic, parts):
    """The standard error of a statistic of summed parts; parts that hold nothing do not count."""
    parts = parts[parts.sum(axis=1) > 0]
    if len(parts) < 2:
        return math.inf
    without = [statistic(parts.sum(axis=0) - part) for part in parts]
    count = len(parts)
    return float(np.sqrt((count - 1) / count * np.sum((np.array(without) - np.mean(without)) ** 2)))


__all__ = ["Scaling", "scaling"]
