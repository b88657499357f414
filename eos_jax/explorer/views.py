"""The first view: what a page shows of a configuration, which may have any number of axes."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from eos_jax import config, rules
from eos_jax.config import Configuration, Numbers, Range
from eos_jax.explorer import questions, stores
from eos_jax.explorer.answers import Context
from eos_jax.objectives import Objective
from eos_jax.results import store

SIDE = 512
"""Pixels along each axis of a window, unless the page asks for another number."""

DEFAULT = Configuration(
    steps=10_000,
    objective={"name": "scalar_product", "multiplicities": [2, 2]},
    axes={"x": Range(3.0, 3.4, SIDE), "y": Range(0.1, 0.5, SIDE), "eta": 0.2},
)
"""Figure 7a of Zhu et al. 2023: the boundary between converging and diverging starts."""


def first(
    configuration: Configuration, own: Objective | None = None
) -> tuple[Configuration, tuple[str, ...]]:
    """A configuration with two axes of `SIDE` values each, and what had to be changed for that.

    The first two ranges are the axes of the map. Further ones are held in their middle, lists at
    their first value; where ranges are missing, numbers become ranges about themselves.

    Args:
      configuration: of any sweep.
      own: a user's own objective, where the configuration names none.

    Returns:
      The configuration and sentences for the reader.

    Raises:
      ValueError: if it fits no objective, or a page cannot show it.

    Example:
      >>> view, notes = first(Configuration(100, {"x": Range(2, 3, 9), "y": 0.5, "eta": 0.2},
      ...                                   {"name": "scalar_product", "multiplicities": [2, 2]}))
      >>> view.axes["y"], notes
      (Range(start=0.25, stop=0.75, num=512, spacing='linear'), ('y varies about 0.5.',))
    """
    objective = questions.objective_of(configuration.objective, own)
    shapes = dict(zip(objective.parameters, objective.shapes))
    axes, ranges, notes = {}, [], []
    for name, axis in configuration.axes.items():
        if isinstance(axis, Range) and len(ranges) < 2:
            ranges.append(name)
            axis = msgspec.structs.replace(axis, num=SIDE)
        elif isinstance(axis, Range):
            axis = float(np.median(config.axis_values(name, axis)))
            notes.append(f"{name} is held at {axis:g}, in the middle of its range.")
        elif isinstance(axis, list) and not shapes.get(name):
            axis = axis[0] if axis else 0.0
            notes.append(f"{name} is held at {axis:g}, the first of its values.")
        axes[name] = axis
    rule = questions.rule_of(configuration.rule)
    for name in (*objective.parameters, *rule.hyperparameters):
        value = axes.get(name)
        if len(ranges) < 2 and isinstance(value, int | float) and name != "seed":
            axes[name] = Range(*_about(value), SIDE)
            ranges.append(name)
            notes.append(f"{name} varies about {value:g}.")
    if len(ranges) < 2:
        raise ValueError("A map needs two axes: ranges, or numbers that can be varied.")
    if configuration.combine != "product":
        notes.append("The map is the product of its axes.")
    view = msgspec.structs.replace(
        configuration, axes=axes, keep=None, combine="product", tile=None,
        steps=min(configuration.steps, questions.STEPS),
    )  # fmt: skip
    questions.arguments(view, own)
    return view, tuple(notes)


def _about(value: float) -> tuple[float, float]:
    """A range about a value, which keeps its sign."""
    return (value / 2, value * 3 / 2) if value > 0 else (value - 1, value + 1)


def of_arrays(
    objective: Objective, axes: dict[str, Any], steps: int, rule: Any = None
) -> Configuration:
    """A configuration of an objective and axes as `eos_jax.sweep` takes them.

    Args:
      objective: any objective; it is the page's own.
      axes: numbers and arrays; an array of several values becomes the range between its ends.
      steps: the horizon.
      rule: the name of a registered rule, or such a rule; gradient descent by default.

    Returns:
      The configuration, which names no objective.

    Raises:
      ValueError: if the rule is not one that a configuration can name.
    """
    found = rules.as_rule(rule)
    if found.name not in rules.registry:
        raise ValueError(
            f"Argument `rule` must be one of {', '.join(sorted(rules.registry))} here, but got "
            f"{found!r}."
        )
    named = {"name": found.name, **found.settings}
    named |= {n: v for n, v in found.defaults.items() if n not in axes}
    shapes = dict(zip(objective.parameters, objective.shapes))
    plain = {name: _axis(value, shapes.get(name, ())) for name, value in axes.items()}
    return Configuration(steps, plain, rule=named)


def _axis(value: Any, shape: tuple[int, ...]) -> Range | Numbers | float:
    values = np.asarray(value, float)
    if values.ndim == len(shape):
        return values.tolist()
    return Range(float(values.min()), float(values.max()), SIDE)


def context_of(
    path: str | os.PathLike | None, changes: Sequence[str] = (), own: Objective | None = None
) -> Context:
    """What a server shows of a configuration's file, of a store, or by default.

    Args:
      path: a TOML file, or a store's folder.
      changes: of keys of the configuration; see `eos_jax.config.load`.
      own: a user's own objective.

    Raises:
      ValueError: if it cannot be shown.
      OSError: if it cannot be read.
    """
    if path is not None and Path(path).is_dir():
        if changes:
            raise ValueError("Option --set changes a configuration; a store is as it is.")
        dataset = stores.check(store.open_dataset(path))
        found = stores.system_of(dataset)
        return Context(found or DEFAULT, (), own, dataset, found is not None)
    if path is not None:
        configuration = config.load(path, changes)
    else:
        raw = msgspec.to_builtins(DEFAULT)
        if own is not None:
            raw |= {"objective": None, "axes": {**dict.fromkeys(own.parameters, 0.5), "eta": 0.1}}
        configuration = config.changed(raw, changes)
    try:
        return Context(*first(configuration, own), own)
    except ValueError as error:
        raise ValueError(f"{path}: {error}" if path else str(error)) from None
