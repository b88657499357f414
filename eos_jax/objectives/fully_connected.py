"""Fully connected networks trained on a fixed data set, so that the loss is a function of weights.

The data are part of the objective: gradient descent on all of them is what has an edge of
stability. They are named, so that a configuration can rebuild them, or given as arrays; equal
settings and equal arrays give the same object. `loss_with_data` takes others.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax.checks import check_choice, check_sizes
from eos_jax.objectives.base import Objective, register
from eos_jax.objectives.datasets import DATASETS, load

ACTIVATIONS = {
    "relu": jax.nn.relu,
    "elu": jax.nn.elu,
    "tanh": jnp.tanh,
    "linear": lambda values: values,
}
LOSSES = ("mse", "cross_entropy")


@register(
    examples=(
        {"sizes": (3, 4, 1), "data": "gaussian", "samples": 6},
        {"sizes": (3, 4, 4, 1), "activation": "elu", "data": "gaussian", "samples": 6},
        {
            "sizes": (3, 4, 3),
            "activation": "tanh",
            "loss": "cross_entropy",
            "data": "gaussian",
            "samples": 6,
            "classes": (0, 1, 2),
        },
    )
)
def fully_connected(
    sizes: Sequence[int],
    activation: str = "relu",
    loss: str = "mse",
    bias: bool = True,
    data: str | tuple[Any, Any] = "digits",
    samples: int = 50,
    classes: Sequence[int] = (0, 1),
    folder: str | None = None,
) -> Objective:
    r"""The full-batch loss of f(x) = W_L a(... a(W_1 x + b_1) ...) + b_L on all examples.

    With n samples, mse is sum |f(x) - t|^2 / (2 n); cross_entropy the mean of log(1 + e^(-t f))
    for one output and targets t of -1 and +1, of log sum e^f - t.f for several.

    Files are read when an objective is first made: one with the same settings made later in the
    same process does not see a change of them.

    Args:
      sizes: number of units of each layer, from the input to the output: L + 1 of them.
      activation: "relu", "elu", "tanh" or "linear"; the last layer has none.
      loss: "mse" or "cross_entropy".
      bias: whether layers have biases.
      data: "digits", "cifar10" or "gaussian"; or a pair of arrays, inputs of shape
        (samples, sizes[0]) and targets of shape (samples, sizes[-1]) or, for one output,
        (samples,). For cross_entropy targets are between -1 and 1 if there is one output (t stands
        for the probability (1 + t)/2), else probabilities that sum to 1.
      samples: named data: how many examples, the same number of each class.
      classes: named data: labels of the classes; two need one output, more one output each.
      folder: cifar10: where its files are.

    Returns:
      The objective; parameters W1, b1, W2, ..., W_l of shape (sizes[l], sizes[l-1]), data `inputs`
      and `targets`. Its floor is exact for mse with activation "linear"; otherwise it is the floor
      of the loss over all functions.

    Raises:
      ValueError: if a setting is not as described, an array not finite, or the sizes do not fit.
      ImportError: if digits are asked for and scikit-learn is not installed.
      FileNotFoundError: if CIFAR-10's files are not in the folder.

    Example:
      >>> import eos_jax as eos, numpy as np
      >>> obj = eos.objectives.fully_connected((3, 4, 1), data="gaussian", samples=6)
      >>> dict(zip(obj.parameters, obj.shapes))
      {'W1': (4, 3), 'b1': (4,), 'W2': (1, 4), 'b2': (1,)}
      >>> own = (np.eye(2), np.ones(2))
      >>> obj = eos.objectives.fully_connected((2, 1), bias=False, data=own)
      >>> print(eos.loss(obj, {"W1": np.array([[1.0, 3.0]])}))  # (0^2 + 2^2) / (2 * 2)
      1.0

    Source: Cohen et al. 2021, "Gradient descent on neural networks typically occurs at the edge
    of stability"; Zhu et al. 2023, figure 1 and section 6.
    """
    check_sizes(sizes)
    check_choice("activation", activation, ACTIVATIONS)
    check_choice("loss", loss, LOSSES)
    named = isinstance(data, str)
    chosen = load(data, samples, classes, folder, features=sizes[0]) if named else data
    inputs, targets = _checked_arrays(chosen, sizes)
    if loss == "cross_entropy":
        _check_probabilities(targets)

    layers = [(f"W{i + 1}", f"b{i + 1}") for i in range(len(sizes) - 1)]
    names, shapes = [], []
    for layer, (columns, rows) in zip(layers, itertools.pairwise(sizes)):
        names += layer if bias else layer[:1]
        shapes += [(rows, columns), (rows,)] if bias else [(rows, columns)]
    nonlinear = ACTIVATIONS[activation]
    mean_loss = _mean_squared if loss == "mse" else _mean_cross_entropy

    def loss_with_data(full: dict[str, tuple], data: Mapping[str, Any]) -> jax.Array:
        dtype = full["W1"][0].dtype
        values = jnp.asarray(data["inputs"], dtype)
        for weights, biases in layers:
            # the highest precision: on a GPU the default may round products to 10 bits
            values = jnp.matmul(values, full[weights][0].T, precision="highest")
            values = values + full[biases][0] if bias else values
            values = values if weights == layers[-1][0] else nonlinear(values)
        return mean_loss(data["targets"], values)

    arrays = {"inputs": inputs, "targets": targets}
    if loss == "cross_entropy":
        floor = _mean_entropy(targets)
    else:
        floor = _linear_floor(inputs, targets, min(sizes), bias) if activation == "linear" else 0.0
    return Objective(
        name="fully_connected",
        full_loss=lambda full: loss_with_data(full, arrays),
        parameters=tuple(names),
        copies=(1,) * len(names),
        shapes=tuple(shapes),
        floor=floor,
        settings={} if named else {"samples": len(inputs)},
        data=arrays,
        loss_with_data=loss_with_data,
    )


def initial_parameters(
    objective: Objective, key: jax.Array, factors: float | Sequence[float] = 1.0, dtype: Any = None
) -> dict[str, jax.Array]:
    r"""Random weights of a network: W_l normal with deviation factor_l / sqrt(fan-in), b_l zero.

    Factor 1 is LeCun's start, sqrt(2) He's. Draws of one key differ between dtypes.

    Args:
      objective: one whose matrices are its layers, in order, as `fully_connected` and
        `deep_linear_network` make.
      key: as `jax.random.key(0)`; or an array of keys, one for each lane.
      factors: one for all layers, or one per layer.
      dtype: of the parameters; JAX's default float if None.

    Returns:
      Parameters of the objective, one point; from an array of keys with its axes in front.

    Raises:
      ValueError: if the objective has other parameters than matrices and vectors, or the number of
        factors is not that of the layers.

    Example:
      >>> import eos_jax as eos, jax
      >>> from eos_jax.objectives.fully_connected import initial_parameters
      >>> obj = eos.objectives.fully_connected((3, 4, 1), data="gaussian", samples=6)
      >>> params = initial_parameters(obj, jax.random.key(0), factors=(4.0, 0.1))
      >>> print(params["W1"].shape, params["b1"])
      (4, 3) [0. 0. 0. 0.]

    Source: LeCun et al. 1998, "Efficient backprop"; He et al. 2015.
    """
    dims = [len(shape) for shape in objective.shapes]
    if not set(dims) <= {1, 2} or 2 not in dims:
        raise ValueError(
            "Argument `objective` must have matrices, and vectors at most besides, but got "
            f"{objective!r} with shapes {objective.shapes}."
        )
    layers = dims.count(2)
    per_layer = [factors] * layers if isinstance(factors, int | float) else list(factors)
    if len(per_layer) != layers:
        raise ValueError(
            f"Argument `factors` must be one number or {layers}, one per layer, but got {factors}."
        )
    dtype = jnp.result_type(float) if dtype is None else dtype
    typed = jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key)
    if key.ndim > (0 if typed else 1):
        return jax.vmap(lambda one: initial_parameters(objective, one, per_layer, dtype))(key)
    draws = iter(zip(jax.random.split(key, layers), per_layer))
    params = {}
    for name, shape in zip(objective.parameters, objective.shapes):
        if len(shape) == 1:
            params[name] = jnp.zeros(shape, dtype)
        else:
            key, factor = next(draws)
            deviation = jnp.asarray(factor / shape[1] ** 0.5, dtype)
            params[name] = deviation * jax.random.normal(key, shape, dtype)
    return params


def _checked_arrays(data: Any, sizes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets, copied, of two axes and read-only."""
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise ValueError(
            f"Argument `data` must be one of {', '.join(DATASETS)} or a pair of arrays, inputs and "
            f"targets, but got {data!r}."
        )
    try:
        inputs, targets = np.array(data[0], float), np.array(data[1], float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Argument `data` must be a pair of arrays of numbers: {error}.") from None
    if targets.ndim == 1 and sizes[-1] == 1:
        targets = targets[:, None]
    for name, array, size in (("inputs", inputs, sizes[0]), ("targets", targets, sizes[-1])):
        if array.ndim != 2 or array.shape[1] != size or len(array) != len(inputs) or not len(array):
            rows = len(inputs) if inputs.ndim and len(inputs) else "samples"
            raise ValueError(
                f"Argument `data` must have {name} of the shape ({rows}, {size}) that sizes "
                f"{tuple(sizes)} need, but got {array.shape}."
            )
        if not np.isfinite(array).all():
            raise ValueError(f"Argument `data` must have finite {name}, but they are not.")
        array.setflags(write=False)
    return inputs, targets


def _mean_squared(targets: np.ndarray | jax.Array, outputs: jax.Array) -> jax.Array:
    return jnp.sum((outputs - jnp.asarray(targets, outputs.dtype)) ** 2) / (2 * len(targets))


def _mean_cross_entropy(targets: np.ndarray | jax.Array, outputs: jax.Array) -> jax.Array:
    targets = jnp.asarray(targets, outputs.dtype)
    if targets.shape[1] == 1:
        return jnp.mean(jax.nn.softplus(outputs) - (1 + targets) / 2 * outputs)
    return jnp.mean(jax.nn.logsumexp(outputs, axis=1) - jnp.sum(targets * outputs, axis=1))


def _check_probabilities(targets: np.ndarray) -> None:
    if targets.shape[1] == 1:
        if np.abs(targets).max() > 1:
            raise ValueError(
                "Argument `targets` must be between -1 and 1 for cross_entropy with one output, "
                f"but got values up to {np.abs(targets).max()}."
            )
    elif targets.min() < 0 or not np.allclose(targets.sum(axis=1), 1):
        raise ValueError(
            "Argument `targets` must be probabilities that sum to 1 for cross_entropy, but got "
            f"rows from {targets[targets.sum(axis=1).argmin()]} to "
            f"{targets[targets.sum(axis=1).argmax()]}."
        )


def _mean_entropy(targets: np.ndarray) -> float:
    """What cross-entropy cannot go below: the entropy of the targets, 0 for hard labels."""
    p = np.hstack([1 - targets, 1 + targets]) / 2 if targets.shape[1] == 1 else targets
    return float(-np.sum(p * np.log(np.where(p > 0, p, 1.0))) / len(p)) + 0.0


def _linear_floor(inputs: np.ndarray, targets: np.ndarray, rank: int, bias: bool) -> float:
    """Least mse of an affine (or linear) map of at most this rank: reduced-rank regression."""
    if bias:
        inputs, targets = inputs - inputs.mean(axis=0), targets - targets.mean(axis=0)
    left, singular, _ = np.linalg.svd(inputs, full_matrices=False)
    resolution = singular[0] * max(inputs.shape) * np.finfo(float).eps if len(singular) else 0
    basis = left[:, singular > resolution]
    fitted = basis @ (basis.T @ targets)
    lost = np.linalg.svd(fitted, compute_uv=False)[rank:]
    return float((np.sum((targets - fitted) ** 2) + np.sum(lost**2)) / (2 * len(targets)))
