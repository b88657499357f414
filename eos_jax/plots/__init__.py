"""Pictures, one file per idea: a file put here that registers a function is found by itself.

`draw(dataset)` makes a figure, `kinds(dataset)` says which there are. Each picture is a function of
a dataset and an axes, and can be called alone: `plots.sharpness_map(dataset, ax)`. Figures are
matplotlib's, made without pyplot: nothing global is touched, neither backend nor style.

What a rule calls the edge of stability comes with the dataset, as the variable `threshold`.
"""

import importlib
import pkgutil

from eos_jax.colours import EVEN_ODD, OUTCOME_COLOURS
from eos_jax.plots.base import Picture, draw, kinds, register, registry
from eos_jax.plots.boundaries import map_and_laws, scaling_laws
from eos_jax.plots.branches import branch
from eos_jax.plots.densities import density
from eos_jax.plots.histogram import sharpness_histogram, sharpness_map_and_histogram
from eos_jax.plots.lines import curves
from eos_jax.plots.maps import outcome_map, sharpness_map, variable_map
from eos_jax.plots.planes import exponent_map, period_map
from eos_jax.plots.spreads import spread
from eos_jax.plots.style import (
    STYLE,
    THEORY,
    legend_outside,
    new_figure,
    save,
    style,
    subplots,
)
from eos_jax.plots.traces import (
    loss_and_sharpness,
    loss_trace,
    orbit,
    orbits,
    sharpness_trace,
    trace,
)
from eos_jax.plots.trust import trust_map


def discover() -> None:
    """Import every module of this folder, so that the pictures in it are registered."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")


discover()

__all__ = [
    "EVEN_ODD",
    "OUTCOME_COLOURS",
    "STYLE",
    "THEORY",
    "Picture",
    "branch",
    "curves",
    "density",
    "discover",
    "draw",
    "exponent_map",
    "kinds",
    "legend_outside",
    "loss_and_sharpness",
    "loss_trace",
    "map_and_laws",
    "new_figure",
    "orbit",
    "orbits",
    "outcome_map",
    "period_map",
    "register",
    "registry",
    "save",
    "scaling_laws",
    "sharpness_histogram",
    "sharpness_map",
    "sharpness_map_and_histogram",
    "sharpness_trace",
    "spread",
    "style",
    "subplots",
    "trace",
    "trust_map",
    "variable_map",
]
