"""Every picture: a function of a dataset that draws into an axes and returns it.

One colour means one thing throughout: `OUTCOME_COLOURS` for fates, `SHARPNESS` for values of the
sharpness, `BAND` for the band just below 2/eta, `eta_colours` for step sizes, `EVEN_ODD` for the
two halves of an orbit seen every second step, `THEORY` for closed forms. All are from palettes that
colour-blind readers tell apart and that keep their order in grey.
"""

import math
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from eos_jax import theory
from eos_jax.outcomes import Outcome

# Okabe and Ito's colours
OUTCOME_COLOURS = {
    Outcome.PENDING: "#BBBBBB",
    Outcome.CONVERGED: "#0072B2",
    Outcome.DIVERGED: "#D55E00",
    Outcome.PERIODIC: "#009E73",
    Outcome.APERIODIC: "#CC79A7",
    Outcome.UNDECIDED: "#F0E442",
    Outcome.INVALID: "#000000",
}
SHARPNESS = "viridis"
BAND = "#D55E00"
EVEN_ODD = ("#E69F00", "#56B4E9")
"""Points after an even and after an odd number of steps."""
THEORY = "#000000"
SHOWN = 1500
"""Points along an axis of a picture; larger maps are thinned, which leaves categories alone."""

FAR = 1e30
"""Modulus beyond which an orbit is not drawn: axes cannot hold what has diverged."""

STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "figure.constrained_layout.use": True,
}


def eta_colours(count: int) -> list:
    """Colours for step sizes, dark for the first."""
    return [matplotlib.colormaps["plasma"](v) for v in np.linspace(0.0, 0.8, count)]


def save(figure: Figure, path: str | PathLike) -> None:
    """Write a picture, of the kind its ending says, and close it.

    Raises:
      ValueError: if the ending is not one of png, pdf, svg.
    """
    if Path(path).suffix.lower() not in (".png", ".pdf", ".svg"):
        raise ValueError(f"A picture must end in .png, .pdf or .svg, but got `{path}`.")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=STYLE["savefig.dpi"])
    plt.close(figure)


def draw(dataset: xr.Dataset, kind: str = "sharpness") -> Figure:
    """The figure that suits a dataset: orbits if it has steps, else a map or curves.

    Args:
      dataset: of `eos_jax.sweep` or `eos_jax.orbits`.
      kind: for a sweep, "sharpness" or "outcome".

    Returns:
      The figure.

    Raises:
      ValueError: if a sweep has more than two dimensions of lanes.
    """
    with plt.rc_context(STYLE):
        if "step" in dataset.dims:
            return orbits(dataset)
        figure, ax = plt.subplots(figsize=(5.2, 4.2))
        {"sharpness": sharpness_map, "outcome": outcome_map}[kind](dataset, ax)
        return figure


