"""The figures of the paper: rows of settings, one file for each kind.

To add one, write a row in `FIGURES` of a file here, an old one or a new one.
"""

import importlib
import pkgutil

from eos_jax.paper.figures.base import Figure


def _rows() -> list[Figure]:
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return [figure for module in modules for figure in getattr(module, "FIGURES", ())]


figures: dict[str, Figure] = {
    row.name: row for row in sorted(_rows(), key=lambda row: (row.name[3] == "_", row.name))
}
"""All figures by name, in the paper's order."""

__all__ = ["Figure", "figures"]
