"""The look of pictures, and figures that are made without matplotlib's global state.

Nothing here or elsewhere in the package imports `matplotlib.pyplot`, which picks a backend for the
whole process; figures are made, drawn and written by themselves. Colours of fates are in
`eos_jax.colours`.
"""

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from os import PathLike
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.figure
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from eos_jax.files import whole

SHARPNESS = "viridis"
"""Values of the sharpness."""

POINTS = "#440154"
"""Single values of the sharpness: the dark end of its scale."""

BAND = "#D55E00"
"""The band just below the threshold, and the threshold where it has no colour of its own."""

THEORY = "#000000"
"""Closed forms."""

QUIET = "#888888"
"""Lines that only guide the eye."""

STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.dpi": 100,
    "savefig.dpi": 200,
}


class Figure(matplotlib.figure.Figure):
    """A figure that a notebook shows although no pyplot stands behind it."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with style(), np.errstate(over="ignore"):
            self.savefig(buffer, format="png", dpi=STYLE["figure.dpi"])
        return buffer.getvalue()


def style() -> AbstractContextManager[None]:
    """A context with the look of our pictures; the user's own is back after it."""
    return matplotlib.rc_context(STYLE)


def new_figure(width: float = 5.2, height: float = 4.2) -> Figure:
    """An empty figure.

    Args:
      width: in inches.
      height: in inches.

    Returns:
      The figure, whose parts keep out of each other's way.

    Example:
      >>> new_figure(3, 2).get_size_inches().tolist()
      [3.0, 2.0]
    """
    return Figure(figsize=(width, height), layout="constrained")


def subplots(
    rows: int = 1, columns: int = 1, *, width: float = 5.2, height: float = 4.2, **kwargs: Any
) -> tuple[Figure, np.ndarray]:
    """A figure and its axes; call it within `style()` for our look.

    Args:
      rows: of axes.
      columns: of axes.
      width: of the figure, in inches.
      height: of the figure, in inches.
      **kwargs: as of matplotlib's `Figure.subplots`.

    Returns:
      The figure, and an array of axes of shape (rows, columns).

    Example:
      >>> figure, axes = subplots(1, 2)
      >>> axes.shape
      (1, 2)
    """
    figure = new_figure(width, height)
    return figure, figure.subplots(rows, columns, squeeze=False, **kwargs)


def save(figure: matplotlib.figure.Figure, path: str | PathLike) -> None:
    """Write a picture, of the kind its ending says.

    Args:
      figure: the picture.
      path: where to; folders are made.

    Raises:
      ValueError: if the ending is not one of png, pdf, svg.
    """
    if Path(path).suffix.lower() not in (".png", ".pdf", ".svg"):
        raise ValueError(f"Argument `path` must end in .png, .pdf or .svg, but got `{path}`.")
    # losses of diverged orbits may overflow in matplotlib's scales: they have the end's colour
    with style(), whole(path) as part, np.errstate(over="ignore"):
        figure.savefig(part, dpi=STYLE["savefig.dpi"])


def colours(count: int) -> list[tuple[float, float, float, float]]:
    """Colours of lanes along a dimension, dark for the first.

    Args:
      count: how many.

    Returns:
      Colours as red, green, blue, opacity.
    """
    return [matplotlib.colormaps["plasma"](v) for v in np.linspace(0.0, 0.8, count)]


def legend_outside(
    figure: matplotlib.figure.Figure,
    axes: Axes | Sequence[Axes] | np.ndarray,
    extra: Sequence[Artist] = (),
    **kwargs: Any,
) -> None:
    """One legend below the whole figure in place of those inside its axes; each label once.

    Args:
      figure: the figure.
      axes: whose legends it stands for.
      extra: further artists with labels.
      **kwargs: as of matplotlib's `Figure.legend`.
    """
    entries = {str(handle.get_label()): handle for handle in extra}
    for ax in np.ravel(np.asarray(axes, object)):
        for handle, label in zip(*ax.get_legend_handles_labels()):
            entries.setdefault(label, handle)
        if ax.get_legend():
            ax.get_legend().remove()
    if not entries:
        return
    kwargs = {
        "loc": "outside lower center",
        "ncols": 6,
        "columnspacing": 1.2,
        "handlelength": 1.6,
        **kwargs,
    }
    figure.legend(list(entries.values()), list(entries), **kwargs)
