"""A user's own loss: any JAX function of one point, on the user's own data.

The function is traced once, when its objective is made, in double and in single precision; from
then on the traces are evaluated, not the function. So an objective never changes, whatever
becomes of the function's globals, and constants enter it in the precision of the lanes.

Equal traces give the same objective, so that compiled programs are found again.
"""

import functools
import inspect
import threading
import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.custom_derivatives import SymbolicZero
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from eos_jax import fingerprint
from eos_jax.objectives.base import Objective
from eos_jax.objectives.copies import with_copies
from eos_jax.registry import shared

_made: dict[Hashable, Objective] = {}
_tracing = threading.RLock()  # warnings are filtered while tracing, for all threads alike


def from_function(
    function: Callable[..., Any],
    parameters: Sequence[str] | None = None,
    data: Mapping[str, Any] | None = None,
    floor: float | None = None,
    shapes: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> Objective:
    """An objective from one pure JAX function.

    Args:
      function: f(a, b) or f({"a": ..., "b": ...}), then the data by name: f(a, b, X, y). It
        returns a scalar loss of one point, and is traced here, without values, with its
        derivatives; afterwards it is not called again.
      parameters: names of the parameters; by default the function's own argument names.
      data: arrays by argument name, of any dtype; floating ones are cast to the dtype of the
        parameters, integers stay.
      floor: the least value of the loss, or a bound below it; None if not known.
      shapes: shape of each parameter that is not a scalar, or an array of that shape, such as a
        start.
      name: what to call it; by default the function's name.

    Returns:
      The objective; the same one for a function that does the same.

    Raises:
      ValueError: if the names do not fit the function's arguments, if it fails, does not return a
        scalar or cannot be differentiated twice, or if the floor is not finite.

    Example:
      >>> import eos_jax as eos, numpy as np
      >>> def rosenbrock(a, b):
      ...     return (1 - a) ** 2 + 100 * (b - a**2) ** 2
      >>> obj = eos.objectives.from_function(rosenbrock)
      >>> obj
      Objective(rosenbrock: a, b)
      >>> print(eos.loss(obj, {"a": 0.0, "b": 0.0}))
      1.0
      >>> def line(a, b, X, y):
      ...     return ((a * X + b - y) ** 2).mean()
      >>> data = {"X": np.array([0.0, 1.0]), "y": np.array([1.0, 3.0])}
      >>> obj = eos.objectives.from_function(line, data=data)
      >>> print(eos.loss(obj, {"a": 2.0, "b": 0.0}))
      1.0
    """
    data = checked_data(data)
    positional, keywords = _arguments(function)
    unknown = [key for key in data if key not in (*positional, *keywords)]
    if unknown:
        raise ValueError(
            f"Argument `data` must name arguments of the function, ({', '.join(positional)}), "
            f"but got {', '.join(map(repr, unknown))}."
        )
    free = [argument for argument in positional if argument not in data]
    names = tuple(free if parameters is None else parameters)
    if not names or len(set(names)) != len(names) or not all(isinstance(n, str) for n in names):
        raise ValueError(f"Argument `parameters` must name each parameter once, but got {names}.")
    if len(free) == 1 and free != list(names):
        order = None  # one argument that is not a parameter: it takes the dict
    elif set(free) == set(names):
        order = free
    elif len(free) == len(names):
        order = names
    else:
        raise ValueError(
            f"Argument `function` must take {', '.join(names)} or one dict, but takes "
            f"({', '.join(free)})."
        )
    given = {n: getattr(shape, "shape", shape) for n, shape in (shapes or {}).items()}
    if not set(given) <= set(names):
        raise ValueError(
            f"Argument `shapes` must name parameters among {names}, but got {tuple(given)}."
        )

    def call(function: Callable, point: dict[str, Any], data: Mapping[str, Any]) -> Any:
        values = iter([point] if order is None else [point[n] for n in order])
        ordered = [data[a] if a in data else next(values) for a in positional]
        return function(*ordered, **{key: data[key] for key in data if key not in positional})

    return objective_of(
        function, call, {n: tuple(given.get(n, ())) for n in names}, data, floor, name
    )


def as_objective(objective: Any) -> Objective:
    """The objective that is meant: an objective, or a loss of scalars without data.

    Args:
      objective: an `Objective`, or what `from_function` takes alone.

    Returns:
      The objective.

    Raises:
      ValueError: if it is neither, or as `from_function`.

    Example:
      >>> from eos_jax.objectives.own import as_objective
      >>> as_objective(lambda a, b: (a * b - 1) ** 2)
      Objective(<lambda>: a, b)
    """
    if isinstance(objective, Objective):
        return objective
    if callable(objective) and not isinstance(objective, type):
        return from_function(objective)
    raise ValueError(
        "Argument `objective` must be an Objective, or a loss as a function of its parameters, but "
        f"got {type(objective).__name__}; eos.objectives.from_function makes one, also with data."
    )


def objective_of(
    function: Callable[..., Any],
    call: Callable[..., Any],
    shapes: Mapping[str, tuple[int, ...]],
    data: Mapping[str, np.ndarray],
    floor: float | None,
    name: str | None,
    structure: Any = None,
    key: Hashable = (),
) -> Objective:
    """The objective of a user's function: traced, checked, and the same one for equal traces.

    Args:
      function: the user's function.
      call: (function, {parameter: value}, {name: data}) -> loss, of one point.
      shapes: shape of each parameter, in order.
      data: arrays by name.
      floor: the least value of the loss, or None.
      name: what to call it; by default the function's name.
      structure: of nested parameters.
      key: what else tells objectives apart.

    Returns:
      The objective.

    Raises:
      ValueError: as `from_function`.
    """
    if floor is not None and not float("-inf") < floor < float("inf"):
        raise ValueError(f"Argument `floor` must be finite, but got {floor}.")
    title = name or _name(function)

    def traced(double: bool, kinds: tuple) -> ClosedJaxpr:
        """The loss in one precision, on data of these shapes and dtypes."""
        copied = functools.partial(call, with_copies(function, double))
        return _traced(copied, title, double, shapes, kinds)

    trace = _Once(traced)

    def evaluate(full: dict[str, tuple], data: Mapping[str, Any]) -> jax.Array:
        double = jnp.result_type(*(full[n][0] for n in shapes), float) == jnp.float64
        with jax.enable_x64(double):
            point = {n: jnp.asarray(full[n][0], _float(double)) for n in shapes}
            data = {n: _in_precision(value, double) for n, value in data.items()}
            return _run(trace(double, _kinds(data)), point, data)

    kinds = {double: _kinds_in(data, double) for double in (True, False)}
    double = trace(True, kinds[True])
    derivatives = _derivatives(double, title, shapes, kinds[True])
    try:
        single = trace(False, kinds[False])
    except ValueError:  # said again where lanes of single precision ask for it
        single = None
    objective = Objective(
        name=title,
        full_loss=lambda full: evaluate(full, data),
        parameters=tuple(shapes),
        copies=(1,) * len(shapes),
        shapes=tuple(shapes.values()),
        floor=None if floor is None else float(floor),
        data=data,
        loss_with_data=evaluate if data else None,
        structure=structure,
    )
    traces = [t for t in (double, single, *derivatives) if t is not None]
    if any(fingerprint.has_callback(t) or any(map(_is_tracer, t.consts)) for t in traces):
        return objective  # what it does is not all in the traces
    prints = tuple(map(fingerprint.digest, traces))
    known = (title, tuple(shapes.items()), floor, fingerprint.of_arrays(data), prints, key)
    return shared(_made, known, lambda: objective)


class _Once:
    """A function that is called once for each of its arguments; a pickled copy begins anew."""

    def __init__(self, function: Callable) -> None:
        self.function = functools.cache(function)

    def __call__(self, *key: Hashable) -> Any:
        return self.function(*key)

    def __reduce__(self) -> tuple:
        return _Once, (self.function.__wrapped__,)


def checked_data(data: Mapping[str, Any] | None) -> dict[str, np.ndarray]:
    """The data as arrays that nobody can change.

    Args:
      data: arrays by name, or None.

    Returns:
      Copies by name, read-only.

    Raises:
      ValueError: if something is not an array of numbers or its name not one of an argument.
    """
    if not isinstance(data, Mapping | None):
        raise ValueError(
            f"Argument `data` must be a table of arrays, but got a {type(data).__name__}."
        )
    arrays = {}
    for name, value in (data or {}).items():
        try:
            array = np.array(value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"Argument `data` must give `{name}` as an array: {error}") from error
        if not (jnp.issubdtype(array.dtype, jnp.number) or array.dtype == bool):
            raise ValueError(
                f"Argument `data` must give `{name}` as numbers, but got dtype {array.dtype}."
            )
        array.setflags(write=False)
        arrays[name] = array
    return arrays


def _arguments(function: Any) -> tuple[list[str], list[str]]:
    """Names of the arguments without a default, and of the others that can be given by name."""
    if not callable(function):
        raise ValueError(f"Argument `function` must be a function, but got {function!r}.")
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Argument `function` must have arguments that can be read, but {function!r} has not."
        ) from error
    positional = [
        p.name
        for p in found
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
    ]
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return positional, [p.name for p in found if p.kind in named and p.name not in positional]