def sharpness_map(dataset: xr.Dataset, ax: Axes | None = None, band: float = 0.1) -> Axes:
    """Final sharpness over two axes, the band within `band` below 2/eta in one colour.

    Args:
      dataset: of `eos_jax.sweep`, of one or two dimensions.
      ax: where to draw.
      band: width of the band, in units of 1/eta.

    Returns:
      The axes.

    Source: Zhu et al. 2023, figure 2b.
    """
    data, ax = _prepare(dataset, ax)
    gap = 2 / data.eta - data.sharpness
    converged = data.outcome == Outcome.CONVERGED
    in_band = converged & (gap > 0) & (gap < band)
    shown = data.sharpness.where(converged).values
    if len(dataset.outcome.dims) < 2:
        dim = dataset.outcome.dims[0] if dataset.outcome.dims else None
        x = data[dim].values if dim else np.zeros(1)
        ax.plot(x, shown.reshape(-1), ".", ms=2, color="#440154", label="converged")
        threshold = np.broadcast_to(2 / data.eta.values, x.shape)
        ax.plot(x, threshold, "--", color=BAND, lw=1, label="2/eta")
        ax.set(xlabel=dim or "lane", ylabel="final sharpness")
        ax.legend()
        return ax
    finite = shown[np.isfinite(shown)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    image = _image(ax, data, shown, cmap=SHARPNESS, norm=Normalize(low, high))
    _image(ax, data, np.where(in_band, 1.0, np.nan), cmap=ListedColormap([BAND]))
    other = [
        (kind, colour)
        for kind, colour in ((Outcome.DIVERGED, "#FFFFFF"), (Outcome.UNDECIDED, "#999999"))
        if bool((data.outcome == kind).any())
    ]
    for kind, colour in other:
        mask = np.where(data.outcome == kind, 1.0, np.nan)
        _image(ax, data, mask, cmap=ListedColormap([colour]))
    handles = [Patch(color=BAND, label=f"within {band:g} below 2/eta")] if in_band.any() else []
    handles += [
        Patch(facecolor=colour, edgecolor="#666666", label=kind.name.lower())
        for kind, colour in other
    ]
    _legend_below(ax, handles)
    ax.figure.colorbar(image, ax=ax, label="sharpness of converged orbits", shrink=0.9, pad=0.02)
    ax.set_title(_settings(data))
    return ax


def outcome_map(dataset: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Fate over two axes, lighter or darker by the step at which it was decided.

    Args:
      dataset: of `eos_jax.sweep`, of one or two dimensions.
      ax: where to draw.

    Returns:
      The axes.

    Source: Zhu et al. 2023, figure 7a (6a in the published version).
    """
    data, ax = _prepare(dataset, ax)
    kinds = [kind for kind in Outcome if bool((data.outcome == kind).any())]
    if len(dataset.outcome.dims) < 2:
        dim = dataset.outcome.dims[0] if dataset.outcome.dims else None
        x = data[dim].values if dim else np.zeros(1)
        for kind in kinds:
            mine = np.ravel(data.outcome == kind)
            ax.plot(x[mine], np.ravel(data.steps)[mine], ".", ms=2, color=OUTCOME_COLOURS[kind],
                    label=kind.name.lower())  # fmt: skip
        ax.set(xlabel=dim or "lane", ylabel="steps until decided")
        ax.set_yscale("symlog", linthresh=1)
        ax.legend(markerscale=4)
        return ax
    handles = []
    for kind in kinds:
        mine = (data.outcome == kind).values
        if kind in (Outcome.CONVERGED, Outcome.DIVERGED):
            steps = np.where(mine, np.maximum(data.steps.values, 1), np.nan)
            low, high = np.nanquantile(steps, [0.005, 0.995])
            high = max(high, low * 1.1)
            image = _image(
                ax,
                data,
                steps,
                cmap={Outcome.CONVERGED: "Blues", Outcome.DIVERGED: "Oranges"}[kind],
                # room at both ends, so that the lightest is not white nor the darkest black
                norm=LogNorm(low * (low / high) ** 0.4, high * (high / low) ** 0.1),
            )
            bar = ax.figure.colorbar(
                image,
                ax=ax,
                label=f"steps until {kind.name.lower()}",
                shrink=0.9,
                pad=0.02,
                ticks=_whole_ticks(low, high),
                format="%g",
            )
            bar.ax.set_ylim(low, high)
            bar.minorticks_off()
        else:
            colour = OUTCOME_COLOURS[kind]
            _image(ax, data, np.where(mine, 1.0, np.nan), cmap=ListedColormap([colour]))
            handles.append(Patch(color=colour, label=kind.name.lower()))
    _legend_below(ax, handles)
    ax.set_title(_settings(data))
    return ax


def sharpness_histogram(
    dataset: xr.Dataset, ax: Axes | None = None, band: float = 0.1, top: float = 1.0
) -> Axes:
    """How far below 2/eta the converged orbits of a sweep end, as shares of them.

    Args:
      dataset: of `eos_jax.sweep`.
      ax: where to draw.
      band: width of the band just below 2/eta, shown in its own colour.
      top: gaps shown, in units of 1/eta, from 0.

    Returns:
      The axes.
    """
    ax = ax or plt.gca()
    gap = (2 / dataset.eta - dataset.sharpness).values[dataset.outcome == Outcome.CONVERGED]
    edges = np.linspace(0, top, 51)
    shares = np.histogram(gap, edges)[0] / max(1, gap.size)
    ax.stairs(np.where(edges[1:] <= band + 1e-9, 0, shares), edges, fill=True, color="#440154")
    ax.stairs(np.where(edges[1:] <= band + 1e-9, shares, 0), edges, fill=True, color=BAND)
    ax.set(xlabel="2/eta - final sharpness", ylabel="share of converged orbits", xlim=(0, top))
    return ax


def sharpness_map_and_histogram(dataset: xr.Dataset, band: float = 0.1, top: float = 1.0) -> Figure:
    """The map of final sharpness beside the histogram of how far below 2/eta orbits end."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.5), width_ratios=(1.6, 1))
        sharpness_map(dataset, axes[0], band)
        sharpness_histogram(dataset, axes[1], band, top)
    return figure


def orbits(dataset: xr.Dataset, eos_minimum: Callable | None = theory.eos_minimum) -> Figure:
    """Loss, sharpness and orbit side by side, one colour for each step size.

    Args:
      dataset: of `eos_jax.orbits` of a model with two parameters, along `eta` and `step`.
      eos_minimum: from a step size to the minimum whose sharpness is 2/eta, None not to mark it.

    Returns:
      The figure.

    Source: Zhu et al. 2023, figure 2a.
    """
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 3, figsize=(7.2, 2.9))
        loss_trace(dataset, axes[0])
        sharpness_trace(dataset, axes[1])
        orbit(dataset, axes[2], eos_minimum)
        legend_outside(figure, axes)
    return figure


def loss_and_sharpness(dataset: xr.Dataset) -> Figure:
    """Loss and sharpness side by side, one colour for each step size."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(6.4, 2.8))
        loss_trace(dataset, axes[0])
        sharpness_trace(dataset, axes[1])
        legend_outside(figure, axes)
    return figure


def loss_trace(dataset: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Loss against step, one curve for each step size."""
    ax = ax or plt.gca()
    for colour, label, one in _by_eta(dataset):
        ax.plot(one.step, one.loss, lw=0.8, color=colour, label=label)
    ax.set(yscale="log", xlabel="step", ylabel="loss")
    ax.legend()
    return ax


def sharpness_trace(dataset: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Sharpness against step, every second one joined, and the threshold 2/eta dashed."""
    ax = ax or plt.gca()
    for colour, label, one in _by_eta(dataset):
        # even and odd steps apart: an oscillation is then two curves, not a filled area
        for parity in (0, 1):
            half = one.isel(step=slice(parity, None, 2))
            ax.plot(
                half.step, half.sharpness, lw=0.8, color=colour, label=None if parity else label
            )
        ax.axhline(2 / float(one.eta), color=colour, lw=1, ls="--")
    ax.plot([], [], "--", color="#666666", lw=1, label="2/eta")
    ax.set(xlabel="step", ylabel="sharpness")
    ax.legend()
    return ax


def orbit(
    dataset: xr.Dataset,
    ax: Axes | None = None,
    eos_minimum: Callable | None = theory.eos_minimum,
) -> Axes:
    """The orbit in (x, y): its points, every second one joined, the minima and the EoS minimum."""
    ax = ax or plt.gca()
    for colour, label, one in _by_eta(dataset):
        ax.plot(one.x_orbit, one.y_orbit, ".", ms=1.5, color=colour, alpha=0.5)
        for parity in (0, 1):
            two_step = one.isel(step=slice(parity, None, 2))
            ax.plot(
                two_step.x_orbit,
                two_step.y_orbit,
                lw=0.8,
                color=colour,
                label=label if parity else None,
            )
        if eos_minimum:
            place = eos_minimum(float(one.eta))
            ax.plot(*place, "*", ms=9, mec="white", mew=0.6, color=colour, zorder=3)
    limits = ax.get_xlim(), ax.get_ylim()
    line = np.linspace(max(limits[0][0], 1e-3), limits[0][1], 400)
    ax.plot(line, 1 / line, color="#888888", lw=0.8, zorder=0, label="minima")
    if eos_minimum:
        ax.plot([], [], "*", ms=9, mec="white", color="#666666", label="EoS minimum")
    ax.set(xlim=limits[0], ylim=limits[1], xlabel="x", ylabel="y")
    ax.legend()
    return ax


def legend_outside(figure: Figure, axes, extra: Sequence = (), **kwargs) -> None:
    """One legend below the whole figure in place of those inside its axes; each label once."""
    entries = {handle.get_label(): handle for handle in extra}
    for ax in np.ravel(axes):
        for handle, label in zip(*ax.get_legend_handles_labels()):
            entries.setdefault(label, handle)
        if ax.get_legend():
            ax.get_legend().remove()
    kwargs = {
        "loc": "outside lower center",
        "ncols": 6,
        "columnspacing": 1.2,
        "handlelength": 1.6,
        **kwargs,
    }
    figure.legend(entries.values(), entries.keys(), **kwargs)


def _by_eta(dataset):
    """Colour, label and data of each step size."""
    if "eta" not in dataset.dims:
        dataset = dataset.expand_dims("eta")
    dataset = dataset.where(abs(dataset) < FAR)
    for colour, eta in zip(eta_colours(dataset.sizes["eta"]), dataset.eta.values):
        yield colour, f"eta = 2/{2 / eta:.4g}", dataset.sel(eta=eta)


def _prepare(dataset, ax):
    """The dataset thinned to what a picture shows and loaded, and an axes."""
    dims = dataset.outcome.dims
    if len(dims) > 2:
        raise ValueError(
            f"A map must have at most two dimensions, but got {', '.join(dims)}; select first, "
            f"e.g. dataset.isel({dims[0]}=0)."
        )
    thin = {dim: slice(None, None, math.ceil(dataset.sizes[dim] / SHOWN)) for dim in dims}
    wanted = dataset[["outcome", "steps", "sharpness"]].isel(thin)
    return wanted.load(), ax or plt.gca()


def _image(ax, data, values, **kwargs):
    """A map with its first dimension along the horizontal axis."""
    first, second = data.outcome.dims
    ax.set(xlabel=first, ylabel=second)
    return ax.pcolormesh(
        data[first].values,
        data[second].values,
        np.ma.masked_invalid(values).T,
        shading="nearest",
        rasterized=True,
        **kwargs,
    )


def _whole_ticks(low: float, high: float) -> list[float]:
    """A few numbers of steps from low to high, of two digits where that is exact enough."""
    ticks = (float(f"{tick:.2g}") for tick in np.geomspace(low, high, 4))
    return sorted({float(np.clip(round(tick), np.ceil(low), np.floor(high))) for tick in ticks})


def _legend_below(ax, handles) -> None:
    if handles:
        ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)


def _settings(data) -> str:
    """The step size, if there is one."""
    return f"eta = {float(data.eta):g}" if data.eta.ndim == 0 else ""
