"""TOML to a typed configuration and to the arguments of `eos_jax.sweep`.

A configuration is plain data: unknown keys are refused, nothing in it is executed. The command's
`--set key=value` changes any key before the configuration is checked, so both ways reach every
option.
"""

import json
import math
import re
import tomllib
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
import numpy as np
import xarray as xr

from eos_jax import objectives, observers, rules
from eos_jax.checks import sized
from eos_jax.machine import memory
from eos_jax.observers import Observer
from eos_jax.outcomes import ESCAPE, Stop
from eos_jax.rules import Rule
from eos_jax.sweep import sweep


class Range(msgspec.Struct, forbid_unknown_fields=True):
    """Evenly spaced values, both ends included."""

    start: float
    stop: float
    num: int
    spacing: Literal["linear", "log"] = "linear"


Values = list[float | list[float | list[float]]]
"""A row of numbers, or for a parameter that is an array rows of rows: its own, or one a start."""


class Deciding(msgspec.Struct, forbid_unknown_fields=True):
    """When a lane is decided; see `eos_jax.Stop`."""

    tolerance: float | None = None
    escape: float = ESCAPE
    longest_period: int = 0
    period_of: str | None = None


class Configuration(msgspec.Struct, forbid_unknown_fields=True):
    """One sweep, as written in a TOML file.

    Attributes:
      steps: the horizon.
      axes: for each parameter and hyperparameter a range, a list or a number; for a parameter
        that is an array nested lists, of its shape or with one such for each start; its entries
        may be axes, such as `W_at_0_2`.
      objective: `name` of a registered family and its settings; absent where the command names
        a user's own function.
      rule: `name` of a rule and its settings; gradient descent by default.
      stop: when a lane is decided; false runs every lane to the horizon.
      observe: for each record its `observer`, by name, and that one's settings.
      every: steps between samples for observers.
      keep: names of the variables wanted besides `outcome`.
      sharpness: how it is measured: "auto", "exact", "power" or "lanczos"; false for not at all.
      combine: "product" or "zip" of the axes.
      dtype: "float64" or "float32".
      tile: lanes computed and written at once.
      engine: "auto", "registers" or "plain"; see `eos_jax.sweep`.
      analysis: `name` of an instrument of `eos_jax.analysis` and its settings, in place of a sweep.
    """

    steps: int
    axes: dict[str, Range | Values | float]
    objective: dict[str, Any] | None = None
    rule: dict[str, Any] | None = None
    stop: Deciding | bool = True
    observe: dict[str, dict[str, Any]] | None = None
    every: int = 1
    keep: list[str] | None = None
    sharpness: Literal["auto", "exact", "power", "lanczos"] | Literal[False] = "auto"
    combine: Literal["product", "zip"] = "product"
    dtype: Literal["float64", "float32"] = "float64"
    tile: int | None = None
    engine: Literal["auto", "registers", "plain"] = "auto"
    analysis: dict[str, Any] | None = None


EXAMPLES = Path(__file__).parent / "configs"
"""What lies in `configs` of a clone; a built package has it here."""

_BYTES_OF_VALUE = 40  # of an axis: itself, its labels, and copies on their way to a store

_TYPES = {
    field.name: field.type
    for table in (Configuration, Range)
    for field in msgspec.structs.fields(table)
}


