"""What a page may ask, and how much: plain data, checked before anything runs.

A question is a configuration of `eos_jax.config`, the same that a TOML file holds, so that what
the page shows is what `eos-jax sweep` computes. Names are looked up in registries; nothing that
comes from a browser is executed or opened.
"""

import math
from typing import Any

import msgspec
import numpy as np

from eos_jax import config, rules
from eos_jax.config import Configuration, Range
from eos_jax.curvature.hessian import coordinates
from eos_jax.objectives import Objective

PIXELS = 2**20
"""Lanes of one window at most."""

STEPS = 10**6
"""Horizon at most."""

LANE_STEPS = 2**38
"""Lanes times horizon at most: some minutes on two cores if every lane goes to the horizon."""

SETTING = 256
"""The largest whole number among the settings of objective, rule and observers."""

DIMENSION = 256
"""Dimensions of an objective's full space at most: its Hessian is taken at every pixel."""

PERIOD = 4096
"""The longest cycle that is looked for."""


class Window(msgspec.Struct, forbid_unknown_fields=True):
    """A map is wanted.

    Attributes:
      configuration: the sweep, two of whose axes are ranges.
      part: every how many pixels along each axis are computed: 1 for all.
      trust: whether to tell where fates change from starts one ulp further.
      variables: names of what is sent besides the outcome; everything by default.
    """

    configuration: Configuration
    part: int = 1
    trust: bool = False
    variables: list[str] | None = None


class Orbit(msgspec.Struct, forbid_unknown_fields=True):
    """One orbit is wanted, from `start`: values in place of the configuration's ranges."""

    configuration: Configuration
    start: dict[str, float]


class System(msgspec.Struct, forbid_unknown_fields=True):
    """What an objective and a rule are like is wanted."""

    objective: dict[str, Any] | None = None
    rule: dict[str, Any] | None = None


class Piece(msgspec.Struct, forbid_unknown_fields=True):
    """A part of a store is wanted.

    Attributes:
      ranges: for each of the two dimensions the first index, the one past the last, the stride.
      variables: names.
      fixed: index along every other dimension.
    """

    ranges: dict[str, tuple[int, int, int]]
    variables: list[str]
    fixed: dict[str, int] = {}


class Sheet(msgspec.Struct, forbid_unknown_fields=True):
    """A configuration, or a part of the store, is wanted as a picture or a dataset.

    Attributes:
      configuration: the sweep.
      variable: what is drawn.
      log: whether its scale is logarithmic.
      piece: the part of the store, in place of a sweep.
    """

    configuration: Configuration
    variable: str | None = None
    log: bool = False
    piece: Piece | None = None


