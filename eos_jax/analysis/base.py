"""The registry of instruments that a configuration can name.

An instrument is a function (system, axes, steps, *, rule, out, ...) of the arguments of
`eos_jax.sweep` and settings of its own, that returns a dataset and resumes what stands in a store.
A file put here that registers a function is found by itself, by configurations, the command and the
contract tests.
"""

import collections.abc
import functools
import hashlib
import inspect
import json
import operator
import os
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
import xarray as xr

import eos_jax as eos
from eos_jax.results import store

SWEEP = tuple(inspect.signature(eos.sweep).parameters)
"""Arguments that configurations give to sweeps and instruments alike."""


class Instrument(NamedTuple):
    """One instrument.

    Attributes:
      name: of the function.
      function: (system, axes, steps, *, rule, out, ...) -> dataset.
      says: attributes of its datasets that sum up what was found.
      refuses: arguments of `eos_jax.sweep` that it sets itself.
      points: along each axis of a plane, the fewest that it can use.
      example: settings of a small run; the contract tests make one.
    """

    name: str
    function: Callable[..., xr.Dataset]
    says: tuple[str, ...]
    refuses: tuple[str, ...]
    points: int
    example: Mapping[str, Any]

    @property
    def settings(self) -> tuple[str, ...]:
        """Names of what is its own to set."""
        parameters = inspect.signature(self.function).parameters.values()
        return tuple(p.name for p in parameters
                     if p.kind is p.KEYWORD_ONLY and p.name not in SWEEP)  # fmt: skip

    def takes(self, name: str) -> bool:
        """Whether it takes an argument of `eos_jax.sweep`."""
        parameters = inspect.signature(self.function).parameters
        passed_on = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        return name in parameters or (passed_on and name not in self.refuses)


registry: dict[str, Instrument] = {}
"""Instruments by name; filled by `register`."""


def register(
    says: tuple[str, ...] = (),
    refuses: tuple[str, ...] = (),
    points: int = 3,
    example: Mapping[str, Any] | None = None,
) -> Callable:
    """Register a function as an instrument, under its own name.

    Args:
      says: attributes of its datasets that sum up what was found; the command prints them.
      refuses: arguments of `eos_jax.sweep` that it sets itself.
      points: along each axis of a plane, the fewest that it can use.
      example: settings of a small run; the contract tests make one.

    Returns:
      A decorator that leaves the function as it is.

    Example:
      >>> @register(says=("answer",))
      ... def guess(system, axes, steps, *, luck: float = 1.0, out=None):
      ...     return xr.Dataset(attrs={"answer": luck * steps})
      >>> found = registry.pop("guess")
      >>> found.settings, found.takes("dtype")
      (('luck',), False)
    """

    def decorate(function: Callable) -> Callable:
        name = getattr(function, "__name__", "instrument")
        registry[name] = Instrument(name, function, says, refuses, points, example or {})
        return function

    return decorate


def run(named: Mapping[str, Any], arguments: Mapping[str, Any], **more: Any) -> xr.Dataset:
    """Run the instrument that a configuration names.

    Args:
      named: `name` and settings, plain values.
      arguments: those of `eos_jax.sweep` that the configuration gives.
      **more: such as `out`.

    Returns:
      Its dataset.

    Raises:
      ValueError: if a name, a setting or a value does not fit.

    Example:
      >>> import eos_jax as eos, numpy as np
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> axes = {"x": np.linspace(2, 3, 5), "y": 0.3, "eta": 0.2}
      >>> ds = run({"name": "trust", "by": ["ulp"], "also": []},
      ...          {"objective": obj, "axes": axes, "steps": 500})
      >>> ds.attrs["trust"]
      'trusted: 100 % of lanes (ulp)'
    """
    settings = dict(named)
    name = settings.pop("name", None)
    if not isinstance(name, str) or name not in registry:
        raise ValueError(
            f"Key `analysis.name` must be one of {', '.join(sorted(registry))}, but got {name!r}."
        )
    instrument = registry[name]
    given = {**arguments, **more}
    required = [given.pop(key) for key in ("objective", "axes", "steps")]
    for key in given:
        if not instrument.takes(key):
            raise ValueError(f"Key `{key}` does not go with the analysis `{name}`.")
    return instrument.function(*required, **given, **_converted(instrument, settings))


def _converted(instrument: Instrument, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as the function's annotations want them."""
    hints = typing.get_type_hints(instrument.function)
    found = {}
    for key, value in settings.items():
        if key not in instrument.settings:
            raise ValueError(
                f"Unknown key `analysis.{key}` = {value!r}; `{instrument.name}` has "
                f"{', '.join(instrument.settings) or 'no settings'}."
            )
        hint = hints[key]
        parts = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        plain = [part for part in parts if _is_plain(part)]
        if not plain:
            raise ValueError(f"Key `analysis.{key}` is a function, which only Python can give.")
        try:
            found[key] = msgspec.convert(value, functools.reduce(operator.or_, plain))
        except msgspec.ValidationError as error:
            raise ValueError(f"Key `analysis.{key}` = {value!r}: {error}.") from None
    return found


def _is_plain(hint: Any) -> bool:
    """Whether a configuration can hold values of a type."""
    if hint in (bool, int, float, str, types.NoneType):
        return True
    return typing.get_origin(hint) in (tuple, list, collections.abc.Sequence)


def beside(out: str | os.PathLike | None, name: str) -> str | None:
    """Where something that a result is made from is kept: beside its store."""
    return None if out is None else f"{os.fspath(out).rstrip('/')}.parts/{name}"


def check_out(out: str | os.PathLike | None) -> None:
    """Raise, before anything is run, where the store's place is taken by something else."""
    if out is not None:
        store.check_replaceable(out)


def finished(
    result: xr.Dataset, name: str, settings: Mapping[str, Any], out: str | os.PathLike | None
) -> xr.Dataset:
    """The dataset with the instrument's settings in its configuration, kept in its store.

    Args:
      result: with the configuration of the sweep that it is made from.
      name: of the instrument.
      settings: its own, plain values.
      out: folder of the store, if any.

    Raises:
      FileExistsError: if the store holds a result of another configuration.
    """
    text = configuration_with(result.attrs["configuration"], name, settings)
    digest = hashlib.sha256(text.encode()).hexdigest()
    result = result.assign_attrs(configuration=text, configuration_sha256=digest)
    result.attrs.pop("order", None)  # that of the sweep
    if out is not None:
        store.check_replaceable(out, text)
        store.save(result, out)
    return result


def configuration_with(configuration: str, name: str, settings: Mapping[str, Any]) -> str:
    """The configuration of what an instrument makes from a sweep of another one, as text."""
    analysis = {"analysis": {"name": name, **settings}}
    return json.dumps({**json.loads(configuration), **analysis}, sort_keys=True)


def findings(dataset: xr.Dataset) -> list[str]:
    """Lines that sum up what an instrument found; none of a sweep."""
    named = json.loads(dataset.attrs.get("configuration", "{}")).get("analysis") or {}
    instrument = registry.get(named.get("name", ""))
    says = instrument.says if instrument else ()
    return [_line(name, dataset.attrs[name]) for name in says if name in dataset.attrs]


def _line(name: str, value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if text.startswith(f"{name}") else f"{name.replace('_', ' ')}: {text}"


__all__ = ["Instrument", "findings", "register", "registry", "run"]
