"""The registry of figures: one module for each, found by its name.

To add one, write a module with the parts that `eos_jax.paper.settings` lists and a row here.
"""

from types import ModuleType
from typing import Any, NamedTuple

import xarray as xr
from matplotlib.figure import Figure as Picture

from eos_jax.paper import (
    fig1a,
    fig1b,
    fig1c,
    fig2a,
    fig2b,
    fig3,
    fig4,
    fig5a,
    fig5b,
    fig6,
    fig7a,
    fig7b,
    fig7c,
    fig_elu,
    fig_networks,
    figA4,
)
from eos_jax.paper.settings import choose, fill, stamped


class Figure(NamedTuple):
    """One figure of the paper.

    Attributes:
      name: of its module, and on the command line.
      module: where its settings, computation, drawing and caption are.
      seconds: what it roughly takes on two cores, in full and quick; for the estimate of the time
        left only.
    """

    name: str
    module: ModuleType
    seconds: tuple[float, float]

    @property
    def title(self) -> str:
        """What it shows, one line."""
        return (self.module.__doc__ or "").strip().splitlines()[0]

    def settings(self, quick: bool = False) -> dict[str, Any]:
        """The settings of a run."""
        return choose(self.module.SETTINGS, self.module.QUICK, quick)

    def compute(self, quick: bool = False, cifar10: str | None = None) -> xr.Dataset:
        """What is drawn; a network's on CIFAR-10 from a folder, if one is given."""
        if cifar10 is not None and "folder" in self.module.SETTINGS:
            return self.module.compute(quick, cifar10)
        return self.module.compute(quick)

    def draw(self, dataset: xr.Dataset) -> Picture:
        """The picture."""
        return self.module.draw(dataset)

    def caption(self, dataset: xr.Dataset) -> str:
        """The caption, with the settings that the dataset was computed with."""
        return fill(self.module.CAPTION, stamped(dataset))

    def stated(self) -> tuple[str, ...]:
        """Names of the settings that the paper states; the others were chosen here."""
        return self.module.STATED


def _row(module: ModuleType, full: float, quick: float) -> Figure:
    return Figure(module.__name__.rpartition(".")[2], module, (full, quick))


figures: dict[str, Figure] = {
    row.name: row
    for row in (
        _row(fig1a, 15, 5),
        _row(fig1b, 6, 5),
        _row(fig1c, 2, 2),
        _row(fig2a, 1, 1),
        _row(fig2b, 9, 2),
        _row(fig3, 1, 1),
        _row(fig4, 2, 2),
        _row(fig5a, 1, 1),
        _row(fig5b, 12, 2),
        _row(fig6, 12, 2),
        _row(fig7a, 12, 2),
        _row(fig7b, 1, 1),
        _row(fig7c, 1, 1),
        _row(figA4, 3, 3),
        _row(fig_elu, 10, 6),
        _row(fig_networks, 16, 8),
    )
}
"""All figures by name, in the paper's order."""
