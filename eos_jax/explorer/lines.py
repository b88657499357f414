"""A configuration as lines of Python that do the same."""

from collections.abc import Mapping
from typing import Any

import msgspec

from eos_jax.config import Configuration, Deciding, Range
from eos_jax.objectives import Objective


def as_python(configuration: Configuration, own: Objective | None = None) -> str:
    """Lines that run a configuration and keep the dataset as `ds`.

    Args:
      configuration: the configuration.
      own: a user's own objective, where the configuration names none.

    Returns:
      The lines.

    Example:
      >>> axes = {"x": Range(2.0, 3.0, 5), "y": 0.4, "eta": 0.2}
      >>> objective = {"name": "scalar_product", "multiplicities": [2, 2]}
      >>> print(as_python(Configuration(100, axes, objective, rule={"name": "nesterov"})))
      import numpy as np
      import eos_jax as eos
      <BLANKLINE>
      objective = eos.objectives.scalar_product(multiplicities=[2, 2])
      axes = {
          "x": np.linspace(2.0, 3.0, 5),
          "y": 0.4,
          "eta": 0.2,
      }
      ds = eos.sweep(objective, axes, steps=100, rule=eos.rules.nesterov())
    """
    axes = [f'    "{name}": {_axis(name, axis)},' for name, axis in configuration.axes.items()]
    options = [f"{n}={text}" for n, text in _options(configuration).items()]
    call = ", ".join(["objective", "axes", f"steps={configuration.steps}", *options])
    if len(call) > 80:
        joined = "\n".join(f"    {option}," for option in options)
        call = f"\n    objective, axes, steps={configuration.steps},\n{joined}\n"
    lines = [
        "import numpy as np", "import eos_jax as eos", "",
        f"objective = {_objective(configuration, own)}", "axes = {", *axes, "}",
        f"ds = eos.sweep({call})",
    ]  # fmt: skip
    return "\n".join(lines)


def _objective(configuration, own) -> str:
    if configuration.objective is not None:
        return _call("objectives", configuration.objective)
    name = own.name if own else "loss"
    return f"eos.objectives.from_function({name})  # your own function"


def _axis(name, axis) -> str:
    if isinstance(axis, Range):
        make = "np.geomspace" if axis.spacing == "log" else "np.linspace"
        return f"{make}({axis.start!r}, {axis.stop!r}, {axis.num})"
    if name == "seed":
        return repr([int(each) for each in axis] if isinstance(axis, list) else int(axis))
    return repr(axis)


def _options(configuration: Configuration) -> dict[str, str]:
    """What is not as by default, as text by argument."""
    default = {f.name: f.default for f in msgspec.structs.fields(Configuration)}
    found = {}
    for name in ("rule", "stop", "observe", "every", "keep", "sharpness", "dtype", "engine"):
        value = getattr(configuration, name)
        if value == default[name]:
            continue
        if name == "rule":
            found[name] = _call("rules", value)
        elif name == "stop":
            found[name] = _stop(value)
        elif name == "observe":
            each = (f'"{key}": {_call("observers", v, "observer")}' for key, v in value.items())
            found[name] = "{" + ", ".join(each) + "}"
        else:
            found[name] = repr(value or None)
    return found


def _stop(value: Deciding | bool) -> str:
    if not isinstance(value, Deciding):
        return "eos.Stop()" if value else "None"
    default = Deciding()
    given = {n: v for n, v in msgspec.to_builtins(value).items() if v != getattr(default, n)}
    return f"eos.Stop({_arguments(given)})"


def _call(room: str, named: Mapping[str, Any], key: str = "name") -> str:
    settings = {n: v for n, v in named.items() if n != key}
    return f"eos.{room}.{named[key]}({_arguments(settings)})"


def _arguments(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in settings.items())
