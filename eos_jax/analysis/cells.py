"""Cells of a plane of labels: which hold two fates, what is near them, how many a part has.

A cell has four points as its corners. A label below zero is not known, and makes no boundary.
"""

from collections.abc import Callable

import numpy as np

PARTS = 4
"""The plane is cut into so many by so many parts, whose scatter gives errors."""


def corners(labels: np.ndarray, of: Callable, low: bool) -> np.ndarray:
    """The least (`low`) or the greatest known label at the corners of each cell."""
    worst = np.int16(np.iinfo(np.int16).max if low else -1)
    known = np.where(labels >= 0, labels, worst)
    return of(of(known[1:, 1:], known[1:, :-1]), of(known[:-1, 1:], known[:-1, :-1]))


def mixed(labels: np.ndarray) -> np.ndarray:
    """Which cells have corners that do not agree."""
    return corners(labels, np.minimum, True) < corners(labels, np.maximum, False)


def corners_of(cells: np.ndarray) -> np.ndarray:
    """Which points are at the corners of some cells."""
    points = np.zeros([n + 1 for n in cells.shape], bool)
    for rows in (slice(None, -1), slice(1, None)):
        for columns in (slice(None, -1), slice(1, None)):
            points[rows, columns] |= cells
    return points


def dilated(cells: np.ndarray, reach: int) -> np.ndarray:
    """Cells with one that holds within so many, along both axes."""
    for axis in (0, 1):
        padding = [(0, 0), (0, 0)]
        padding[axis] = (reach + 1, reach)
        total = np.cumsum(np.pad(cells.astype(np.int32), padding), axis=axis)
        width = 2 * reach + 1
        ahead, behind = np.split(total, [width], axis)[1], np.split(total, [-width], axis)[0]
        cells = np.greater(ahead, behind)
    return cells


def in_parts(values: np.ndarray, coarsest: tuple[int, ...] | None = None) -> np.ndarray:
    """The sum over the cells of each part of the plane; of a mask, how many hold.

    Args:
      values: one for each cell, shape (n, m).
      coarsest: shape of a map of coarser cells, where parts are to end where those do.

    Returns:
      Shape (PARTS^2,).

    Example:
      >>> print(in_parts(np.ones((8, 8), bool)))
      [4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4]
    """
    rows, columns = (
        np.linspace(0, few, PARTS + 1).astype(int) * (n // few)
        for n, few in zip(values.shape, coarsest or values.shape)
    )
    values = values.astype(np.int64) if values.dtype == bool else values
    table = np.add.reduceat(values, rows[:-1], axis=0)
    return np.add.reduceat(table, columns[:-1], axis=1).ravel()
