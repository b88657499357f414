"""What an objective is: a pure function of one point, and what is known about it.

A *coupled* model is a loss on a full space in which groups of coordinates start equal and
therefore stay equal under gradient descent: 1/2 (1 - x1 x2 y1 y2)^2 with x1 = x2 = x and
y1 = y2 = y is described by the two parameters (x, y), each standing for two copies. Losses,
gradients and Hessians always belong to the full space; `lift` maps parameters to it. An
uncoupled objective is the case of one copy each.
"""

import functools
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from eos_jax.registry import arguments, call, in_words, key_of, recorded, shared

Parameters = Mapping[str, Any]
"""One point, or one per lane: a dict from parameter names to arrays."""


@dataclass(frozen=True, eq=False)
class Objective:
    """A loss on a full space, its parameters, and the closed forms known for it.

    Attributes:
      name: what it is called in configurations, datasets and pictures.
      full_loss: loss of one full point, a dict from names to tuples of copies.
      parameters: names of the parameters, in order.
      copies: how many equal coordinates of the full space each parameter stands for.
      shapes: shape of each parameter at one point; () for a scalar.
      floor: the least value of the loss, or a bound below it; None if not known.
      settings: the arguments that `make` rebuilds the objective from.
      eigenvalues: closed form of the full Hessian's eigenvalues at one point, if known: a tuple.
      data: what the loss was made with, by name.
      loss_with_data: the loss of one full point on other data of these names, if it has any;
        `full_loss` is this function at `data`.
      structure: of nested parameters, for `flatten` and `unflatten`; None where they are flat.
    """

    name: str
    full_loss: Callable[[dict[str, tuple]], jax.Array]
    parameters: tuple[str, ...]
    copies: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]
    floor: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    eigenvalues: Callable[[Parameters], tuple[jax.Array, ...]] | None = None
    data: Mapping[str, np.ndarray] = field(default_factory=dict)
    loss_with_data: Callable[[dict[str, tuple], Mapping[str, Any]], jax.Array] | None = None
    structure: Any = None

    def __repr__(self) -> str:
        """What made it; the parameters with their shapes and copies; the shapes of its data."""
        made = f"({', '.join(in_words(self.settings))})" if self.settings else ""
        parts = [
            f"{name}{f' {shape}' if shape else ''}{f' x{copies}' if copies > 1 else ''}"
            for name, shape, copies in zip(self.parameters, self.shapes, self.copies)
        ]
        data = [f"{name} {value.shape}" for name, value in self.data.items() if value.ndim]
        on = f"; data {', '.join(data)}" if data else ""
        return f"Objective({self.name}{made}: {', '.join(parts)}{on})"


def lift(objective: Objective, params: Parameters) -> dict[str, tuple]:
    r"""The point of the full space that the parameters stand for.

    Args:
      objective: the objective.
      params: one point, leaves of the objective's shapes.

    Returns:
      A dict from each name to the tuple of its copies.

    Example:
      >>> import eos_jax as eos
      >>> eos.objectives.lift(eos.objectives.scalar_product((1, 2)), {"x": 3.0, "y": 0.5})
      {'x': (3.0,), 'y': (0.5, 0.5)}
    """
    return {
        name: (params[name],) * copies
        for name, copies in zip(objective.parameters, objective.copies)
    }


def inner(objective: Objective, first: Parameters, second: Parameters) -> jax.Array:
    """Inner product over the full space of two mappings like the parameters: copies count.

    Args:
      objective: the objective.
      first: leaves of the objective's shapes.
      second: likewise.

    Returns:
      Scalar.

    Example:
      >>> import eos_jax as eos, jax.numpy as jnp
      >>> from eos_jax.objectives.base import inner
      >>> point = {"x": jnp.asarray(1.0), "y": jnp.asarray(2.0)}
      >>> print(inner(eos.objectives.scalar_product((3, 1)), point, point))  # 3 * 1^2 + 2^2
      7.0
    """
    products = (
        copies * jnp.sum(first[name] * second[name])
        for name, copies in zip(objective.parameters, objective.copies)
    )
    return functools.reduce(jnp.add, products)


def loss_of_first_copies(objective: Objective, params: Parameters) -> Callable:
    """The loss as a function of the first copy of each parameter, the others held at `params`.

    Its gradient is what full-space gradient descent applies to every copy alike; it is not the
    gradient of the reduced function, which is larger by the number of copies.
    """
    others = {name: copies[1:] for name, copies in lift(objective, params).items()}
    return lambda first: objective.full_loss(
        {name: (first[name], *others[name]) for name in objective.parameters}
    )


def over_lanes(
    objective: Objective, function: Callable, params: Parameters, *, tile: int | None = None
) -> Any:
    """Apply a function of one point to every lane of `params`, at most `tile` lanes at a time."""
    params = as_parameters(objective, params)
    shapes = dict(zip(objective.parameters, objective.shapes))
    leading = {n: leaf.shape[: leaf.ndim - len(shapes[n])] for n, leaf in params.items()}
    lanes = jnp.broadcast_shapes(*leading.values())
    if lanes == ():
        return function(params)
    flat = {
        n: jnp.broadcast_to(leaf, lanes + shapes[n]).reshape(-1, *shapes[n])
        for n, leaf in params.items()
    }
    if tile is not None and math.prod(lanes) > tile:
        result = jax.lax.map(function, flat, batch_size=tile)
    else:
        result = jax.vmap(function)(flat)
    return jax.tree.map(lambda leaf: leaf.reshape(lanes + leaf.shape[1:]), result)


