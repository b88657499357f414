"""What orbits mean: how they repeat, how they diverge, what a limit is when steps shrink.

A file put here that registers an instrument is found by itself: configurations can name it.
"""

import importlib
import pkgutil

from eos_jax.analysis.base import register, registry, run
from eos_jax.analysis.basins import basin_entropy, wada
from eos_jax.analysis.bifurcations import Bifurcation, bifurcation
from eos_jax.analysis.boundaries import METHODS, boundary, uncertainty
from eos_jax.analysis.branches import Branch, continuation
from eos_jax.analysis.cascades import FEIGENBAUM, cascade, ratios
from eos_jax.analysis.cycles import Cycles, cycles, embedded_cycles
from eos_jax.analysis.diagrams import bifurcation_diagram
from eos_jax.analysis.digits import Refined, exact_orbit, refined
from eos_jax.analysis.dimensions import box_counting, resolution_scaling
from eos_jax.analysis.maps import System, henon, logistic, own_map
from eos_jax.analysis.orbit_diagrams import orbit_diagram
from eos_jax.analysis.refinement import refined_map
from eos_jax.analysis.trust import trust
from eos_jax.analysis.windows import Window, windows


def discover() -> None:
    """Import every module of this folder, so that the instruments in it are registered."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")


discover()

__all__ = [
    "FEIGENBAUM",
    "METHODS",
    "Bifurcation",
    "Branch",
    "Cycles",
    "Refined",
    "System",
    "Window",
    "basin_entropy",
    "bifurcation",
    "bifurcation_diagram",
    "boundary",
    "box_counting",
    "cascade",
    "continuation",
    "cycles",
    "discover",
    "embedded_cycles",
    "exact_orbit",
    "henon",
    "logistic",
    "orbit_diagram",
    "own_map",
    "ratios",
    "refined",
    "refined_map",
    "register",
    "registry",
    "resolution_scaling",
    "run",
    "trust",
    "uncertainty",
    "wada",
    "windows",
]
