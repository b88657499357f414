"""What an objective is: a pure function of one point, and what is known about it.

A *coupled* model is a loss on a full space in which groups of coordinates start equal and
therefore stay equal under gradient descent: 1/2 (1 - x1 x2 y1 y2)^2 with x1 = x2 = x and
y1 = y2 = y is described by the two parameters (x, y), each standing for two copies. Losses,
gradients and Hessians always belong to the full space; `lift` maps parameters to it. An
uncoupled objective is the case of one copy each.
"""

import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

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
      floor: the least value of the loss; losses are judged by their excess over it.
      settings: the arguments that `make` rebuilds the objective from.
      eigenvalues: closed form of the full Hessian's eigenvalues at one point, if known: a tuple.
    """

    name: str
    full_loss: Callable[[dict[str, tuple]], jax.Array]
    parameters: tuple[str, ...]
    copies: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]
    floor: float | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    eigenvalues: Callable[[Parameters], tuple[jax.Array, ...]] | None = None

    def __repr__(self) -> str:
        """The name, and the parameters with their copies."""
        names = (p if c == 1 else f"{p} x{c}" for p, c in zip(self.parameters, self.copies))
        return f"Objective({self.name}: {', '.join(names)})"


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
):
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


def as_parameters(objective: Objective, params: Parameters) -> dict[str, jax.Array]:
    """The parameters as a dict of arrays of one floating dtype, checked against the objective."""
    check_names(objective, params)
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
    return over_lanes(objective, lambda p: objective.full_loss(lift(objective, p)), params)


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
    found = over_lanes(objective, lambda p: jax.grad(loss_of_first_copies(objective, p))(p), params)
    return {name: found[name] for name in objective.parameters}


def from_function(
    function: Callable,
    parameters: Sequence[str] | None = None,
    floor: float | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    name: str | None = None,
) -> Objective:
    """An objective from one pure JAX function.

    Args:
      function: f(a, b) or f({"a": ..., "b": ...}), returning a scalar loss of one point. It is
        traced once here, without values, to see that it does.
      parameters: names of the parameters; by default the function's own argument names.
      floor: the least value of the loss.
      shapes: shape of each parameter that is not a scalar.
      name: what to call it; by default the function's name.

    Returns:
      The objective.

    Raises:
      ValueError: if the names do not fit the function's arguments, if it does not return a
        scalar, or if the floor is not finite.

    Example:
      >>> import eos_jax as eos
      >>> def rosenbrock(a, b):
      ...     return (1 - a) ** 2 + 100 * (b - a**2) ** 2
      >>> obj = eos.objectives.from_function(rosenbrock)
      >>> obj
      Objective(rosenbrock: a, b)
      >>> print(eos.loss(obj, {"a": 0.0, "b": 0.0}))
      1.0
    """
    arguments = [
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
    ]
    parameters = tuple(arguments if parameters is None else parameters)
    if not parameters or len(set(parameters)) != len(parameters):
        raise ValueError(
            f"Argument `parameters` must name each parameter once, but got {parameters}."
        )
    if floor is not None and not float("-inf") < floor < float("inf"):
        raise ValueError(f"Argument `floor` must be finite, but got {floor}.")
    if len(arguments) == 1 and arguments != list(parameters):
        call = function  # one argument that is not a parameter: it takes the dict
    elif set(arguments) == set(parameters):
        call = lambda point: function(*(point[a] for a in arguments))  # noqa: E731
    elif len(arguments) == len(parameters):
        call = lambda point: function(*point.values())  # noqa: E731
    else:
        raise ValueError(
            f"Argument `function` must take {', '.join(parameters)} or one dict, but takes "
            f"({', '.join(arguments)})."
        )
    shapes = shapes or {}
    if not set(shapes) <= set(parameters):
        raise ValueError(
            f"Argument `shapes` must name parameters among {parameters}, but got {tuple(shapes)}."
        )
    shapes = {p: tuple(shapes.get(p, ())) for p in parameters}
    result = jax.eval_shape(call, {p: jax.ShapeDtypeStruct(s, float) for p, s in shapes.items()})
    if (
        not hasattr(result, "dtype")
        or result.shape
        or not jnp.issubdtype(result.dtype, jnp.floating)
    ):
        raise ValueError(
            f"Argument `function` must return a scalar loss, a real number, but returns {result}."
        )
    return Objective(
        name=name or getattr(function, "__name__", "objective"),
        full_loss=lambda full: call({p: full[p][0] for p in parameters}),
        parameters=parameters,
        copies=(1,) * len(parameters),
        shapes=tuple(shapes.values()),
        floor=None if floor is None else float(floor),
    )


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
        signature = inspect.signature(make)

        @functools.cache
        def build(frozen: tuple, kinds: tuple) -> Objective:
            return replace(make(**dict(frozen)), settings=dict(frozen))

        @functools.wraps(make)
        def wrapped(*args, **kwargs) -> Objective:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            frozen = tuple((k, _frozen(v)) for k, v in bound.arguments.items())
            try:
                hash(frozen)
            except TypeError:  # cannot be looked up; such as a table where a list belongs
                return replace(make(**dict(frozen)), settings=dict(frozen))
            return build(frozen, _kinds(frozen))  # 1, 1.0 and True are equal as keys

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
      Objective(scalar_product: x x2, y x2)
    """
    if name not in registry:
        raise ValueError(
            f"Argument `name` of an objective must be one of {', '.join(sorted(registry))}, "
            f"but got {name!r}."
        )
    family = registry[name].make
    try:
        inspect.signature(family).bind(**settings)
    except TypeError as error:
        allowed = ", ".join(inspect.signature(family).parameters)
        raise ValueError(
            f"The settings of objective `{name}` must be {allowed}, but got "
            f"{', '.join(settings) or 'none'} ({error})."
        ) from None
    return family(**settings)


def _frozen(value):
    """Lists as tuples, so that settings from a configuration file are hashable."""
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def _kinds(value):
    """Types of a frozen setting and of everything in it."""
    return tuple(map(_kinds, value)) if isinstance(value, tuple) else type(value)