def load(path: str | PathLike, changes: Sequence[str] = ()) -> Configuration:
    """The configuration in a TOML file, with some keys changed.

    Args:
      path: the file. configs/NAME.toml, where there is no such file, is an example that an
        installed package brings.
      changes: "key=value", the key dotted, the value as in TOML; a bare word is a string.

    Returns:
      The configuration.

    Raises:
      ValueError: naming file, key, value and what is allowed.
      OSError: if the file cannot be read.

    Example:
      >>> import pathlib, tempfile
      >>> path = pathlib.Path(tempfile.mkdtemp()) / "one.toml"
      >>> _ = path.write_text('''
      ... steps = 100
      ... objective = { name = "scalar_product", multiplicities = [2, 2] }
      ... axes = { x = { start = 2, stop = 3, num = 5 }, y = 0.4, eta = 0.2 }
      ... ''')
      >>> load(path, ["axes.x.num=9"]).axes["x"].num
      9
    """
    try:
        raw = tomllib.loads(_file(Path(path)).read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not a text file in UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: not valid TOML: {error}.") from None
    except RecursionError:
        raise ValueError(f"{path}: nested too deeply.") from None
    return changed(raw, changes, f"{path}: ")


def _file(path: Path) -> Path:
    installed = EXAMPLES / path.name
    given = path.parent == Path("configs") and not path.exists() and installed.is_file()
    return installed if given else path


def changed(raw: dict[str, Any], changes: Sequence[str], where: str = "") -> Configuration:
    """A configuration from plain data, with some keys changed; raises as `load` does.

    Args:
      raw: what a TOML file holds; it is changed.
      changes: as in `load`.
      where: what messages begin with.

    Example:
      >>> changed({"axes": {"eta": 0.1}, "steps": 5}, ["axes.eta=0.2"]).axes
      {'eta': 0.2}
    """
    for change in changes:
        _apply(raw, change)
    try:
        return msgspec.convert(raw, Configuration)
    except msgspec.ValidationError as error:
        raise ValueError(f"{where}{_explain(str(error), raw)}") from None


def _apply(raw: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals or not re.fullmatch(r"\w+(\.\w+)*", key.strip()):
        raise ValueError(f"Option --set must be key=value, but got {change!r}.")
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        parsed = {"value": text.strip()}
    except RecursionError:
        raise ValueError(f"Option --set {key.strip()}: nested too deeply.") from None
    if list(parsed) != ["value"] or (isinstance(parsed["value"], str) and "\n" in text.strip()):
        raise ValueError(f"Option --set must be one key=value, but got {change!r}.")
    value = parsed["value"]
    *tables, last = key.strip().split(".")
    for name in tables:
        raw = raw.setdefault(name, {})
        if not isinstance(raw, dict):
            raise ValueError(f"Option --set {change}: `{name}` is {raw!r}, which has no `{last}`.")
    raw[last] = value


def _explain(message: str, raw: dict[str, Any]) -> str:
    """What msgspec says, with the key as written in TOML, its value and what is allowed."""
    message, _, where = message.partition(" - at ")
    names = re.findall(r"\.(\w+)|\[(\.\.\.|\d+)\]", where)
    value: Any = raw
    path = []
    for attribute, index in names:
        if index == "...":  # some value of `axes`: the one that does not fit
            key = next((k for k, v in value.items() if not _fits_axis(v)), None)
            if key is None:
                break
        else:
            key = attribute or int(index)
        path.append(str(key))
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            break
    key = ".".join(path)
    unknown = re.fullmatch(r"Object contains unknown field `(\w+)`", message)
    if unknown:
        owner = {"": Configuration, "stop": Deciding}.get(key, Range)
        allowed = ", ".join(field.name for field in msgspec.structs.fields(owner))
        name = f"{key}.{unknown[1]}" if key else unknown[1]
        given = value.get(unknown[1]) if isinstance(value, dict) else value
        return f"unknown key `{name}` = {given!r}; allowed here: {allowed}."
    if not key:
        return f"{message}."
    if message.startswith("Invalid enum value"):
        message = f"must be one of {', '.join(_choices(_TYPES[path[-1]]))}"
    return f"key `{key}` = {value!r}: {message}."


def _choices(hint: Any) -> list[str]:
    """The values that a type of literal ones has, as TOML writes them."""
    if get_origin(hint) is Literal:
        return [str(value).lower() for value in get_args(hint)]
    return [value for part in get_args(hint) for value in _choices(part)]


def _fits_axis(value) -> bool:
    try:
        msgspec.convert(value, Range | Values | float)
        return True
    except msgspec.ValidationError:
        return False


def axis_values(name: str, axis: Range | Values | float) -> np.ndarray | float:
    """The numbers of one axis."""
    if name == "seed" and not isinstance(axis, Range):
        whole = np.asarray(axis).astype(np.int64)
        return whole if np.array_equal(whole, axis) else np.asarray(axis, float)
    if isinstance(axis, float | int):
        return float(axis)
    if isinstance(axis, list):
        try:
            return np.asarray(axis, float)
        except ValueError:
            raise ValueError(
                f"Key `axes.{name}` must have rows of one length, but got {axis!r}."
            ) from None
    if axis.num < 1:
        raise ValueError(f"Key `axes.{name}.num` must be at least 1, but got {axis.num}.")
    if not math.isfinite(axis.start) or not math.isfinite(axis.stop - axis.start):
        raise ValueError(
            f"Key `axes.{name}` must be a range of finite length, but got "
            f"{axis.start} to {axis.stop}."
        )
    if _BYTES_OF_VALUE * axis.num > memory():
        raise ValueError(
            f"Key `axes.{name}.num` must fit into memory, of which there is {sized(memory())}, but "
            f"got {axis.num}, which takes {sized(_BYTES_OF_VALUE * axis.num)}."
        )
    if axis.spacing == "linear":
        return np.linspace(axis.start, axis.stop, axis.num)
    if axis.start <= 0 or axis.stop <= 0:
        raise ValueError(
            f"Key `axes.{name}` with log spacing must be positive, but got "
            f"{axis.start} to {axis.stop}."
        )
    return np.geomspace(axis.start, axis.stop, axis.num)


def arguments(configuration: Configuration, objective: Any = None) -> dict[str, Any]:
    """The arguments of `eos_jax.sweep` that a configuration stands for.

    Args:
      configuration: the configuration.
      objective: a user's own objective, in place of a registered one, or a pair of objective and
        rule, an `eos_jax.analysis.System`.

    Returns:
      Keyword arguments.

    Raises:
      ValueError: if a name or value does not fit.
    """
    own_rule = None
    if isinstance(objective, tuple):
        objective, own_rule = objective
        if configuration.rule is not None:
            raise ValueError(
                f"Key `rule` is {configuration.rule!r}, but a map given with --objective is itself "
                "one."
            )
    named = dict(configuration.objective or {})
    name = named.pop("name", None)
    if objective is None:
        if not isinstance(name, str):
            raise ValueError(
                f"Key `objective.name` must be one of {', '.join(sorted(objectives.registry))}, "
                f"but got {name!r}; a function of your own is given with --objective."
            )
        objective = objectives.make(name, **named)
    elif name not in (None, objective.name) or named:
        raise ValueError(
            f"Key `objective` is {configuration.objective!r}, but --objective names "
            f"{objective.name}; give one of them."
        )
    rule = own_rule or rule_of(configuration.rule)
    stop = configuration.stop
    if isinstance(stop, Deciding):
        stop = Stop(stop.tolerance, stop.escape, stop.longest_period, stop.period_of)
    else:
        stop = Stop() if stop else None
    return {
        "objective": objective,
        "axes": {n: axis_values(n, axis) for n, axis in configuration.axes.items()},
        "steps": configuration.steps,
        "rule": rule,
        "stop": stop,
        "observe": observers_of(configuration.observe),
        "every": configuration.every,
        "keep": configuration.keep,
        "sharpness": configuration.sharpness or None,
        "combine": configuration.combine,
        "dtype": configuration.dtype,
        "tile": configuration.tile,
        "engine": configuration.engine,
    }


def run(configuration: Configuration, objective: Any = None, **more: Any) -> xr.Dataset:
    """The result of a configuration: of a sweep, or of the instrument that it names.

    Args:
      configuration: the configuration.
      objective: as in `arguments`.
      **more: further arguments of either, such as `out`.

    Returns:
      The dataset.

    Raises:
      ValueError: if a name or value does not fit.
      FileExistsError: as in `eos_jax.sweep`.
    """
    given = arguments(configuration, objective)
    if configuration.analysis is None:
        return sweep(**given, **more)
    from eos_jax import analysis  # which sweeps do not wait for

    defaults = {field.name: field.default for field in msgspec.structs.fields(configuration)}
    written = {name for name, value in defaults.items() if getattr(configuration, name) != value}
    chosen = {name: value for name, value in given.items()
              if name in written | {"objective", "rule"}}  # fmt: skip
    return analysis.run(configuration.analysis, chosen, **more)


def as_toml(configuration: Configuration) -> str:
    """A configuration as TOML, which `load` reads back as the same.

    Args:
      configuration: the configuration; what is as by default is left out.

    Returns:
      The text.

    Example:
      >>> axes = {"x": Range(2.0, 3.0, 5), "y": 0.4, "eta": 0.2}
      >>> objective = {"name": "scalar_product", "multiplicities": [2, 2]}
      >>> print(as_toml(Configuration(100, axes, objective)))
      steps = 100
      <BLANKLINE>
      [axes]
      x = { start = 2.0, stop = 3.0, num = 5 }
      y = 0.4
      eta = 0.2
      <BLANKLINE>
      [objective]
      name = "scalar_product"
      multiplicities = [2, 2]
    """
    given = {
        field.name: msgspec.to_builtins(value)
        for field in msgspec.structs.fields(configuration)
        if (value := getattr(configuration, field.name)) != field.default
    }
    for axis in given["axes"].values():
        if isinstance(axis, dict) and axis["spacing"] == "linear":
            del axis["spacing"]
    plain = [f"{n} = {_toml(v)}" for n, v in given.items() if not isinstance(v, dict)]
    tables = [
        "\n".join([f"[{name}]", *(f"{n} = {_toml(v)}" for n, v in table.items() if v is not None)])
        for name, table in given.items()
        if isinstance(table, dict)
    ]
    return "\n\n".join(["\n".join(plain), *tables])


def _toml(value: Any) -> str:
    """A value as TOML writes it; tables inline."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{n} = {_toml(v)}" for n, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)  # text, whole numbers and truth are written alike in both


def rule_of(named: dict[str, Any] | None) -> Rule:
    """The rule that a configuration names."""
    named = dict(named or {"name": "gradient_descent"})
    if not isinstance(named.get("name"), str):
        raise ValueError(
            f"Key `rule.name` must be one of {', '.join(sorted(rules.registry))}, "
            f"but got rule = {named!r}."
        )
    return rules.make(**named)


def observers_of(named: dict[str, dict[str, Any]] | None) -> dict[str, Observer] | None:
    """The observers that a configuration names."""
    if named is None:
        return None
    found = {}
    for key, settings in named.items():
        settings = dict(settings)
        name = settings.pop("observer", None)
        if not isinstance(name, str):
            raise ValueError(
                f"Key `observe.{key}.observer` must be one of "
                f"{', '.join(sorted(observers.registry))}, but got {name!r}."
            )
        found[key] = observers.make(name, **settings)
    return found
