"""Figures 1a, 1b and the network section: training on the whole data set, measured on the way.

The Hessian of a network is too large to build. Its largest eigenvalue comes from a Krylov space of
Hessian-vector products at every recorded step, and its eigenvector from a power iteration.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree
from matplotlib.figure import Figure as Picture

import eos_jax as eos
from eos_jax import curvature, measures, observers, plots
from eos_jax.objectives import Objective
from eos_jax.objectives.datasets import CIFAR10_RECORD
from eos_jax.objectives.fully_connected import initial_parameters
from eos_jax.paper.figures.base import TRACES, Figure

RESIDUAL = 1e-3
"""Of the eigenvector, relative: three digits of the eigenvalue, as a rule more, are then exact."""

ONE_STEP, TWO_STEPS = "#CC79A7", "#009E73"
SKIPPED = 2
"""Steps left out of the pictures of projections."""


def on_cifar10(settings: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """What is otherwise where a network trains on CIFAR-10 from a folder.

    Example:
      >>> on_cifar10({"sizes": [64, 10, 1], "data": "digits", "folder": None}, "cifar")
      {'sizes': [3072, 10, 1], 'data': 'cifar10', 'folder': 'cifar'}
    """
    sizes = [CIFAR10_RECORD - 1, *settings["sizes"][1:]]
    return {"sizes": sizes, "data": "cifar10", "folder": folder}


def network(settings: Mapping[str, Any]) -> Objective:
    """The network and data that a figure's settings name."""
    return eos.objectives.fully_connected(
        settings["sizes"],
        activation=settings["activation"],
        bias=settings["bias"],
        data=settings["data"],
        samples=settings["samples"],
        classes=settings["classes"],
        folder=settings["folder"],
    )


def start(objective: Objective, settings: Mapping[str, Any]) -> dict[str, jax.Array]:
    """The random weights that a figure's settings name."""
    key = jax.random.key(settings["seed"])
    # drawn in single precision whatever the run's: draws of one key differ between dtypes
    drawn = initial_parameters(objective, key, settings["factors"], dtype="float32")
    return {name: jnp.asarray(leaf, float) for name, leaf in drawn.items()}


def runs(settings: Mapping[str, Any]) -> Callable[..., dict[str, np.ndarray]]:
    """A function from a step size to what one run with it shows.

    The sharpness is found after the run, so that the products with the Hessian, which are most of
    the program, are compiled once.

    Args:
      settings: of a figure; `steps` and perhaps `every` besides those that `network` and `start`
        read.

    Returns:
      A function eta -> `step`, `loss`, `sharpness` of shape (samples,), and `point`, all weights
      in a row, of shape (samples, weights).
    """
    objective = network(settings)
    first, as_tree = ravel_pytree(start(objective, settings))
    steps, every = settings["steps"], settings.get("every", 1)
    record = observers.trace(
        "step", loss=measures.loss, point=lambda sample: ravel_pytree(sample.params)[0]
    )
    descend = jax.jit(
        lambda eta: eos.simulate(objective, as_tree(first), eta, steps, observe=record, every=every)
    )

    def sharpness(point):
        return curvature.sharpness_at(objective, as_tree(point), "lanczos", tolerance=RESIDUAL)

    measure = jax.jit(lambda points: jax.lax.map(sharpness, points))

    def run(eta):
        found = jax.tree.map(np.asarray, descend(jnp.asarray(eta, float)))
        return {**found, "sharpness": np.asarray(measure(found["point"]))}

    return run


def train(settings: Mapping[str, Any]) -> xr.Dataset:
    """Loss and sharpness from one start, for several step sizes.

    Args:
      settings: of a figure, as in `runs`; `threshold` is 2/eta, several.

    Returns:
      A dataset along `eta` and `step`: `loss`, `sharpness`, and the `threshold` of each `eta`.
    """
    thresholds = np.asarray(settings["threshold"], float)
    with jax.enable_x64(True):
        run = runs(settings)
        found = [run(2 / threshold) for threshold in thresholds]
    return xr.Dataset(
        {
            **{n: (("eta", "step"), [one[n] for one in found]) for n in ("loss", "sharpness")},
            "threshold": ("eta", thresholds),
        },
        coords={"eta": 2 / thresholds, "step": found[0]["step"]},
    )


def train_and_project(settings: Mapping[str, Any]) -> xr.Dataset:
    """One run, seen along the top eigenvector at its end and along the way it drifts.

    Args:
      settings: of a figure, as in `runs`; `threshold` is 2/eta, one.

    Returns:
      A dataset along `step`: `loss`, `sharpness`; `projection`, the distance from the end (the
      middle of the last two points) along the top eigenvector of the Hessian there; `drift`, that
      along the direction, orthogonal to it, from the end to the start; `one_step` and `two_step`,
      how far the next one and two steps go.
    """
    eta = 2 / settings["threshold"]
    steps = settings["steps"]
    with jax.enable_x64(True):
        found = runs({**settings, "steps": steps + 2})(eta)
        points = found["point"]
        # between the last two iterates, which are on either side of the valley
        last = (points[steps] + points[steps + 1]) / 2
        across = _top_eigenvector(settings, last)
    along = points[0] - last
    along = along - (along @ across) * across
    along = along / np.linalg.norm(along)

    def length(count):
        return np.linalg.norm(points[count : steps + 1 + count] - points[: steps + 1], axis=1)

    values = {
        **{name: found[name][: steps + 1] for name in ("loss", "sharpness")},
        "projection": (points[: steps + 1] - last) @ across,
        "drift": (points[: steps + 1] - last) @ along,
        "one_step": length(1),
        "two_step": length(2),
    }
    return xr.Dataset(
        {**{name: ("step", v) for name, v in values.items()}, "threshold": settings["threshold"]},
        coords={"step": np.arange(steps + 1), "eta": eta},
    )


