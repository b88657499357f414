"""The figures of the paper: rows of settings, one file for each kind.

To add one, write a row in `FIGURES` of a file here, and name a new file in `KINDS`.
"""

import importlib

from eos_jax.paper.figures.base import Figure

KINDS = (
    "networks", "orbits", "final_sharpness", "two_step", "regions", "fates", "chaos", "scalars",
)  # fmt: skip
"""The files."""


def _rows() -> list[Figure]:
    modules = [importlib.import_module(f"{__name__}.{kind}") for kind in KINDS]
    return [figure for module in modules for figure in module.FIGURES]


figures: dict[str, Figure] = {
    row.name: row for row in sorted(_rows(), key=lambda row: (row.name[3] == "_", row.name))
}
"""All figures by name, in the paper's order."""

__all__ = ["Figure", "figures"]
