"""Figure A.4: scalar networks of other shapes, not coupled, all end just below the edge."""

import xarray as xr
from matplotlib.figure import Figure

import eos_jax as eos
from eos_jax import plots
from eos_jax.paper.settings import choose, stamp, stamped

SETTINGS = {
    "starts": [[6.0, 0.1, 0.4], [2.0, 2.5, 3.0, 0.1, 0.2, 0.3, 0.4], [6.0, 0.7, 0.3, 0.2]],
    "eta": 0.2,
    "steps": 5000,
}
QUICK = {}
STATED = ("starts", "eta", "steps")
CAPTION = (
    "Products of free scalars, 1/2 (1 - x1 ... xn)^2, from the starts {starts}, eta = {eta}, "
    "{steps} steps: loss, sharpness with 2/eta dashed (early and whole run), every second step "
    "joined. All settings are the paper's (figure A.4)."
)


def compute(quick: bool = False) -> xr.Dataset:
    """Loss and sharpness at every step, from each start."""
    settings = choose(SETTINGS, QUICK, quick)
    runs = []
    for start in settings["starts"]:
        model = eos.objectives.scalar_product(len(start))
        axes = {**dict(zip(model.parameters, start)), "eta": settings["eta"]}
        orbit = eos.orbits(model, axes, settings["steps"])
        runs.append(orbit[["loss", "sharpness"]].drop_vars(list(model.parameters)))
    found = xr.concat(runs, dim="start", combine_attrs="drop_conflicts")
    return stamp(
        found.assign_coords(size=("start", [len(s) for s in settings["starts"]])), settings
    )


def draw(dataset: xr.Dataset) -> Figure:
    """Loss, the sharpness of the first steps, and that of the whole run."""
    starts = stamped(dataset)["starts"]
    with plots.style():
        figure, axes = plots.subplots(1, 3, width=7.2, height=2.9, width_ratios=(1.2, 1, 1))
        axes = axes[0]
        for i, colour in enumerate(COLOURS):
            one = dataset.isel(start=i)
            label = ", ".join(f"{v:g}" for v in starts[i])
            axes[0].plot(one.step, one.loss, lw=0.8, color=colour, label=f"({label})")
            for ax in axes[1:]:
                for parity in (0, 1):
                    half = one.isel(step=slice(parity, None, 2))
                    ax.plot(half.step, half.sharpness, lw=0.8, color=colour)
        threshold = 2 / float(dataset.eta)
        for ax in axes[1:]:
            ax.axhline(threshold, color="#666666", lw=1, ls="--", label="2/eta")
        axes[0].set(yscale="log", xlabel="step", ylabel="loss", ylim=(1e-16, None))
        axes[1].set(xlabel="step", ylabel="sharpness", xlim=(0, 100))
        axes[2].set(xlabel="step", ylabel="sharpness", ylim=(threshold - 2, threshold + 2))
        plots.legend_outside(figure, axes)
    return figure


COLOURS = ("#0072B2", "#CC79A7", "#009E73")
