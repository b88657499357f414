"""Network section (published section 6): the scalar model's mechanism in an ELU network.

Seen along the top eigenvector of the Hessian the iterates jump from side to side, and every second
one follows a smooth curve; the two branches close as the network drifts to smaller sharpness.
"""

import xarray as xr
from matplotlib.figure import Figure

from eos_jax import plots
from eos_jax.paper.networks import on_cifar10, train_and_project
from eos_jax.paper.settings import choose, stamp

SETTINGS = {
    "sizes": [64, 32, 32, 32, 32, 1],
    "activation": "elu",
    "bias": True,
    "data": "digits",
    "samples": 50,
    "classes": [0, 1],
    "folder": None,
    "seed": 0,
    "factors": 0.7,
    "threshold": 5,
    "steps": 800,
}
QUICK = {"steps": 100}
STATED = ("activation", "samples")
SKIPPED = 2
CAPTION = (
    "A fully connected network of 5 layers (units {sizes}, activation {activation}, biases: "
    "{bias}), half the mean square error, gradient descent on all {samples} samples of two "
    "classes with labels -1 and +1, 2/eta = {threshold}, {steps} steps. Top: loss; sharpness, and "
    "2/eta dashed; length of one step and of two. Bottom: the iterates' distance from the middle "
    "of the last two, projected on the top eigenvector of the Hessian there, against the step and "
    "against the drift (the distance in the direction, orthogonal to that eigenvector, from the "
    "end to the start), where time runs from right to left: as in figure 7c, the branches of even "
    "and odd steps close. Data {data} (classes {classes}; digits are scikit-learn's handwritten "
    "ones of 8 x 8 pixels; folder: {folder}), weights normal with deviation {factors} / "
    "sqrt(fan-in), seed {seed}. The first two steps are left out of the lower pictures. The paper "
    "(published section 6) states the depth, the activation, the samples' number and CIFAR-10, "
    "and neither width nor step size nor start: in its spirit."
)


def compute(quick: bool = False, cifar10: str | None = None) -> xr.Dataset:
    """One run with its projections, at every step."""
    settings = on_cifar10(choose(SETTINGS, QUICK, quick), cifar10)
    return stamp(train_and_project(settings, settings["threshold"]), settings)


def draw(dataset: xr.Dataset) -> Figure:
    """Loss, sharpness and lengths of steps above; the projection against step and drift below."""
    eta = float(dataset.eta)
    with plots.style():
        figure = plots.new_figure(7.2, 5.2)
        grid = figure.add_gridspec(2, 6)
        top = [figure.add_subplot(grid[0, i : i + 2]) for i in (0, 2, 4)]
        bottom = [figure.add_subplot(grid[1, i : i + 3]) for i in (0, 3)]
        for parity, colour in enumerate(plots.EVEN_ODD):
            half = dataset.isel(step=slice(parity, None, 2))
            label = f"{('even', 'odd')[parity]} steps"
            top[0].plot(half.step, half.loss, lw=0.8, color=colour, label=label)
            top[1].plot(half.step, half.sharpness, lw=0.8, color=colour)
            late = half.isel(step=slice(SKIPPED // 2, None))
            bottom[0].plot(late.step, late.projection, ".-", ms=2.5, lw=0.5, color=colour)
            bottom[1].plot(late.drift, late.projection, ".-", ms=2.5, lw=0.5, color=colour)
        top[1].axhline(2 / eta, color="#666666", lw=1, ls="--", label="2/eta")
        top[2].plot(dataset.step, dataset.one_step, lw=0.8, color=ONE_STEP, label="one step")
        top[2].plot(dataset.step, dataset.two_step, lw=0.8, color=TWO_STEPS, label="two steps")
        top[0].set(yscale="log", xlabel="step", ylabel="loss")
        top[1].set(xlabel="step", ylabel="sharpness")
        top[2].set(yscale="log", xlabel="step", ylabel="distance moved")
        bottom[0].set(xlabel="step", ylabel="projection on top eigenvector", xscale="symlog")
        bottom[1].set(xlabel="drift", ylabel="projection on top eigenvector")
        for ax in bottom:
            ax.axhline(0, color="#888888", lw=0.8, zorder=0)
        plots.legend_outside(figure, [*top, *bottom])
    return figure


ONE_STEP, TWO_STEPS = "#CC79A7", "#009E73"
