"""The edge of stability as a dataset tells it: what its rule judges by, and its threshold."""

import numpy as np
import xarray as xr

from eos_jax.outcomes import Outcome
from eos_jax.results.labels import judged


def has_threshold(dataset: xr.Dataset) -> bool:
    """Whether the dataset knows a threshold anywhere."""
    return "threshold" in dataset and bool(np.isfinite(dataset.threshold).any())


def gap(dataset: xr.Dataset, relative: bool = True) -> xr.DataArray:
    """How far below the threshold a curvature is, as part of the threshold or in units of it."""
    below = dataset.threshold - dataset[judged(dataset)]
    return below / dataset.threshold if relative else below


def in_band(dataset: xr.Dataset, band: float, relative: bool = True) -> xr.DataArray:
    """Converged lanes that ended below the threshold and within the band."""
    below = gap(dataset, relative)
    return (dataset.outcome == Outcome.CONVERGED) & (below > 0) & (below < band)


def band_label(band: float, relative: bool = True, threshold: str = "the threshold") -> str:
    """The band in words.

    Example:
      >>> band_label(0.01), band_label(0.1, relative=False)
      ('within 1 % below the threshold', 'within 0.1 below the threshold')
    """
    width = f"{100 * band:g} %" if relative else f"{band:g}"
    return f"within {width} below {threshold}"
