"""What families of objectives, rules and observers share: equal arguments give the same object.

A compiled program belongs to the objects it was made with, so a second equal call must find the
first one's objects. Settings are compared by content and type.
"""

import functools
import inspect
import threading
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

import jax
import numpy as np

from eos_jax import fingerprint

MOST_SHARED = 256
"""Objects of one family that are kept."""

Made = TypeVar("Made")

_lock = threading.Lock()


def shared(made: dict[Hashable, Made], key: Hashable, build: Callable[[], Made]) -> Made:
    """The object made for this key before, or a new one; the last `MOST_SHARED` are kept.

    Args:
      made: objects by key, the one used last at the end.
      key: what the object depends on; if it cannot be hashed, nothing is kept.
      build: makes the object.

    Returns:
      The object.
    """
    try:
        found = made.get(key)
    except TypeError:  # a table where a list belongs, for example
        return build()
    built = build() if found is None else found
    with _lock:
        built = made.pop(key, built)
        made[key] = built
        while len(made) > MOST_SHARED:
            del made[next(iter(made))]
    return built


def made_once(function: Callable) -> Callable:
    """Keep a function's last results; threads that ask for the same one wait for who makes it.

    Args:
      function: of arguments that can be hashed.

    Returns:
      The function with a memory.
    """
    known = functools.lru_cache(maxsize=MOST_SHARED)(function)
    lock = threading.RLock()

    @functools.wraps(function)
    def found(*args: Any, **kwargs: Any) -> Any:
        with lock:
            return known(*args, **kwargs)

    return found


def arguments(make: Callable, args: tuple, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments of a call by name, defaults included, plain: lists as tuples."""
    bound = inspect.signature(make).bind(*args, **kwargs)
    bound.apply_defaults()
    result = {}
    for parameter in inspect.signature(make).parameters.values():
        value = bound.arguments[parameter.name]
        if parameter.kind is parameter.VAR_KEYWORD:
            result |= {name: plain(each) for name, each in value.items()}
        else:
            result[parameter.name] = plain(value)
    return result


def plain(value: Any) -> Any:
    """Lists as tuples and NumPy's scalars as Python's, so that settings can be looked up."""
    if isinstance(value, list | tuple):
        return tuple(map(plain, value))
    return value.item() if isinstance(value, np.generic) else value


def key_of(value: Any) -> Hashable:
    """What a setting is looked up by: arrays by content; 1, 1.0 and True are not equal."""
    if isinstance(value, Mapping):
        return tuple((name, key_of(each)) for name, each in value.items())
    if isinstance(value, tuple):
        return tuple(map(key_of, value))
    return (type(value), fingerprint.of_arrays({"": value}) if is_array(value) else value)


def recorded(value: Any) -> Any:
    """A setting as configurations record it: arrays by their fingerprints."""
    if isinstance(value, tuple):
        return tuple(map(recorded, value))
    return f"sha256:{fingerprint.of_arrays({'': value})}" if is_array(value) else value


def in_words(settings: Mapping[str, Any]) -> list[str]:
    """Settings as a reader sees them: what was not given is left out, arrays are their shapes.

    Example:
      >>> in_words({"sizes": (2, 1), "label": None, "data": np.ones((3, 2))})
      ['sizes=(2, 1)', 'data=array of (3, 2)']
    """
    return [
        f"{name}={f'array of {value.shape}' if is_array(value) else repr(value)}"
        for name, value in settings.items()
        if value is not None
    ]


def is_array(value: Any) -> bool:
    """Whether a setting is an array, of NumPy or of JAX."""
    return isinstance(value, np.ndarray | jax.Array)


def call(kind: str, families: Mapping[str, Callable], name: str, settings: Mapping) -> Any:
    """The object that a configuration names, with its settings.

    Args:
      kind: what it is, in a word with its article, such as "a rule".
      families: what makes the objects, by name.
      name: the name given.
      settings: the arguments given.

    Returns:
      The object.

    Raises:
      ValueError: if the name or a setting is unknown.

    Example:
      >>> from eos_jax import registry
      >>> registry.call("a thing", {"pair": lambda first, second: (first, second)}, "pair",
      ...               {"first": 1})
      Traceback (most recent call last):
      ValueError: The settings of thing `pair` must be among first, second, but got first (missing \
a required argument: 'second').
    """
    if name not in families:
        raise ValueError(
            f"Argument `name` of {kind} must be one of {', '.join(sorted(families))}, "
            f"but got {name!r}."
        )
    make = families[name]
    try:
        inspect.signature(make).bind(**settings)
    except TypeError as error:
        allowed = ", ".join(inspect.signature(make).parameters) or "none"
        raise ValueError(
            f"The settings of {kind.split()[-1]} `{name}` must be among {allowed}, but got "
            f"{', '.join(settings) or 'none'} ({error})."
        ) from None
    return make(**settings)
