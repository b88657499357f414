"""The dimension of a boundary in a map that is there, by its resolution and by boxes."""

from typing import Any

import numpy as np

from eos_jax.analysis.cells import PARTS, corners, in_parts, mixed
from eos_jax.analysis.scaling import Scaling, scaling
from eos_jax.checks import check_count


def resolution_scaling(labels: Any, scales: int = 4) -> Scaling:
    """How the cells on a boundary multiply with the resolution of a map: N(n) ~ n^D.

    Every 2^j-th point of the map is itself a map; a cell is on the boundary where its four corners
    do not agree. All maps show the same part of the plane: what is left over at its ends, less than
    a cell of the coarsest, is left out; of 2^j + 1 points nothing is. A smooth curve crosses
    a n + c cells, c some -3 to 3, so that its exponent is 1 up to log(1 + 3/N) / log(8), N cells
    at the coarsest of four scales.

    Args:
      labels: whole numbers over a plane, shape (n, m); negative: not known, and no boundary.
      scales: how many resolutions, each half of the one before.

    Returns:
      The scaling; its sizes are cells over the plane's, its exponent the dimension.

    Raises:
      ValueError: if the map is no plane or too small.

    Example:
      >>> import numpy as np
      >>> x, y = np.meshgrid(np.linspace(-1, 1, 1024), np.linspace(-1, 1, 1024))
      >>> found = resolution_scaling(x**2 + y**2 < 0.5)
      >>> print(abs(found.exponent - 1) < 0.02, found.verdict == "")
      True True
    """
    labels = _cut(as_plane(labels, scales), 2 ** (scales - 1))
    strides = 2 ** np.arange(scales)[::-1]
    return _scaled(labels, strides, [mixed(labels[::k, ::k]) for k in strides])


def _scaled(labels: np.ndarray, strides: np.ndarray, cells: list[np.ndarray]) -> Scaling:
    """The law of cells that hold two fates, coarse ones first, counted in the same parts."""
    counts = [in_parts(each, cells[0].shape) for each in cells]
    sizes = strides / (max(labels.shape) - 1)
    return scaling(sizes, np.transpose(counts), [each.size for each in cells], _unknown(labels))


def _cut(labels: np.ndarray, whole: int) -> np.ndarray:
    """The part of a plane whose cells are a whole multiple of some number along both edges."""
    rows, columns = ((n - 1) // whole * whole + 1 for n in labels.shape)
    return labels[:rows, :columns]


def box_counting(labels: Any, scales: int = 4, finest: int = 8) -> Scaling:
    """How boxes that hold two fates multiply as they shrink: N(s) ~ s^-D.

    Boxes share their edges, so that no boundary runs between them unseen.

    Args:
      labels: as in `resolution_scaling`.
      scales: how many sizes, growing by factors of two.
      finest: cells along an edge of the smallest boxes, a power of two. Boxes of few cells overlook
        much of a fractal, and too few of them are counted.

    Returns:
      As in `resolution_scaling`.

    Raises:
      ValueError: if the map is no plane or too small, or `finest` no power of two.

    Example:
      >>> import numpy as np
      >>> x, y = np.meshgrid(np.linspace(-1, 1, 1025), np.linspace(-1, 1, 1025))
      >>> found = box_counting(x**2 + y**2 < 0.5)
      >>> print(abs(found.exponent - 1) < 0.05)
      True
    """
    check_count("finest", finest)
    halvings = finest.bit_length() - 1
    if 2**halvings != finest:
        raise ValueError(f"Argument `finest` must be a power of two, but got {finest}.")
    labels = _cut(as_plane(labels, scales + halvings), finest * 2 ** (scales - 1))
    low, high = corners(labels, np.minimum, True), corners(labels, np.maximum, False)
    found = []
    for scale in range(scales + halvings):
        if scale >= halvings:
            found.append((low < high) & (high >= 0))
        low, high = _in_fours(low, np.minimum), _in_fours(high, np.maximum)
    return _scaled(labels, finest * 2 ** np.arange(scales)[::-1], found[::-1])


def as_plane(labels: Any, scales: int) -> np.ndarray:
    """The labels as an array; raises ValueError unless they are a plane with room for scales."""
    labels = np.asarray(labels)
    check_count("scales", scales)
    if labels.ndim != 2 or min(labels.shape) < PARTS * 2**scales:
        raise ValueError(
            f"Argument `labels` must be a plane of at least {PARTS * 2**scales} by as many for "
            f"{scales} scales, but got shape {labels.shape}."
        )
    return labels.astype(np.int16)


def _in_fours(cells, of):
    rows, columns = (n // 2 * 2 for n in cells.shape)
    cells = cells[:rows, :columns]
    return of(of(cells[::2, ::2], cells[1::2, ::2]), of(cells[::2, 1::2], cells[1::2, 1::2]))


def _unknown(labels):
    return float(np.mean(labels < 0))


__all__ = ["box_counting", "resolution_scaling"]