def _name(function: Any) -> str:
    """What a function is called; a partial one as what it calls, an object as its class."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__name__", type(function).__name__)


# Traces ------------------------------------------------------------------------------------------


def _float(double: bool) -> type:
    return np.float64 if double else np.float32


def _in_precision(value: Any, double: bool) -> Any:
    """Data in one precision: floats cast, integers only where 64 bits are not to be had."""
    dtype = jnp.result_type(value)
    if jnp.issubdtype(dtype, jnp.floating):
        dtype = np.dtype(_float(double))
    dtype = jax.dtypes.canonicalize_dtype(dtype)
    return value.astype(dtype) if hasattr(value, "astype") else jnp.asarray(value, dtype)


def _kinds(data: Mapping[str, Any]) -> tuple:
    """Shapes and dtypes of data, by which traces are found."""
    return tuple((name, np.shape(d), np.dtype(d.dtype)) for name, d in sorted(data.items()))


def _kinds_in(data: Mapping[str, np.ndarray], double: bool) -> tuple:
    """The kinds that data have in one precision."""
    with jax.enable_x64(double):
        return _kinds({name: _in_precision(value, double) for name, value in data.items()})


def _structs(double: bool, shapes: Mapping[str, tuple[int, ...]], kinds: tuple) -> tuple:
    point = {n: jax.ShapeDtypeStruct(shape, _float(double)) for n, shape in shapes.items()}
    return point, {n: jax.ShapeDtypeStruct(shape, dtype) for n, shape, dtype in kinds}


def _traced(
    call: Callable[..., Any], title: str, double: bool, shapes: Mapping[str, Any], kinds: tuple
) -> ClosedJaxpr:
    """The loss as JAX sees it, with constants that nobody else holds."""
    with _tracing, jax.enable_x64(double), warnings.catch_warnings():
        # an array in double precision is cast where there is single precision only, as meant
        warnings.filterwarnings("ignore", message="Explicitly requested dtype")
        try:
            traced = jax.make_jaxpr(call, return_shape=True)
            closed, found = traced(*_structs(double, shapes, kinds))
        except Exception as error:
            raise ValueError(
                f"Argument `function`: {title} fails in {'double' if double else 'single'} "
                f"precision with {_in_short(error)}"
            ) from error
        real = (jnp.floating, jnp.signedinteger, jnp.unsignedinteger)
        if getattr(found, "shape", None) != () or not any(
            jnp.issubdtype(found.dtype, kind) for kind in real
        ):
            raise ValueError(
                "Argument `function` must return a scalar loss, a real number, "
                f"but {title} returns {found}."
            )
        return ClosedJaxpr(closed.jaxpr, [_own(constant) for constant in closed.consts])


def _derivatives(
    closed: ClosedJaxpr, title: str, shapes: Mapping[str, Any], kinds: tuple
) -> list[ClosedJaxpr]:
    """The gradient and the Hessian's product with a vector, as JAX sees them."""
    with jax.enable_x64(True):
        point, data = _structs(True, shapes, kinds)
        slope = jax.grad(functools.partial(_run, closed))

        def product(point: Any, vector: Any, data: Any) -> Any:
            return jax.jvp(lambda p: slope(p, data), (point,), (vector,))[1]

        try:
            first = jax.make_jaxpr(slope)(point, data)
            second = jax.make_jaxpr(product)(point, point, data)
            if "custom_lin" in fingerprint.operations(second):  # JAX says so when it runs
                raise TypeError("its gradient has a derivative of its own, backwards only")
            return [first, second]
        except Exception as error:
            raise ValueError(
                f"Argument `function` must be differentiable twice, but {title} is not: "
                f"{_in_short(error)}"
            ) from error


