"""What the network figures share: training on the whole data set, measured on the way.

The Hessian of a network is too large to build. Its largest eigenvalue comes from a Krylov space of
Hessian-vector products at every recorded step, and its eigenvector from a power iteration.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree

import eos_jax as eos
from eos_jax import curvature, measures, observers
from eos_jax.objectives import Objective
from eos_jax.objectives.datasets import CIFAR10_RECORD
from eos_jax.objectives.fully_connected import initial_parameters
from eos_jax.sample import Sample

KRYLOV = 16
"""Dimension of the Krylov space; the top eigenvalue of these networks is then exact to 3 digits."""


def on_cifar10(settings: dict[str, Any], folder: str | None) -> dict[str, Any]:
    """The settings with CIFAR-10 from a folder as data; as they are without a folder.

    Example:
      >>> on_cifar10({"sizes": [64, 10, 1], "data": "digits", "folder": None}, "cifar")
      {'sizes': [3072, 10, 1], 'data': 'cifar10', 'folder': 'cifar'}
    """
    if folder is None:
        return settings
    sizes = [CIFAR10_RECORD - 1, *settings["sizes"][1:]]
    return {**settings, "sizes": sizes, "data": "cifar10", "folder": str(folder)}


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


def sharpness(sample: Sample) -> jax.Array:
    """Measure: the largest eigenvalue of the Hessian, by Lanczos."""
    return curvature.sharpness(sample.objective, sample.params, "lanczos", krylov=KRYLOV)


def train(settings: Mapping[str, Any], thresholds: Sequence[float]) -> xr.Dataset:
    """Loss and sharpness from one start, for several step sizes.

    Args:
      settings: of a figure; `steps` and `every` besides those that `network` and `start` read.
      thresholds: 2/eta for each step size.

    Returns:
      A dataset along `eta` and `step`: `loss`, `sharpness`, and the `threshold` of each `eta`.
    """
    with jax.enable_x64(True):
        objective = network(settings)
        params = start(objective, settings)
        etas = 2 / jnp.asarray(thresholds, float)
        record = observers.trace("step", loss=measures.loss, sharpness=sharpness)

        @jax.jit
        @jax.vmap
        def run(eta):
            steps, every = settings["steps"], settings["every"]
            return eos.simulate(objective, params, eta, steps, observe=record, every=every)

        found = jax.tree.map(np.asarray, run(etas))
    return xr.Dataset(
        {
            **{name: (("eta", "step"), found[name]) for name in ("loss", "sharpness")},
            "threshold": ("eta", 2 / np.asarray(etas)),
        },
        coords={"eta": np.asarray(etas), "step": found["step"][0]},
    )


def train_and_project(settings: Mapping[str, Any], threshold: float) -> xr.Dataset:
    """One run, seen along the top eigenvector at its end and along the way it drifts.

    Args:
      settings: of a figure, as in `train`.
      threshold: 2/eta.

    Returns:
      A dataset along `step`: `loss`, `sharpness`; `projection`, the distance from the end (the
      middle of the last two points) along the top eigenvector of the Hessian there; `drift`, that
      along the direction, orthogonal to it, from the end to the start; `one_step` and `two_step`,
      how far the next one and two steps go.
    """
    with jax.enable_x64(True):
        objective = network(settings)
        params = start(objective, settings)
        eta = jnp.asarray(2 / threshold)
        steps = settings["steps"]
        end = jax.jit(lambda p: eos.simulate(objective, p, eta, steps))(params)
        first = ravel_pytree(params)[0]

        def step(point):
            gradient = eos.gradient(objective, point)
            return jax.tree.map(lambda p, g: p - eta * g, point, gradient)

        # between the last two iterates, which are on either side of the valley
        middle = jax.tree.map(lambda p, q: (p + q) / 2, end, step(end))
        last = ravel_pytree(middle)[0]

        @jax.jit
        def eigenvector(point):
            product = lambda v: eos.hessian_vector_product(objective, point, v)  # noqa: E731
            return curvature.power_iteration(product, last, 1e-6, 20_000).vector

        across = eigenvector(middle)
        along = first - last
        along = along - jnp.vdot(along, across) * across
        along = along / jnp.linalg.norm(along)

        def distance(a, b):
            return jnp.linalg.norm(ravel_pytree(a)[0] - ravel_pytree(b)[0])

        def two_step(sample):
            return distance(step(step(sample.params)), sample.params)

        record = observers.trace(
            "step",
            loss=measures.loss,
            sharpness=sharpness,
            projection=lambda s: jnp.vdot(ravel_pytree(s.params)[0] - last, across),
            drift=lambda s: jnp.vdot(ravel_pytree(s.params)[0] - last, along),
            one_step=lambda s: distance(step(s.params), s.params),
            two_step=two_step,
        )
        run = jax.jit(lambda p: eos.simulate(objective, p, eta, steps, observe=record))
        found = jax.tree.map(np.asarray, run(params))
    return xr.Dataset(
        {name: ("step", values) for name, values in found.items() if name != "step"},
        coords={"step": found["step"], "eta": float(eta)},
    )
