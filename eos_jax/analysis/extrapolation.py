"""Limits as a step shrinks: Richardson extrapolation with an error bar."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Limit(NamedTuple):
    """A limit and how far it can be trusted.

    Attributes:
      value: the extrapolated value.
      error: the difference that the last sample and the last order made, an estimate.
    """

    value: float
    error: float


def richardson(values: ArrayLike, ratio: float, order: float = 1.0, spacing: float = 1.0) -> Limit:
    """The limit of v(h) = v(0) + c1 h^p + c2 h^(p+q) + ... from v at h, h/r, h/r^2, ...

    Args:
      values: v in order of falling h, shape (samples,), at least two.
      ratio: r, by which h falls, above 1.
      order: p, the first power.
      spacing: q, the distance between powers.

    Returns:
      The limit.

    Raises:
      ValueError: if there are fewer than two values or the ratio is not above 1.

    Example:
      >>> import numpy as np
      >>> h = 0.5 ** np.arange(6)
      >>> limit = richardson(np.sin(h) / h, ratio=2, order=2, spacing=2)
      >>> print(round(limit.value, 12), limit.error < 1e-9)
      1.0 True

    Source: Richardson 1911; the table is Romberg's.
    """
    row = np.asarray(values, float)
    if len(row) < 2 or not ratio > 1:
        raise ValueError(
            "Arguments `values` and `ratio` must be two values or more and a number above 1, but "
            f"got {len(row)} and {ratio}."
        )
    rows = [row]
    for j in range(len(row) - 1):
        gain = ratio ** (order + j * spacing)
        rows.append((gain * rows[-1][1:] - rows[-1][:-1]) / (gain - 1))
    value = float(rows[-1][0])
    return Limit(value, float(max(abs(value - rows[-2][0]), abs(value - rows[-2][1]))))


def observed_order(errors: ArrayLike, ratio: float) -> float:
    """The power with which errors fall, from the last two: log(e_{n-1}/e_n) / log r.

    Args:
      errors: sizes in order of falling step, at least two.
      ratio: r, by which the step falls.

    Returns:
      The power.

    Example:
      >>> print(round(observed_order([0.01, 0.0025], ratio=2), 6))
      2.0
    """
    before, after = np.abs(np.asarray(errors, float))[-2:]
    return float(np.log(before / after) / np.log(ratio))