def parse(text: bytes, kind: type) -> Any:
    """A question from JSON.

    Args:
      text: the JSON.
      kind: one of the classes above.

    Returns:
      The question.

    Raises:
      ValueError: if it is none.

    Example:
      >>> parse(b'{"rule": {"name": "adam"}}', System).rule
      {'name': 'adam'}
      >>> parse(b'{"rule": 3}', System)
      Traceback (most recent call last):
      ValueError: The question does not fit: Expected `object | null`, got `int` - at `$.rule`.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"The question does not fit: {error}.") from None


def arguments(configuration: Configuration, own: Objective | None, part: int = 1) -> dict[str, Any]:
    """The arguments of `eos_jax.sweep` for a window, within the limits.

    Args:
      configuration: what is asked for.
      own: a user's own objective, which the server was started with.
      part: every how many values of its two axes are taken.

    Returns:
      Keyword arguments. The axes are cut from those of the whole window, so a coarse window's
      pixels are pixels of the whole one.

    Raises:
      ValueError: if something is too large or does not fit.
    """
    check_limits(configuration)
    if not 1 <= part <= 64:
        raise ValueError(f"A part must be from 1 to 64, but got {part}.")
    # tiles and cores are the machine's business
    given = config.arguments(
        msgspec.structs.replace(configuration, tile=None),
        own if configuration.objective is None else None,
    )
    check_objective(given["objective"])
    across = axes_of(configuration)
    given["axes"] = {
        name: values[part // 2 :: part] if name in across and len(values) > part else values
        for name, values in given["axes"].items()
    }
    return given


def arguments_of_point(configuration: Configuration, own: Objective | None) -> dict[str, Any]:
    """The arguments of `eos_jax.sweep` for a single lane; raises as `arguments` does."""
    check_limits(configuration)
    given = config.arguments(configuration, own if configuration.objective is None else None)
    check_objective(given["objective"])
    return given


def axes_of(configuration: Configuration) -> tuple[str, str]:
    """The two names that are ranges: across and up; raises unless there are two."""
    found = tuple(n for n, axis in configuration.axes.items() if isinstance(axis, Range))
    if len(found) != 2:
        raise ValueError(f"A map has two axes that are ranges, but got {len(found)}.")
    return found


def objective_of(named: dict[str, Any] | None, own: Objective | None) -> Objective:
    """The objective that a page names, a small one."""
    check_settings("objective", named)
    if named is None and own is not None:
        return check_objective(own)
    given = Configuration(0, {}, named)
    return check_objective(config.arguments(given)["objective"])


def rule_of(named: dict[str, Any] | None) -> rules.Rule:
    """The rule that a page names."""
    check_settings("rule", named)
    return config.rule_of(named)


def check_limits(configuration: Configuration) -> None:
    """Raise ValueError if a configuration asks for more than a page may, before it is built."""
    pixels = math.prod(max(axis.num, 0) if isinstance(axis, Range) else 1
                       for axis in configuration.axes.values())  # fmt: skip
    for axis in configuration.axes.values():
        if isinstance(axis, list) and (size := _size(axis)) > SETTING:
            raise ValueError(f"A start has at most {SETTING} entries, but got {size}.")
    if pixels > PIXELS:
        raise ValueError(f"A window has at most {PIXELS:,} pixels, but {pixels:,} were asked for.")
    if not 0 <= configuration.steps <= STEPS:
        raise ValueError(f"The horizon is 0 to {STEPS:,} steps, but got {configuration.steps:,}.")
    if pixels * configuration.steps > LANE_STEPS:
        raise ValueError(
            f"Pixels times horizon are at most {LANE_STEPS:.1e}, but "
            f"{pixels * configuration.steps:.1e} were asked for; take fewer of one."
        )
    if configuration.combine != "product":
        raise ValueError("A map is a product of its axes, but got combine = zip.")
    stop = configuration.stop
    if not isinstance(stop, bool) and stop.longest_period > PERIOD:
        raise ValueError(f"The longest period is at most {PERIOD}, but got {stop.longest_period}.")
    for name in ("objective", "rule", "observe"):
        check_settings(name, getattr(configuration, name))


def _size(value: Any) -> int:
    return sum(map(_size, value)) if isinstance(value, list) else 1


def check_settings(where: str, value: Any) -> None:
    """Raise ValueError if settings hold a large whole number, many entries, or text that is no
    plain name, such as a path.
    """
    if isinstance(value, dict | list):
        if len(value) > SETTING:
            raise ValueError(f"Key `{where}` has at most {SETTING} entries, but got {len(value)}.")
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for name, each in entries:
            check_settings(f"{where}.{name}", each)
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) > SETTING:
        raise ValueError(f"Key `{where}` is at most {SETTING} on this page, but got {value}.")
    elif isinstance(value, str) and not value.isidentifier():
        raise ValueError(f"Key `{where}` must be a plain name, but got {value[:40]!r}.")


def check_objective(objective: Objective) -> Objective:
    """The objective; raises ValueError if its full space has too many dimensions."""
    full = coordinates(objective)
    if full > DIMENSION:
        raise ValueError(
            f"An objective has at most {DIMENSION} dimensions on this page, but {objective.name} "
            f"has {full}; use eos_jax.sweep."
        )
    return objective


def starts(objective: Objective) -> dict[str, Any]:
    """A start to begin with: scalars 0.5; arrays as layers are, lest their entries move as one.

    Args:
      objective: any.

    Returns:
      Numbers and nested lists, the same for every objective of these names and shapes.

    Example:
      >>> import eos_jax as eos
      >>> starts(eos.objectives.deep_linear_network((1, 2, 1), singular_values=(2.0,)))
      {'W1': [[0.13], [-0.13]], 'W2': [[0.45, 0.07]]}
    """
    random = np.random.default_rng(0)
    return {
        name: (random.normal(size=shape) / shape[-1] ** 0.5).round(2).tolist() if shape else 0.5
        for name, shape in zip(objective.parameters, objective.shapes)
    }


def ulps(values: np.ndarray) -> float:
    """How many units in the last place neighbouring values of an axis lie apart, at least.

    Args:
      values: of the axis, in the dtype that lanes start from.

    Returns:
      The least distance of neighbours in units of the coarsest spacing among them; 0 where two
      pixels share a start.

    Example:
      >>> ulps(np.array([1.0, np.nextafter(1.0, 2), 1 + 2**-50]))
      1.0
    """
    if len(values) < 2:
        return math.inf
    apart = float(np.min(np.abs(np.diff(values))))
    return apart / float(np.spacing(np.max(np.abs(values))))
