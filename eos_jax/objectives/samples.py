"""The loss of each sample of an objective's data, and of some of them: what a minibatch sees.

Data are samples where every array among them that is no scalar has one row for each. The loss must
be the mean or the sum over samples of what it is on one alone; anything else, such as a penalty
beside a sum, has no batches.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax.objectives.base import Objective

RESOLUTION = 1e-9
"""How closely means or sums over samples must give the loss, in double precision."""


def number_of_samples(objective: Objective) -> int:
    """How many samples the objective's data have.

    Raises:
      ValueError: if it has no data, or data whose arrays differ in their number of rows.

    Example:
      >>> import eos_jax as eos
      >>> from eos_jax.objectives.samples import number_of_samples
      >>> obj = eos.objectives.fully_connected((3, 4, 1), data="gaussian", samples=6)
      >>> number_of_samples(obj)
      6
    """
    data = objective.data if objective.loss_with_data else {}
    rows = {name: len(value) for name, value in data.items() if np.ndim(value)}
    if len(set(rows.values())) != 1:
        found = ", ".join(f"`{name}` {count}" for name, count in rows.items()) or "no data"
        raise ValueError(
            "Argument `objective` must have data with one row for each sample, but "
            f"{objective.name} has {found}."
        )
    return next(iter(rows.values()))


def sample_losses(objective: Objective, full: Mapping[str, tuple]) -> jax.Array:
    """The loss of each sample alone, scaled so that their mean is the loss.

    Args:
      objective: an objective with data.
      full: one full point.

    Returns:
      Array of shape (samples,).

    Raises:
      ValueError: as `number_of_samples`, or if the loss is neither mean nor sum over samples.
    """
    factor = _factor(objective)
    dtype = jnp.result_type(*jax.tree.leaves(dict(full)))
    return factor * _each(objective, full, dtype)


def of_batch(objective: Objective, weights: jax.Array) -> Callable[[dict], jax.Array]:
    """The full loss on some samples: full -> sum_i w_i l_i / sum_i w_i.

    Args:
      objective: an objective with data.
      weights: 1 for samples in the batch, 0 for others; shape (samples,).

    Returns:
      A function of a full point.
    """

    def loss(full):
        losses = sample_losses(objective, full)
        weight = weights.astype(losses.dtype)
        return jnp.sum(weight * losses) / jnp.sum(weight)

    return loss


def draw_batch(objective: Objective, key: jax.Array, batch: Any) -> jax.Array:
    """Which samples are in a batch drawn without replacement.

    Args:
      objective: an objective with data.
      key: random key of the draw.
      batch: how many; it may be traced.

    Returns:
      Array of bool, shape (samples,).
    """
    return jax.random.permutation(key, number_of_samples(objective)) < batch


def _each(objective, full, dtype):
    kept, rows = {}, {}
    for name, value in objective.data.items():
        floating = jnp.issubdtype(jnp.result_type(value), jnp.floating)
        array = jnp.asarray(value, dtype) if floating else jnp.asarray(value)
        (rows if array.ndim else kept)[name] = array
    loss: Any = objective.loss_with_data

    def one(row):
        return loss(full, {**kept, **{name: value[None] for name, value in row.items()}})

    return jax.vmap(one)(rows)


@functools.lru_cache(maxsize=256)
def _factor(objective: Objective) -> float:
    """1 where the loss is the mean of its samples' losses, their number where it is the sum."""
    samples, random = number_of_samples(objective), np.random.default_rng(0)
    with jax.ensure_compile_time_eval(), jax.enable_x64(True):
        full = {
            name: tuple(jnp.asarray(random.normal(size=shape)) for _ in range(copies))
            for name, copies, shape in zip(objective.parameters, objective.copies, objective.shapes)
        }
        data = {name: jnp.asarray(value) for name, value in objective.data.items()}
        loss: Any = objective.loss_with_data
        ratio = float(loss(full, data) / jnp.mean(_each(objective, full, jnp.float64)))
    for factor in (1, samples):
        if abs(ratio / factor - 1) < RESOLUTION:
            return float(factor)
    raise ValueError(
        "Argument `objective` must be a loss that is the mean or the sum over samples, but that of "
        f"{objective.name} is {ratio:g} times the mean over its {samples} samples."
    )
