"""Figure 4: regions of the (a, b) plane and the direction of two steps, from the real map.

The paper's figure is a schematic. Here every grid point is taken back to (x, y), gradient descent
takes two steps, and the displacement is read in (a, b) again.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure as Picture
from matplotlib.patches import Patch

import eos_jax as eos
from eos_jax import plots, theory
from eos_jax.paper.figures.base import Figure

REGIONS = ("leaves the minima", "returns, same side", "changes side", "no (a, b) left")
COLOURS = ("#FBE3C0", "#D6E6F4", "#E5E5E5", "#FFFFFF")


def make(settings: Mapping[str, Any]) -> xr.Dataset:
    """Displacement by two exact steps on a grid, and some orbits."""
    eta = settings["eta"]
    model = eos.objectives.scalar_product((2, 2))
    a, b = (np.linspace(*settings[name], settings["points"]) for name in "ab")
    grid_a, grid_b = (v.ravel() for v in np.meshgrid(a, b, indexing="ij"))
    x, y = theory.from_ab(grid_a, grid_b, eta)
    lanes = {"x": x, "y": y, "eta": eta}
    moved = eos.sweep(model, lanes, 2, stop=None, combine="zip", progress=False)
    a_moved, b_moved = _to_ab(moved.x_final.values, moved.y_final.values, eta)
    a_start, b_start = np.array(settings["starts"]).T
    x, y = theory.from_ab(a_start, b_start, eta)
    orbits = eos.orbits(model, {"x": x, "y": y, "eta": eta}, settings["steps"], combine="zip")
    a_orbit, b_orbit = _to_ab(orbits.x_orbit.values, orbits.y_orbit.values, eta)
    shape = (a.size, b.size)
    return xr.Dataset(
        {
            "a_moved": (("a", "b"), a_moved.reshape(shape)),
            "b_moved": (("a", "b"), b_moved.reshape(shape)),
            "region": (("a", "b"), _region(grid_b, b_moved).reshape(shape)),
            "a_orbit": (("orbit", "step"), a_orbit),
            "b_orbit": (("orbit", "step"), b_orbit),
        },
        coords={"a": a, "b": b, "eta": eta, "step": np.arange(settings["steps"] + 1)},
    )


def _to_ab(x, y, eta):
    with np.errstate(invalid="ignore"):  # |x| < |y| has no such coordinates
        return theory.to_ab(x, y, eta)


def _region(b, b_moved) -> np.ndarray:
    """Index into `REGIONS` of each point."""
    lost = ~np.isfinite(b_moved)
    return np.select(
        [lost, b * b_moved < 0, np.abs(b_moved) > np.abs(b)], [3, 2, 0], default=1
    ).astype(np.uint8)


def picture(dataset: xr.Dataset) -> Picture:
    """Regions shaded, directions as arrows of equal length, orbits as points."""
    eta = float(dataset.eta)
    with plots.style():
        figure, axes = plots.subplots(width=5.6, height=4.4)
        ax = axes[0, 0]
        ax.pcolormesh(
            dataset.a,
            dataset.b,
            dataset.region.T,
            cmap=ListedColormap(COLOURS),
            vmin=-0.5,
            vmax=3.5,
            shading="nearest",
            rasterized=True,
        )
        thin = dataset.isel(
            {name: slice(None, None, max(1, dataset.sizes[name] // 25)) for name in ("a", "b")}
        )
        span = [float(np.ptp(dataset[name].values)) for name in ("a", "b")]
        across = (thin.a_moved - thin.a).T / span[0] * 5.6
        up = (thin.b_moved - thin.b).T / span[1] * 4.4
        length = np.hypot(across, up)
        shown = (length > 1e-9) & (thin.region.T != 3)
        with np.errstate(invalid="ignore", divide="ignore"):
            across, up = (np.where(shown, v / length, np.nan) for v in (across, up))
        ax.quiver(thin.a, thin.b, across, up, color="#777777", angles="uv", scale=34,
                  width=0.0022, headwidth=4, pivot="mid")  # fmt: skip
        heights = np.linspace(*dataset.b.values[[0, -1]], 400)
        ax.plot(2 * (heights**2 - eta**2 / 16) / eta**0.5, heights, color=plots.THEORY, lw=1.2,
                label="parabola")  # fmt: skip
        for i in range(dataset.sizes["orbit"]):
            for parity, colour in enumerate(plots.EVEN_ODD):
                one = dataset.isel(orbit=i, step=slice(parity, None, 2))
                ax.plot(one.a_orbit, one.b_orbit, ".-", ms=3, lw=0.6, color=colour,
                        label=f"{('even', 'odd')[parity]} steps")  # fmt: skip
        ax.plot(dataset.a_orbit[:, 0], dataset.b_orbit[:, 0], "o", ms=5, mfc="white",
                mec="black", ls="", label="start")  # fmt: skip
        ax.axhline(0, color="#888888", lw=0.8, label="minima")
        ax.set(xlabel="a", ylabel="b", xlim=dataset.a.values[[0, -1]],
               ylim=dataset.b.values[[0, -1]])  # fmt: skip
        present = np.unique(dataset.region)
        patches = [
            Patch(facecolor=COLOURS[i], edgecolor="#666666", label=REGIONS[i]) for i in present
        ]
        plots.legend_outside(figure, ax, extra=patches, ncols=4)
    return figure


FIGURES = (
    Figure(
        "fig4",
        "Figure 4: regions of the (a, b) plane and the direction of two steps, from the real map.",
        {
            "eta": 0.05,
            "a": [-0.12, 0.3],
            "b": [-0.36, 0.28],
            "points": 401,
            "starts": [[0.27, 0.004], [0.2, 0.17], [-0.05, -0.2]],
            "steps": 4000,
        },
        {"points": 101},
        (),
        "Two steps of gradient descent on 1/2 (1 - x x y y)^2 in the coordinates a (along the "
        "curve of minima) and b (across it), eta = {eta}: arrows and regions from the exact map at "
        "{points} x {points} points, a in [{a}], b in [{b}]. |b| grows in the orange region and "
        "shrinks in the blue one; in the grey one two steps end on the other side of the minima. "
        "Black: the parabola of the two-step ODE; the boundary between orange and blue, where two "
        "exact steps keep |b|, is close to it and not symmetric. Dots: every second point of "
        "{steps} steps from (a, b) = {starts}. The paper's figure 4 is a schematic without "
        "settings: this is in its spirit.",
        make,
        picture,
        (2, 2),
    ),
)