def _run(closed: ClosedJaxpr, point: Any, data: Any) -> jax.Array:
    """The loss, in the precision of the parameters."""
    own = any(name.startswith("custom_vjp") for name in fingerprint.operations(closed))
    (value,) = (_forward_too if own else jaxpr_as_fun)(closed)(*jax.tree.leaves((point, data)))
    return jnp.asarray(value, jnp.result_type(*jax.tree.leaves(point)))


def _forward_too(closed: ClosedJaxpr) -> Callable[..., list[jax.Array]]:
    """A loss with derivatives of its own, which JAX takes backwards only, for both directions.

    dL = <grad L, dx>, the gradient being the user's.
    """
    backwards = jaxpr_as_fun(closed)
    loss = jax.custom_jvp(backwards)

    def tangent(primals: Any, tangents: Any) -> Any:
        # all floats, also those that stand still here: an outer derivative may move them
        free = [k for k, primal in enumerate(primals) if jnp.issubdtype(primal.dtype, jnp.floating)]

        def of_free(values: Any) -> jax.Array:
            return backwards(*(dict(enumerate(primals)) | dict(zip(free, values))).values())[0]

        slopes = dict(zip(free, jax.grad(of_free)([primals[k] for k in free])))
        moves = {k: t for k, t in enumerate(tangents) if not isinstance(t, SymbolicZero)}
        # the value by this function again: an outer derivative of it comes here, too
        return loss(*primals), [sum(jnp.sum(slopes[k] * move) for k, move in moves.items())]

    loss.defjvp(tangent, symbolic_zeros=True)
    return loss


def _in_short(error: Exception) -> str:
    """Kind and first line of an error."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def _is_tracer(value: Any) -> bool:
    return isinstance(value, Tracer)


def _own(constant: Any) -> Any:
    """A copy of a constant in NumPy; random keys and values being traced stay."""
    if _is_tracer(constant) or jax.dtypes.issubdtype(constant.dtype, jax.dtypes.extended):
        return constant
    return np.array(constant)