def _top_eigenvector(settings: Mapping[str, Any], point: np.ndarray) -> np.ndarray:
    """The top eigenvector of the Hessian at a point, of a sign that the point decides."""
    objective = network(settings)
    as_tree = ravel_pytree(start(objective, settings))[1]

    @jax.jit
    def found(point):
        at = as_tree(point)
        product = lambda v: eos.hessian_vector_product(objective, at, v)  # noqa: E731
        return curvature.power_iteration(product, point, 1e-6, 20_000).vector

    return np.asarray(found(jnp.asarray(point)))


def picture_of_training(dataset: xr.Dataset) -> Picture:
    """Loss and sharpness side by side."""
    return plots.loss_and_sharpness(dataset, **TRACES)


def picture_of_projections(dataset: xr.Dataset) -> Picture:
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


_DATA = (
    " Data {data} (classes {classes}, labels -1 and +1; digits are scikit-learn's handwritten ones "
    "of 8 x 8 pixels; folder: {folder}), weights normal with deviation factor / sqrt(fan-in), "
    "factors {factors}, seed {seed}."
)
_TRAINING = (
    " (units {sizes}, activation {activation}, biases: {bias}), half the mean square error, "
    "gradient descent on all {samples} samples at once, for 2/eta = {threshold} (dashed), {steps} "
    "steps, one in {every} recorded." + _DATA
)
_SECTION_6 = (
    " The paper (published section 6) states the depth, the activation, the number of samples and "
    "CIFAR-10, and neither width nor step size nor start: in its spirit."
)


def _network(sizes, activation, samples, classes, factors, threshold, steps, **others):
    """Settings of a run on digits."""
    return {
        "sizes": sizes,
        "activation": activation,
        "bias": activation != "linear",
        "data": "digits",
        "samples": samples,
        "classes": classes,
        "folder": None,
        "seed": 0,
        "factors": factors,
        "threshold": threshold,
        "steps": steps,
        **others,
    }


FIGURES = (
    Figure(
        "fig1a",
        "Figure 1a: a ReLU network at the edge of stability, for three step sizes.",
        _network([64, 50, 50, 50, 50, 1], "relu", 200, [8, 9], 1.05, [14, 16, 18], 1500, every=10),
        {"steps": 400, "every": 20},
        ("activation",),
        "Loss and sharpness of a network of 5 layers" + _TRAINING + " From one start, at about "
        "half the threshold, the sharpness climbs to 2/eta, whichever step size is taken, and "
        "stays about there while the loss goes on falling. The paper states 5 layers of 50 neurons "
        "each with ReLU, and neither data nor start nor step sizes: in the spirit of figure 1a.",
        train,
        picture_of_training,
        (15, 5),
    ),
    Figure(
        "fig1b",
        "Figure 1b: a two-layer linear network, where the sharpness ends well below 2/eta.",
        _network([64, 10, 1], "linear", 200, [3, 8], [4.0, 0.1], [36, 40, 45], 2000, every=10),
        {"steps": 300},
        ("activation", "factors"),
        "Loss and sharpness of a linear network of 2 layers" + _TRAINING + " The sharpness ends "
        "well below 2/eta, as in the degree 2 model of figure 5a, since no cubic term holds it at "
        "the edge; other data and starts can bring it back up, as this problem is not the "
        "isotropic one. The paper states 2 layers of 10 neurons and the factors, and neither data "
        "nor start nor step sizes: in the spirit of figure 1b.",
        train,
        picture_of_training,
        (6, 5),
    ),
    Figure(
        "fig_elu",
        "Network section (published section 6): an ELU network sharpens to 2/eta.",
        _network([64, 50, 50, 50, 50, 1], "elu", 50, [5, 9], 0.6, [9, 11, 13], 1500, every=10),
        {"steps": 400},
        ("activation", "samples"),
        "Loss and sharpness of a fully connected network of 5 layers" + _TRAINING + " From one "
        "start, at 0.25 to 0.37 of 2/eta, the sharpness climbs through 2/eta at each of the step "
        "sizes, falls back as the loss rises, and settles just below 2/eta." + _SECTION_6,
        train,
        picture_of_training,
        (10, 6),
    ),
    Figure(
        "fig_networks",
        "Network section (published section 6): the scalar model's mechanism in an ELU network.",
        _network([64, 32, 32, 32, 32, 1], "elu", 50, [0, 1], 0.7, 5, 800),
        {"steps": 100},
        ("activation", "samples"),
        "A fully connected network of 5 layers (units {sizes}, activation {activation}, biases: "
        "{bias}), half the mean square error, gradient descent on all {samples} samples of two "
        "classes, 2/eta = {threshold}, {steps} steps. Top: loss; sharpness, and 2/eta dashed; "
        "length of one step and of two. Bottom: the iterates' distance from the middle of the "
        "last two, projected on the top eigenvector of the Hessian there, against the step and "
        "against the drift (the distance in the direction, orthogonal to that eigenvector, from "
        "the end to the start), where time runs from right to left: as in figure 7c, the branches "
        "of even and odd steps close. The first two steps are left out of the lower pictures."
        + _DATA + _SECTION_6,
        train_and_project,
        picture_of_projections,
        (16, 8),
    ),
)  # fmt: skip
