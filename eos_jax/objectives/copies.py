"""Copies of a function with its own arrays, by walking over what the function reaches.

JAX remembers a NumPy array in the precision in which it first met it, by the array's identity, as
long as a program with it lives. A function that closes over an array of double precision and was
once compiled in single precision therefore fails in double, or works with rounded constants, and
the other way round. A copy is an array that JAX has not met.
"""

import copy
import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

_LIBRARIES = {"jax", "jaxlib", "numpy", "scipy", "optax", "flax", "equinox"}
_COMPILED = type(jax.jit(lambda: None))


def with_copies(function: Any, double: bool) -> Any:
    """The function with copies of the arrays that it reaches.

    Reached are what it closes over, globals it names, defaults, what `functools.partial` holds,
    attributes of a callable object, and the same of other functions that it reaches; not what is
    an attribute of a module.

    Args:
      function: any callable.
      double: whether the copy is for double precision; else JAX's arrays are cast to single.

    Returns:
      A callable that does the same; the function itself if it reaches no array.

    Example:
      >>> import numpy as np
      >>> from eos_jax.objectives.copies import with_copies
      >>> scale = np.array([2.0])
      >>> copied = with_copies(lambda a: a * scale, double=True)
      >>> scale[0] = 3.0
      >>> print(copied(1.0))
      [2.]
    """
    method = vars(type(function)).get("__call__")
    if isinstance(method, types.FunctionType):  # an object whose class says how it is called
        function = types.MethodType(method, function)
    return _copied(function, double, {})


def _copied(value: Any, double: bool, seen: dict[int, Any]) -> Any:
    """A copy of a value; each is copied once, so that a function may reach itself."""
    if id(value) not in seen:
        seen[id(value)] = (value, value)  # held, so that no other value gets its id
        copied = _copy(value, double, lambda part: _copied(part, double, seen))
        seen[id(value)] = (value, copied)
    return seen[id(value)][1]


def _copy(value: Any, double: bool, again: Callable[[Any], Any]) -> Any:
    """A copy of one value, of what `again` makes of its parts; the value itself if none changes."""
    if type(value) is np.ndarray:
        return value.copy() if value.dtype.kind in "biufc" else value
    if isinstance(value, jax.Array):
        return value if double else _narrowed(value)
    if isinstance(value, type | types.ModuleType):
        return value
    if isinstance(value, types.FunctionType):
        return value if _from_library(value) else _copy_function(value, again)
    if isinstance(value, _COMPILED):
        if _from_library(value):
            return value
        return _changed(value, [value.__wrapped__], again, lambda function: function)
    if isinstance(value, types.MethodType):
        return _changed(value, [value.__func__, value.__self__], again, types.MethodType)
    if isinstance(value, functools.partial):
        parts = [value.func, *value.args, *value.keywords.values()]

        def partial(func: Any, *rest: Any) -> Any:
            args, last = rest[: len(value.args)], rest[len(value.args) :]
            return functools.partial(func, *args, **dict(zip(value.keywords, last)))

        return _changed(value, parts, again, partial)
    leaves, structure = jax.tree.flatten(value)
    if not jax.tree_util.treedef_is_leaf(structure):  # lists, tables, models
        return _changed(value, leaves, again, lambda *new: structure.unflatten(new))
    if hasattr(value, "__dict__") and not _from_library(type(value)):
        return _changed(
            value, list(vars(value).values()), again, functools.partial(_with_attributes, value)
        )
    return value


def _changed(value: Any, parts: list[Any], again: Callable, build: Callable[..., Any]) -> Any:
    """What `build` makes of the copied parts; the value itself if no part changed."""
    new = list(map(again, parts))
    return build(*new) if any(a is not b for a, b in zip(new, parts)) else value


def _copy_function(function: types.FunctionType, again: Callable[[Any], Any]) -> Any:
    """A copy of a function, with copies of its globals, closure and defaults."""
    named = [n for n in _globals_of(function.__code__) if n in function.__globals__]
    cells = [c for c in function.__closure__ or () if _is_filled(c)]
    defaults, keywords = list(function.__defaults__ or ()), dict(function.__kwdefaults__ or {})
    parts = [function.__globals__[n] for n in named]
    parts += [*(cell.cell_contents for cell in cells), *defaults, *keywords.values()]

    def build(*new: Any) -> Any:
        values = iter(new)
        globals_ = {**function.__globals__, **{n: next(values) for n in named}}
        contents = {id(cell): next(values) for cell in cells}
        closure = tuple(
            types.CellType(contents[id(c)]) if id(c) in contents else c
            for c in function.__closure__ or ()
        )
        made = types.FunctionType(
            function.__code__,
            globals_,
            function.__name__,
            tuple(next(values) for _ in defaults),
            closure,
        )
        made.__kwdefaults__ = {n: next(values) for n in keywords}
        return made

    return _changed(function, parts, again, build)


def _is_filled(cell: Any) -> bool:
    """Whether a variable of a closure has a value yet."""
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _with_attributes(value: Any, *attributes: Any) -> Any:
    """A shallow copy of an object with other values of its attributes."""
    made = copy.copy(value)
    vars(made).update(zip(vars(value), attributes))
    return made


def _globals_of(code: types.CodeType) -> Iterator[str]:
    """Names that a function and those defined in it look up."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _globals_of(constant)


def _from_library(value: Any) -> bool:
    """Whether a function or class is a library's, whose arrays are its own affair."""
    return str(getattr(value, "__module__", "")).split(".")[0] in _LIBRARIES


def _narrowed(array: jax.Array) -> jax.Array:
    """An array of JAX as single precision has it."""
    if isinstance(array, Tracer) or jax.dtypes.issubdtype(array.dtype, jax.dtypes.extended):
        return array
    with jax.enable_x64(False), jax.ensure_compile_time_eval():
        dtype = jax.dtypes.canonicalize_dtype(array.dtype)
        return array if dtype == array.dtype else jnp.asarray(np.asarray(array).astype(dtype))