def each_lane(function: Callable, objective: Objective, params: Parameters) -> Any:
    """`function(objective, point)` at every lane: part of what is traced, else compiled once."""
    params = as_parameters(objective, params)
    traced = any(isinstance(leaf, Tracer) for leaf in params.values())
    return (_each_lane if traced else _compiled_each_lane)(function, objective, params)


def _each_lane(function, objective, params):
    return over_lanes(objective, functools.partial(function, objective), params)


_compiled_each_lane = jax.jit(_each_lane, static_argnums=(0, 1))


def as_parameters(objective: Objective, params: Parameters) -> dict[str, jax.Array]:
    """The parameters as a dict of arrays of one floating dtype, checked against the objective."""
    check_names(objective, params)
    params = {n: jnp.asarray(v) if isinstance(v, list | tuple) else v for n, v in params.items()}
    dtype = jnp.result_type(*params.values(), jnp.float16)  # integers become floats
    if dtype == jnp.float16:
        dtype = jnp.result_type(float)
    arrays = {name: jnp.asarray(params[name], dtype) for name in objective.parameters}
    for name, shape in zip(objective.parameters, objective.shapes):
        if shape and arrays[name].shape[-len(shape) :] != shape:
            raise ValueError(
                f"Argument `params` must give `{name}` the trailing shape {shape}, "
                f"but got {arrays[name].shape}."
            )
    return arrays


def check_names(objective: Objective, given: Mapping[str, Any], argument: str = "params") -> None:
    """Raise unless exactly the objective's parameters are given."""
    if not isinstance(objective, Objective):
        raise ValueError(
            f"Argument `objective` must be an Objective, but got {type(objective).__name__}; "
            "eos.objectives.from_function makes one."
        )
    missing = [name for name in objective.parameters if name not in given]
    unknown = [name for name in given if name not in objective.parameters]
    if missing or unknown:
        raise ValueError(
            f"Argument `{argument}` must give the parameters "
            f"{', '.join(f'`{p}`' for p in objective.parameters)} of {objective.name}, but got "
            f"{', '.join(f'`{p}`' for p in given) or 'nothing'}."
        )


def loss(objective: Objective, params: Parameters) -> jax.Array:
    """The loss, at one point or at every lane.

    Args:
      objective: the objective.
      params: leaves of shape (lanes...) + the parameter's shape.

    Returns:
      Array of shape (lanes...).

    Raises:
      ValueError: if the names or shapes are not the objective's.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> print(eos.loss(obj, {"x": 2.5, "y": 0.8}))
      4.5
    """
    return each_lane(_loss, objective, params)


def _loss(objective, point):
    return objective.full_loss(lift(objective, point))


def gradient(objective: Objective, params: Parameters) -> dict[str, jax.Array]:
    r"""The gradient that gradient descent uses: of the full-space loss, per copy.

    For 1/2 (1 - x x y y)^2 this is x y^2 (x^2 y^2 - 1) in x, half the reduced function's.

    Args:
      objective: the objective.
      params: leaves of shape (lanes...) + the parameter's shape.

    Returns:
      A dict of arrays like `params`.

    Raises:
      ValueError: if the names or shapes are not the objective's.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> g = eos.gradient(obj, {"x": 2.0, "y": 1.0})
      >>> print(g["x"], g["y"])
      6.0 12.0

    Source: Zhu et al. 2023, section 3 (the coupled 4-scalar model).
    """
    found = each_lane(_gradient, objective, params)
    return {name: found[name] for name in objective.parameters}


def _gradient(objective, point):
    return jax.grad(loss_of_first_copies(objective, point))(point)


class Family(NamedTuple):
    """A registered family of objectives: how to make one, and settings that the tests try."""

    make: Callable[..., Objective]
    examples: tuple[Mapping[str, Any], ...]


registry: dict[str, Family] = {}
"""Families of objectives by name; filled by `register`, read by configurations and tests."""


def register(*, examples: Sequence[Mapping[str, Any]] = ({},)) -> Callable:
    """Register a function that makes objectives, under its own name.

    Equal settings give the same object, so compiled programs are found again.

    Args:
      examples: settings with which the contract tests make an objective.

    Returns:
      A decorator.
    """

    def decorate(make: Callable[..., Objective]) -> Callable[..., Objective]:
        made: dict[Hashable, Objective] = {}

        @functools.wraps(make)
        def wrapped(*args: Any, **kwargs: Any) -> Objective:
            given = arguments(make, args, kwargs)

            def build() -> Objective:
                objective = make(**given)
                settings = {name: recorded(value) for name, value in given.items()}
                return replace(objective, settings={**settings, **objective.settings})

            return shared(made, key_of(given), build)

        registry[wrapped.__name__] = Family(wrapped, tuple(examples))
        return wrapped

    return decorate


def make(name: str, **settings: Any) -> Objective:
    """An objective by its registered name, as configurations give it.

    Args:
      name: the name of a registered family.
      **settings: the family's arguments.

    Returns:
      The objective.

    Raises:
      ValueError: if the name or a setting is unknown.

    Example:
      >>> import eos_jax as eos
      >>> eos.objectives.make("scalar_product", multiplicities=[2, 2])
      Objective(scalar_product(multiplicities=(2, 2)): x x2, y x2)
    """
    makers = {key: family.make for key, family in registry.items()}
    return call("an objective", makers, name, settings)
